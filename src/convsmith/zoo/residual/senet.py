"""Squeeze-and-excitation networks: known networks whose blocks learn weights for their channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from convsmith.network import dims
from convsmith.network.builder import (
    Tensor,
    add,
    conv_norm,
    conv_norm_act,
    dropout,
    global_avg_pool,
    linear,
    max_pool,
    relu,
)
from convsmith.network.dims import Dim
from convsmith.zoo.blocks import squeeze_excite
from convsmith.zoo.inception.inception_v2 import inception_v2
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family
from convsmith.zoo.residual.resnet import (
    DEPTHS,
    STRIDE_IN_1X1,
    Block,
    basic,
    bottleneck,
    bottleneck_v1,
    shortcut,
    stages,
    stem,
)
from convsmith.zoo.residual.wide_resnet import wide_resnet_cifar

HU_2017 = Paper(
    "Squeeze-and-excitation networks",
    "Hu, Shen, Albanie, Sun, Wu",
    2017,
    "arXiv 1709.01507",
    "A network learns which channels matter for the image at hand, at hardly any cost.",
    month=9,
)

V1_5 = "the stride is in the 3x3 convolution, not in the first 1x1, and the stem's pooling is padded"
UNSTATED = "the layers have {} G multiply-adds; the paper does not say what else its GFLOPs count"
STEM = (
    "BN-Inception's stem is separable in its paper, and its layers have 1.94 G; with a full 7x7 convolution they "
    "would have 2.02 G"
)


def table_2(gmacs: float, top1_error: float, top5_error: float, note: str = "", deviation: str = "") -> PaperFigures:
    """A row of table 2, and why its layers do not give its GFLOPs (in a note where they agree to one digit fewer)."""
    top1, top5 = round(100 - top1_error, 2), round(100 - top5_error, 2)
    deviations = {"gmacs": deviation} if deviation else {}
    return PaperFigures(None, gmacs, top1, top5, "single crop (table 2)", note, deviations)


def excited(residual: Tensor, *, least: int = 1) -> Tensor:
    """Squeeze-and-excitation at a sixteenth of the width, but no narrower than `least` (section 6.1)."""
    return squeeze_excite(residual, dims.maximum(residual.channels // 16, least))


def caffe_stem(image: Tensor) -> Tensor:
    """ResNet's, pooled as in the authors' framework: no padding, and a last window that may be partial."""
    return max_pool(conv_norm_act(image, 64, 7, 2), 3, 2, ceil=True)


se_bottleneck_v1 = partial(bottleneck_v1, excite=excited)
se_bottleneck = partial(bottleneck, excite=excited)
se_aggregated = partial(bottleneck, groups=32, group_width=4, excite=excited)


@family(
    paper=HU_2017,
    departures={f"se_resnet{depth}": {"CS103": STRIDE_IN_1X1} for depth in (50, 101, 152)},
    variants={
        "se_resnet50": {"blocks": DEPTHS[50], "block": se_bottleneck_v1},
        "se_resnet101": {"blocks": DEPTHS[101], "block": se_bottleneck_v1},
        "se_resnet152": {"blocks": DEPTHS[152], "block": se_bottleneck_v1},
        "se_resnext50_32x4d": {"blocks": DEPTHS[50], "block": se_aggregated},
        "se_resnext101_32x4d": {"blocks": DEPTHS[101], "block": se_aggregated},
        "se_resnet18": {"blocks": DEPTHS[18], "block": partial(basic, excite=excited)},
        "se_resnet34": {"blocks": DEPTHS[34], "block": partial(basic, excite=excited)},
        **{
            f"se_resnet{depth}_v1_5": {"blocks": DEPTHS[depth], "block": se_bottleneck, "stem": stem}
            for depth in (50, 101, 152)
        },
    },
    published={
        "se_resnet50": table_2(3.87, 23.29, 6.62, deviation=UNSTATED.format(3.860)),
        "se_resnet101": table_2(7.60, 22.38, 6.07, note=UNSTATED.format(7.575)),
        "se_resnet152": table_2(11.32, 21.57, 5.73, deviation=UNSTATED.format(11.289)),
        "se_resnext50_32x4d": table_2(4.25, 21.10, 5.49, deviation=UNSTATED.format(4.233)),
        "se_resnext101_32x4d": table_2(8.00, 20.70, 5.01, note=UNSTATED.format(7.975)),
        **{f"se_resnet{depth}_v1_5": PaperFigures(note=V1_5) for depth in (50, 101, 152)},
    },
)
def se_resnet(
    image: Tensor,
    classes: Dim,
    *,
    blocks: Sequence[int],
    block: Block,
    stem: Callable[[Tensor], Tensor] = caffe_stem,
    drop: float = 0.0,
) -> Tensor:
    """ResNet or ResNeXt, every residual weighted before it is added (fig. 3, table 1)."""
    x = global_avg_pool(stages(stem(image), blocks, block))
    return linear(dropout(x, drop) if drop else x, classes, name="fc")


def se_bottleneck_154(x: Tensor, width: int, stride: int) -> Tensor:
    """64 groups of 4 maps, after a 1x1 convolution half as wide; 3x3 projections where it strides (appendix)."""
    y = conv_norm_act(x, 2 * width, 1)
    y = conv_norm_act(y, 4 * width, 3, stride, groups=64)
    y = excited(conv_norm(y, 4 * width, 1))
    return relu(add(y, shortcut(x, y, stride, kernel=3 if stride > 1 else 1)))


def three_convolutions(image: Tensor) -> Tensor:
    """Three 3x3 convolutions for the 7x7 one (appendix)."""
    return conv_norm_act(conv_norm_act(conv_norm_act(image, 64, 3, 2), 64, 3), 128, 3)


def deep_caffe_stem(image: Tensor) -> Tensor:
    return max_pool(three_convolutions(image), 3, 2, ceil=True)


def deep_stem(image: Tensor) -> Tensor:
    """The same, its pooling padded."""
    return max_pool(three_convolutions(image), 3, 2, padding=(1, 1, 1, 1))


@family(
    paper=HU_2017,
    flagship="senet154",
    variants={"senet154": {}},
    published={
        "senet154": PaperFigures(
            top1=81.32,
            top5=95.53,
            protocol="single crop (table 8)",
            note="others print 145.8 M parameters for it (Zoph et al. 2018, table 2); its layers have 115.1 M",
        )
    },
)
def senet154(
    image: Tensor, classes: Dim, *, drop: float = 0.2, stem: Callable[[Tensor], Tensor] = deep_caffe_stem
) -> Tensor:
    """The network that won ILSVRC 2017: a modified ResNeXt-152, 64x4d (appendix)."""
    x = global_avg_pool(stages(stem(image), DEPTHS[152], se_bottleneck_154))
    return linear(dropout(x, drop), classes, name="fc")


@family(
    paper=HU_2017,
    variants={"se_inception_v2": {}},
    published={"se_inception_v2": table_2(2.04, 24.23, 7.14, deviation=STEM)},
)
def se_inception_v2(image: Tensor, classes: Dim) -> Tensor:
    """BN-Inception, every module's output weighted (fig. 2)."""
    return inception_v2(image, classes, excite=excited)


@family(
    paper=HU_2017,
    variants={"se_wrn_16_8": {"depth": 16, "widen": 8}},
    input=(3, 32, 32),
    classes=10,
    published={"se_wrn_16_8": PaperFigures(note="CIFAR-10 test error 3.88% (table 4)")},
)
def se_wide_resnet_cifar(image: Tensor, classes: Dim, *, depth: int, widen: Dim, drop: float = 0.0) -> Tensor:
    """CIFAR's Wide ResNet, every residual weighted."""
    return wide_resnet_cifar(image, classes, depth=depth, widen=widen, drop=drop, excite=excited)
