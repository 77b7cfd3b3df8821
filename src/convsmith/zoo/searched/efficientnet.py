"""EfficientNet: one network found by search, scaled in depth, width and resolution together; and its Lite versions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from convsmith.network.builder import (
    Tensor,
    conv_norm_act,
    dropout,
    fixed_norm,
    global_avg_pool,
    linear,
    scale,
    scope,
)
from convsmith.network.dims import Dim, divisible
from convsmith.network.init import UNIFORM_FAN_OUT
from convsmith.network.ops.pointwise import Function
from convsmith.zoo.blocks import inverted_residual
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

TAN_2019 = Paper(
    "EfficientNet: rethinking model scaling for convolutional neural networks",
    "Tan, Le",
    2019,
    "arXiv 1905.11946",
    "Depth, width and resolution grow together, by one coefficient: depth 1.2^phi, width 1.1^phi, side 1.15^phi.",
    month=5,
)

# Table 1: (expansion, kernel, maps, repeats, stride of the first).
STAGES = (
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)

# The coefficients' values as the authors' code rounds them: (width, depth, side, dropout).
SCALES = {
    "b0": (1.0, 1.0, 224, 0.2),
    "b1": (1.0, 1.1, 240, 0.2),
    "b2": (1.1, 1.2, 260, 0.3),
    "b3": (1.2, 1.4, 300, 0.3),
    "b4": (1.4, 1.8, 380, 0.4),
    "b5": (1.6, 2.2, 456, 0.4),
    "b6": (1.8, 2.6, 528, 0.5),
    "b7": (2.0, 3.1, 600, 0.5),
    "b8": (2.2, 3.6, 672, 0.5),
    "l2": (4.3, 5.3, 800, 0.5),
}
LITE_SCALES = {
    "lite0": (1.0, 1.0, 224, 0.2),
    "lite1": (1.0, 1.1, 240, 0.2),
    "lite2": (1.1, 1.2, 260, 0.3),
    "lite3": (1.2, 1.4, 280, 0.3),
    "lite4": (1.4, 1.8, 300, 0.3),
}


PADDING = "the authors' code pads as TensorFlow does, and so do timm/tf_efficientnet_* and keras/EfficientNet*"
RUNNING = "{} M, or {} M with the running statistics of the norms"
COUNTED = "the layers have {} G at the authors' own coefficients; the paper does not say how it counts"
WITH_OTHERS = "{} M in convolutions and matrix products; the release page counts norms, activations and sums too"


def table_2(params_m: float, gmacs: float, top1: float, top5: float, /, **deviations: str) -> PaperFigures:
    """A row of the paper's table 2."""
    return PaperFigures(params_m, gmacs, top1, top5, "single crop (table 2)", PADDING, deviations)


def released(params_m: float, gmacs: float, top1: float, layers: int) -> PaperFigures:
    """A row of the release page, and the million multiply-adds of the network's layers."""
    deviations = {"gmacs": WITH_OTHERS.format(layers)}
    protocol = "single crop, the authors' released weights in float32"
    return PaperFigures(params_m, gmacs, top1, protocol=protocol, note=PADDING, deviations=deviations)


def raw_pixels(image: Tensor) -> Tensor:
    """Pixels from 0 to 255, scaled to 0 to 1 and normalised by statistics among the weights, as Keras does it."""
    return fixed_norm(scale(image, 1 / 255))


def trunk(x: Tensor, width: float, depths: Sequence[int], *, function: Function, squeeze: int, drop: float) -> Tensor:
    """The stages of table 1; the probability that training drops a block grows linearly up to `drop`."""
    blocks = 0
    for stage, ((expand, kernel, maps, _, stride), depth) in enumerate(zip(STAGES, depths, strict=True), start=1):
        for i in range(depth):
            with scope(f"stage{stage}.{i}"):
                x = inverted_residual(
                    x,
                    divisible(maps * width),
                    kernel,
                    stride if i == 0 else 1,
                    expand,
                    function=function,
                    squeeze=squeeze,
                    drop=drop * blocks / sum(depths),
                )
            blocks += 1
    return x


