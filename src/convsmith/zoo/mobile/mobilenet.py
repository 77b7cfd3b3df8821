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
NARROWER = "the release page prints 2.5% less for each network of width 0.75; table 6 of the paper has the 325 M at 224"
SQUARE = "30.2 M: a misprint of the release page, since cost goes by the square of the side (41 M at 224)"

# The release page: width-side -> million multiply-adds, million parameters, top-1, top-5; why the layers give others.
GRID: dict[str, tuple[float, float, float, float, dict[str, str]]] = {
    "1.0-224": (569, 4.24, 70.9, 89.9, {"params_m": UNSTATED.format("4.23")}),
    "1.0-192": (418, 4.24, 70.0, 89.2, {"params_m": UNSTATED.format("4.23")}),
    "1.0-160": (291, 4.24, 68.0, 87.7, {"params_m": UNSTATED.format("4.23")}),
    "1.0-128": (186, 4.24, 65.2, 85.8, {"params_m": UNSTATED.format("4.23")}),
    "0.75-224": (317, 2.59, 68.4, 88.2, {"gmacs": NARROWER}),
    "0.75-192": (233, 2.59, 67.2, 87.3, {"gmacs": NARROWER}),
    "0.75-160": (162, 2.59, 65.3, 86.0, {"gmacs": NARROWER}),
    "0.75-128": (104, 2.59, 62.1, 83.9, {"gmacs": NARROWER}),
    "0.5-224": (150, 1.34, 63.3, 84.9, {"params_m": UNSTATED.format("1.33")}),
    "0.5-192": (110, 1.34, 61.7, 83.6, {"params_m": UNSTATED.format("1.33")}),
    "0.5-160": (77, 1.34, 59.1, 81.9, {"params_m": UNSTATED.format("1.33")}),
    "0.5-128": (49, 1.34, 56.3, 79.4, {"params_m": UNSTATED.format("1.33")}),
    "0.25-224": (41, 0.47, 49.8, 74.2, {}),
    "0.25-192": (34, 0.47, 47.7, 72.3, {"gmacs": SQUARE}),
    "0.25-160": (21, 0.47, 45.5, 70.3, {}),
    "0.25-128": (14, 0.47, 41.5, 66.3, {}),
}


def released(mmacs: float, params_m: float, top1: float, top5: float, deviations: dict[str, str]) -> PaperFigures:
    """A row of the release page."""
    return PaperFigures(params_m, mmacs / 1000, top1, top5, RELEASED, deviations=deviations)


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
        **{f"mobilenet_v1:{point}": released(*row) for point, row in GRID.items()},
        "mobilenet_v1:0.5-160": PaperFigures(  # the paper's, not the release page's
            params_m=1.32,
            gmacs=0.076,
            top1=60.2,
            protocol="single crop (table 9)",
            deviations={
                "params_m": "1.33 M with batch norm's 0.01 M, which table 9 does not count",
                "gmacs": "76.5 M, truncated rather than rounded",
            },
        ),
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
