"""MobileNets: convolutions factored into depthwise and pointwise, with a width multiplier."""

from __future__ import annotations

from convsmith.network import dims
from convsmith.network.builder import Tensor, conv_norm_act, dropout, global_avg_pool, linear, scope
from convsmith.network.dims import Dim, divisible
from convsmith.zoo.blocks import inverted_residual
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

HOWARD_2017 = Paper(
    "MobileNets: efficient convolutional neural networks for mobile vision applications",
    "Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam",
    2017,
    "arXiv 1704.04861",
    "Depthwise separable convolutions cost 8 to 9 times less; two multipliers trade accuracy for cost.",
    month=4,
)
SANDLER_2018 = Paper(
    "MobileNetV2: inverted residuals and linear bottlenecks",
    "Sandler, Howard, Zhu, Zhmoginov, Chen",
    2018,
    "arXiv 1801.04381",
    "Shortcuts join thin, linear layers; the wide depthwise layer lives in between.",
    month=1,
)


def separable(x: Tensor, channels: Dim, stride: int) -> Tensor:
    """3x3 depthwise, then 1x1 pointwise, each with norm and activation (fig. 3 right)."""
    x = conv_norm_act(x, x.channels, 3, stride, groups=x.channels, function="relu6")
    return conv_norm_act(x, channels, 1, function="relu6")


RELEASED = "single crop, the authors' released weights"
UNSTATED = "the release page does not say how it counts; the layers have {} M"

# Table 1: (maps, blocks, stride of the first).
V1_STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))


@family(
    paper=HOWARD_2017,
    flagship="mobilenet_v1",
    variants={"mobilenet_v1": {}},
    published={
        "mobilenet_v1": PaperFigures(
            params_m=4.2,
            gmacs=0.569,
            top1=70.6,
            protocol="single crop (table 8)",
            note="ReLU6, as in the authors' code; the paper says ReLU",
        ),
        "mobilenet_v1:1.0-224": PaperFigures(
            params_m=4.24, gmacs=0.569, top1=70.9, protocol=RELEASED, deviations={"params_m": UNSTATED.format("4.23")}
        ),
        "mobilenet_v1:0.75-224": PaperFigures(
            params_m=2.59,
            gmacs=0.317,
            top1=68.4,
            protocol=RELEASED,
            deviations={
                "gmacs": "the release page prints 317 M; table 6 of the paper has the 325 M that the layers give"
            },
        ),
        "mobilenet_v1:0.5-224": PaperFigures(
            params_m=1.34, gmacs=0.150, top1=63.3, protocol=RELEASED, deviations={"params_m": UNSTATED.format("1.33")}
        ),
        "mobilenet_v1:0.5-160": PaperFigures(
            params_m=1.32,
            gmacs=0.076,
            top1=60.2,
            protocol="single crop (table 9)",
            deviations={
                "params_m": "1.33 M with batch norm's 0.01 M, which table 9 does not count",
                "gmacs": "76.5 M, truncated rather than rounded",
            },
        ),
        "mobilenet_v1:0.25-128": PaperFigures(params_m=0.47, gmacs=0.014, top1=41.5, protocol=RELEASED),
    },
)
def mobilenet_v1(image: Tensor, classes: Dim, *, width: float = 1.0, drop: float = 0.001) -> Tensor:
    """A full convolution, thirteen separable ones (table 1). The resolution multiplier is the input's size."""
    x = conv_norm_act(image, divisible(32 * width), 3, 2, function="relu6")
    for stage, (channels, depth, stride) in enumerate(V1_STAGES):
        for i in range(depth):
            with scope(f"stage{stage + 1}.{i}"):
                x = separable(x, divisible(channels * width), stride if i == 0 else 1)
    return linear(dropout(global_avg_pool(x), drop), classes, name="fc")


# Table 2: (expansion t, maps c, repeats n, stride s).
V2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@family(
    paper=SANDLER_2018,
    flagship="mobilenet_v2",
    variants={"mobilenet_v2": {}},
    published={
        "mobilenet_v2": PaperFigures(
            params_m=3.4,
            gmacs=0.300,
            top1=72.0,
            protocol="single crop (table 4)",
            deviations={"params_m": "3.50 M with batch norm's 0.03 M; 3.47 M without, truncated rather than rounded"},
        )
    },
)
def mobilenet_v2(image: Tensor, classes: Dim, *, width: float = 1.0, drop: float = 0.2) -> Tensor:
    """Seventeen inverted residuals between two full convolutions (table 2)."""
    x = conv_norm_act(image, divisible(32 * width), 3, 2, function="relu6")
    for stage, (expand, channels, depth, stride) in enumerate(V2_STAGES):
        for i in range(depth):
            with scope(f"stage{stage + 1}.{i}"):
                step = stride if i == 0 else 1
                x = inverted_residual(x, divisible(channels * width), 3, step, expand, function="relu6")
    # The last layer never becomes narrower than 1280 (section 5: "except the very last").
    x = conv_norm_act(x, dims.maximum(divisible(1280 * width), 1280), 1, function="relu6")
    return linear(dropout(global_avg_pool(x), drop), classes, name="fc")
