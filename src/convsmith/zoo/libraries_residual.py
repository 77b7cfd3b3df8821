"""What torchvision and timm mean by their names: ResNeXt, Wide ResNet, squeeze-and-excitation networks."""

from __future__ import annotations

from functools import partial

from convsmith.network.builder import Tensor, relu
from convsmith.zoo.registry import ALIASES, Alias
from convsmith.zoo.resnet import basic, bottleneck, stem
from convsmith.zoo.senet import deep_stem, excited

RESNEXT = ("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d")
WIDE = ("wide_resnet50_2", "wide_resnet101_2")

LEGACY = {"drop": 0.2}
"""timm's older SENets, ported from the authors' Caffe networks, all drop."""
SE_BASIC = partial(basic, excite=partial(excited, least=8))


def rectified(residual: Tensor) -> Tensor:
    """The ports' basic blocks, which the authors never had, rectify before they weigh."""
    return excited(relu(residual))


LEGACY_BASIC = {"block": partial(basic, excite=rectified), **LEGACY}

ALIASES.update(
    {
        **{f"torchvision/{name}": Alias(name, {}) for name in (*RESNEXT, *WIDE)},
        **{f"timm/{name}": Alias(name, {}) for name in (*RESNEXT, *WIDE)},
        **{f"timm/resnext101_32x{d}d": Alias(f"resnext101_32x{d}d", {}) for d in (4, 16, 32)},
        **{f"timm/legacy_seresnet{depth}": Alias(f"se_resnet{depth}", LEGACY_BASIC) for depth in (18, 34)},
        **{f"timm/legacy_seresnet{depth}": Alias(f"se_resnet{depth}", LEGACY) for depth in (50, 101, 152)},
        "timm/legacy_seresnext26_32x4d": Alias("se_resnext50_32x4d", {"blocks": (2, 2, 2, 2), **LEGACY}),
        **{f"timm/legacy_seresnext{d}_32x4d": Alias(f"se_resnext{d}_32x4d", LEGACY) for d in (50, 101)},
        "timm/legacy_senet154": Alias("senet154", {}),
        **{
            f"timm/seresnet{depth}": Alias(f"se_resnet{depth}", {"block": SE_BASIC, "stem": stem}) for depth in (18, 34)
        },
        **{f"timm/seresnet{depth}": Alias(f"se_resnet{depth}_v1_5", {}) for depth in (50, 101, 152)},
        **{f"timm/seresnext{d}_32x4d": Alias(f"se_resnext{d}_32x4d", {"stem": stem}) for d in (50, 101)},
        **{
            f"timm/seresnext101_{groups}x{d}d": Alias(
                "se_resnext101_32x4d",
                {"stem": stem, "block": partial(bottleneck, groups=groups, group_width=d, excite=excited)},
            )
            for groups, d in ((32, 8), (64, 4))
        },
        "timm/senet154": Alias("senet154", {"stem": deep_stem, "drop": 0}),
    }
)
