"""ResNeXt: residual networks whose 3x3 convolutions are split into groups."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from convsmith.network.builder import Tensor, conv_norm_act, global_avg_pool, linear
from convsmith.network.dims import Dim
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family
from convsmith.zoo.residual.resnet import DEPTHS, bottleneck, resnet, stages

XIE_2016 = Paper(
    "Aggregated residual transformations for deep neural networks",
    "Xie, Girshick, Dollár, Tu, He",
    2016,
    "arXiv 1611.05431",
    "Cardinality, the number of equal paths in a block, pays off more than depth or width at the same cost.",
    month=11,
)
MAHAJAN_2018 = Paper(
    "Exploring the limits of weakly supervised pretraining",
    "Mahajan, Girshick, Ramanathan, He, Paluri, Li, Bharambe, van der Maaten",
    2018,
    "arXiv 1805.00932",
    "Wider ResNeXts, pretrained on a billion photographs labelled with their hashtags.",
    month=5,
)

# Tables 3 and 4: (depth, cardinality, width) -> top-1 and top-5 error.
ERRORS = {
    (50, 2, 40): (23.0, None),
    (50, 4, 24): (22.6, None),
    (50, 8, 14): (22.3, None),
    (50, 32, 4): (22.2, None),
    (101, 2, 40): (21.7, None),
    (101, 4, 24): (21.4, None),
    (101, 8, 14): (21.3, None),
    (101, 32, 4): (21.2, 5.6),
    (101, 2, 64): (20.7, 5.5),
    (101, 64, 4): (20.4, 5.3),
}


# The release page: width -> million parameters, billion multiply-adds, top-1, top-5; million parameters of the layers.
RELEASED = {
    8: (88, 16, 82.2, 96.4, 88.8),
    16: (193, 36, 84.2, 97.2, 194.0),
    32: (466, 87, 85.1, 97.5, 468.5),
    48: (829, 153, 85.4, 97.6, 828.4),
}


def named(depth: int, groups: int, group_width: int) -> str:
    return f"resnext{depth}_{groups}x{group_width}d"


def accuracies(top1_error: float, top5_error: float | None) -> PaperFigures:
    """A row of tables 3 and 4, whose captions give one cost for all rows."""
    top5 = None if top5_error is None else round(100 - top5_error, 1)
    return PaperFigures(top1=round(100 - top1_error, 1), top5=top5, protocol="single crop (tables 3 and 4)")


def released(params_m: float, gmacs: float, top1: float, top5: float, layers: float) -> PaperFigures:
    """A row of the release page."""
    unstated = f"the release page does not say how it counts; the layers have {layers} M"
    protocol = "single crop, pretrained on 940 million hashtagged photographs"
    return PaperFigures(params_m, gmacs, top1, top5, protocol, deviations={"params_m": unstated})


@family(
    paper=MAHAJAN_2018,
    flagship="resnext101_32x48d",
    variants={named(101, 32, d): {"blocks": DEPTHS[101], "groups": 32, "group_width": d} for d in RELEASED},
    published={named(101, 32, d): released(*row) for d, row in RELEASED.items()},
)
@family(
    paper=XIE_2016,
    flagship="resnext101_64x4d",
    variants={
        named(depth, groups, d): {"blocks": DEPTHS[depth], "groups": groups, "group_width": d}
        for depth, groups, d in ERRORS
    },
    published={
        **{named(*row): accuracies(*errors) for row, errors in ERRORS.items()},
        named(50, 32, 4): PaperFigures(params_m=25.0, gmacs=4.2, top1=77.8, protocol="single crop (tables 1 and 3)"),
    },
)
def resnext(image: Tensor, classes: Dim, *, blocks: Sequence[int], groups: int, group_width: int) -> Tensor:
    """ResNet with grouped bottlenecks (table 1; fig. 3 c, which equals its parallel paths a and b)."""
    block = partial(bottleneck, groups=groups, group_width=group_width)
    return resnet(image, classes, blocks=blocks, block=block)


@family(
    paper=XIE_2016,
    variants={f"resnext29_{groups}x64d": {"groups": groups} for groups in (8, 16)},
    input=(3, 32, 32),
    classes=10,
    published={
        "resnext29_8x64d": PaperFigures(params_m=34.4, note="CIFAR-10 test error 3.65% (table 7)"),
        "resnext29_16x64d": PaperFigures(
            params_m=68.1,
            note="CIFAR-10 test error 3.58% (table 7)",
            deviations={"params_m": "68.16 M, truncated rather than rounded"},
        ),
    },
)
def resnext_cifar(image: Tensor, classes: Dim, *, groups: int, group_width: int = 64) -> Tensor:
    """A 3x3 convolution and three stages of three blocks (section 5.3)."""
    block = partial(bottleneck, groups=groups, group_width=group_width)
    x = stages(conv_norm_act(image, 64, 3), (3, 3, 3), block)
    return linear(global_avg_pool(x), classes, name="fc")