def classifier(x: Tensor, classes: Dim, drop: float) -> Tensor:
    """Means, dropout, a dense layer whose first weights are smaller for more classes (as in the authors' code)."""
    x = dropout(global_avg_pool(x), drop)
    return linear(x, classes, init=UNIFORM_FAN_OUT, name="fc")


@family(
    paper=TAN_2019,
    flagship="efficientnet_b7",
    variants={f"efficientnet_{b}": {"width": w, "depth": d, "drop": drop} for b, (w, d, _, drop) in SCALES.items()},
    inputs={f"efficientnet_{b}": (3, side, side) for b, (_, _, side, _) in SCALES.items()},
    published={
        "efficientnet_b0": table_2(5.3, 0.39, 77.1, 93.3),
        "efficientnet_b1": table_2(7.8, 0.70, 79.1, 94.4),
        "efficientnet_b2": table_2(9.2, 1.0, 80.1, 94.9, params_m=RUNNING.format("9.11", "9.18")),
        "efficientnet_b3": table_2(12, 1.8, 81.6, 95.7),
        "efficientnet_b4": table_2(19, 4.2, 82.9, 96.4, gmacs=COUNTED.format("4.39")),
        "efficientnet_b5": table_2(30, 9.9, 83.6, 96.7, gmacs=COUNTED.format("10.27")),
        "efficientnet_b6": table_2(43, 19, 84.0, 96.8),
        "efficientnet_b7": table_2(66, 37, 84.3, 97.0, gmacs=COUNTED.format("37.7")),
        "efficientnet_b8": PaperFigures(
            params_m=88,
            top1=85.5,
            protocol="single crop, trained with adversarial examples (Xie et al. 2019, arXiv 1911.09665)",
            deviations={"params_m": RUNNING.format("87.4", "87.8")},
        ),
        "efficientnet_l2": PaperFigures(
            params_m=480,
            top1=88.4,
            top5=98.7,
            protocol="single crop, trained on 300 M further images (Xie et al. 2019, arXiv 1911.04252, table 2)",
        ),
    },
)
def efficientnet(
    image: Tensor,
    classes: Dim,
    *,
    width: float = 1.0,
    depth: float = 1.0,
    drop: float = 0.2,
    drop_block: float = 0.2,
    entry: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """A full convolution, seven stages of MBConv with squeeze-and-excitation, 1280 features times the width."""
    x = entry(image) if entry else image
    x = conv_norm_act(x, divisible(32 * width), 3, 2, function="silu")
    depths = [math.ceil(repeats * depth) for *_, repeats, _ in STAGES]
    x = trunk(x, width, depths, function="silu", squeeze=4, drop=drop_block)
    x = conv_norm_act(x, divisible(1280 * width), 1, function="silu")
    return classifier(x, classes, drop)


@family(
    paper=TAN_2019,
    variants={
        f"efficientnet_{b}": {"width": w, "depth": d, "drop": drop} for b, (w, d, _, drop) in LITE_SCALES.items()
    },
    inputs={f"efficientnet_{b}": (3, side, side) for b, (_, _, side, _) in LITE_SCALES.items()},
    published={
        "efficientnet_lite0": released(4.7, 0.407, 75.1, 385),
        "efficientnet_lite1": released(5.4, 0.631, 76.7, 600),
        "efficientnet_lite2": released(6.1, 0.899, 77.6, 860),
        "efficientnet_lite3": released(8.2, 1.44, 79.8, 1383),
        "efficientnet_lite4": released(13.0, 2.64, 81.5, 2553),
    },
)
def efficientnet_lite(
    image: Tensor,
    classes: Dim,
    *,
    width: float = 1.0,
    depth: float = 1.0,
    drop: float = 0.2,
    drop_block: float = 0.2,
) -> Tensor:
    """For small devices: ReLU6, no squeeze-and-excitation; stem, head and the single-block stages are not scaled."""
    x = conv_norm_act(image, 32, 3, 2, function="relu6")
    depths = [math.ceil(repeats * depth) if repeats > 1 else 1 for *_, repeats, _ in STAGES]
    x = trunk(x, width, depths, function="relu6", squeeze=0, drop=drop_block)
    x = conv_norm_act(x, 1280, 1, function="relu6")
    return classifier(x, classes, drop)
