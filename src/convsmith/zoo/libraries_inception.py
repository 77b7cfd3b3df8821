"""What torchvision, timm and Keras mean by their names: Inception, Xception, SqueezeNet, DenseNet, ShuffleNet."""

from __future__ import annotations

from convsmith.network.dialect import Dialect
from convsmith.zoo.densenet import deep_stem
from convsmith.zoo.registry import ALIASES, Alias

SLIM = Dialect(norm_eps=1e-3)
SLIM_COUNTING = Dialect(norm_eps=1e-3, pool_counts_padding=True)
KERAS_DENSENET = Dialect(norm_eps=1.001e-5, norm_momentum=0.01)
KERAS_INCEPTION = Dialect(norm_eps=1e-3, norm_momentum=0.01, norm_scale=False)
KERAS_XCEPTION = Dialect(same_padding=True, norm_eps=1e-3, norm_momentum=0.01)

NATIVE = (3, 224, 224)

ALIASES.update(
    {
        "torchvision/googlenet": Alias("googlenet_bn", {}, SLIM),
        "torchvision/inception_v3": Alias("inception_v3", {}, SLIM_COUNTING),
        **{f"torchvision/squeezenet{v}": Alias(f"squeezenet{v}", {}, input=NATIVE) for v in ("1_0", "1_1")},
        **{f"torchvision/densenet{d}": Alias(f"densenet{d}", {}) for d in (121, 161, 169, 201)},
        **{f"torchvision/shufflenet_v2_{w}": Alias(f"shufflenet_v2_{w}", {}) for w in ("x0_5", "x1_0", "x1_5", "x2_0")},
        "timm/inception_v3": Alias("inception_v3", {"aux": 0, "drop": 0}, SLIM_COUNTING),
        "timm/inception_v4": Alias("inception_v4", {"drop": 0}, SLIM),
        "timm/inception_resnet_v2": Alias("inception_resnet_v2_slim", {"drop": 0}, SLIM),
        "timm/legacy_xception": Alias("xception", {}),
        **{f"timm/densenet{d}": Alias(f"densenet{d}", {}) for d in (121, 161, 169, 201)},
        "timm/densenet264d": Alias("densenet264", {"growth": 48, "stem": deep_stem}),
        "keras/InceptionV3": Alias("inception_v3", {"aux": 0, "drop": 0}, KERAS_INCEPTION),
        "keras/InceptionResNetV2": Alias("inception_resnet_v2_slim", {"drop": 0}, KERAS_INCEPTION),
        "keras/Xception": Alias("xception", {}, KERAS_XCEPTION),
        **{f"keras/DenseNet{d}": Alias(f"densenet{d}", {}, KERAS_DENSENET) for d in (121, 169, 201)},
    }
)
