"""What torchvision, timm and Keras mean by their names: our variants, in their dialects."""

from __future__ import annotations

from convsmith.network.dialect import Dialect
from convsmith.zoo.registry import ALIASES, Alias

KERAS_RESNET = Dialect(norm_eps=1.001e-5, norm_momentum=0.01, bias_before_norm=True)
KERAS_RESNET_V2 = Dialect(norm_eps=1.001e-5, norm_momentum=0.01)
KERAS_MOBILENET = Dialect(same_padding=True, norm_eps=1e-3, norm_momentum=0.01)
KERAS_MOBILENET_V2 = Dialect(same_padding=True, norm_eps=1e-3, norm_momentum=0.001)

ALIASES.update(
    {
        "torchvision/alexnet": Alias("alexnet_2014", {}),
        **{f"torchvision/vgg{d}{bn}": Alias(f"vgg{d}{bn}", {}) for d in (11, 13, 16, 19) for bn in ("", "_bn")},
        **{f"torchvision/resnet{d}": Alias(f"resnet{d}", {}) for d in (18, 34)},
        **{f"torchvision/resnet{d}": Alias(f"resnet{d}_v1_5", {}) for d in (50, 101, 152)},
        "torchvision/mobilenet_v2": Alias("mobilenet_v2", {}),
        **{f"timm/vgg{d}{bn}": Alias(f"vgg{d}{bn}", {}) for d in (11, 13, 16, 19) for bn in ("", "_bn")},
        **{f"timm/resnet{d}": Alias(f"resnet{d}", {}) for d in (18, 34)},
        **{f"timm/resnet{d}": Alias(f"resnet{d}_v1_5", {}) for d in (50, 101, 152)},
        **{f"timm/resnetv2_{d}": Alias(f"resnet{d}_v2", {}) for d in (50, 101, 152)},
        "timm/mobilenetv1_100": Alias("mobilenet_v1", {}),
        "timm/mobilenetv1_125": Alias("mobilenet_v1", {"width": 1.25}),
        **{f"timm/mobilenetv2_{w}": Alias("mobilenet_v2", {"width": int(w) / 100}) for w in ("050", "100", "140")},
        "keras/VGG16": Alias("vgg16", {}),
        "keras/VGG19": Alias("vgg19", {}),
        **{f"keras/ResNet{d}": Alias(f"resnet{d}", {}, KERAS_RESNET) for d in (50, 101, 152)},
        **{f"keras/ResNet{d}V2": Alias(f"resnet{d}_v2_keras", {}, KERAS_RESNET_V2) for d in (50, 101, 152)},
        "keras/MobileNet": Alias("mobilenet_v1", {}, KERAS_MOBILENET),
        "keras/MobileNetV2": Alias("mobilenet_v2", {}, KERAS_MOBILENET_V2),
    }
)
