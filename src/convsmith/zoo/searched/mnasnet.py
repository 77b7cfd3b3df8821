"""MnasNet: mobile networks found by a search that measured every candidate on the phone."""

from __future__ import annotations

from collections.abc import Sequence

from convsmith.network.builder import Tensor, add, conv_norm, conv_norm_act, dropout, global_avg_pool, linear, scope
from convsmith.network.dims import Dim, divisible
from convsmith.zoo.blocks import inverted_residual
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

TAN_2018 = Paper(
    "MnasNet: platform-aware neural architecture search for mobile",
    "Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le",
    2018,
    "arXiv 1807.11626",
    "The search's reward is accuracy times measured latency, and every stage may have its own kind of block.",
    month=7,
)

Stage = tuple[int, int, int, int, int, int]
"""Expansion, kernel, squeeze (0 without SE), maps, repeats, stride of the first."""

# Figure 7 a, which has the kinds, maps and repeats.
A1: tuple[Stage, ...] = (
    (6, 3, 0, 24, 2, 2),
    (3, 5, 4, 40, 3, 2),
    (6, 3, 0, 80, 4, 2),
    (6, 3, 4, 112, 2, 1),
    (6, 5, 4, 160, 3, 2),
    (6, 3, 0, 320, 1, 1),
)
# The search without squeeze-and-excitation (table 2), and the small network, from their authors' code.
B1: tuple[Stage, ...] = (
    (3, 3, 0, 24, 3, 2),
    (3, 5, 0, 40, 3, 2),
    (6, 5, 0, 80, 3, 2),
    (6, 3, 0, 96, 2, 1),
    (6, 5, 0, 192, 4, 2),
    (6, 3, 0, 320, 1, 1),
)
SMALL: tuple[Stage, ...] = (
    (3, 3, 0, 16, 1, 2),
    (6, 3, 0, 16, 2, 2),
    (6, 5, 4, 32, 4, 2),
    (6, 3, 4, 32, 3, 1),
    (6, 5, 4, 88, 3, 2),
    (6, 3, 0, 144, 1, 1),
)


def separable(x: Tensor, channels: Dim) -> Tensor:
    """3x3 depthwise, 1x1 linear pointwise (fig. 7 c)."""
    return conv_norm(conv_norm_act(x, x.channels, 3, groups=x.channels), channels, 1)


RELEASED = "single crop, the authors' released weights"
UNSTATED = "the release page does not say how it counts; the layers have {} M"


def released(params_m: float, gmacs: float, top1: float, top5: float, layers: float) -> PaperFigures:
    """A width of A1 as the authors' release page has it, and the million multiply-adds of its layers."""
    deviations = {"gmacs": UNSTATED.format(layers)}
    return PaperFigures(params_m, gmacs, top1, top5, RELEASED, deviations=deviations)


@family(
    paper=TAN_2018,
    flagship="mnasnet_a1",
    variants={
        "mnasnet_a1": {"stages": A1},
        "mnasnet_b1": {"stages": B1},
        "mnasnet_small": {"stages": SMALL, "stem": 8, "first": 8},
    },
    published={
        "mnasnet_a1": PaperFigures(params_m=3.9, gmacs=0.312, top1=75.2, top5=92.5, protocol="single crop (table 1)"),
        "mnasnet_b1": PaperFigures(top1=74.5, protocol="single crop (table 2)"),
        "mnasnet_small": PaperFigures(params_m=2.0, gmacs=0.068, top1=66, protocol=RELEASED),
        "mnasnet_a1:1.4": released(6.1, 0.5915, 77.2, 93.5, 586.3),
        "mnasnet_a1:0.75": released(2.9, 0.2267, 73.3, 91.3, 223.4),
        "mnasnet_a1:0.5": released(2.1, 0.1052, 68.9, 88.4, 103.2),
        "mnasnet_a1:0.35": released(1.7, 0.0632, 64.1, 85.1, 61.7),
    },
)
def mnasnet(
    image: Tensor,
    classes: Dim,
    *,
    stages: Sequence[Stage],
    stem: int = 32,
    first: int = 16,
    width: float = 1.0,
    drop: float = 0.2,
) -> Tensor:
    """A full convolution, a separable one, six stages of inverted residuals, 1280 features."""
    x = conv_norm_act(image, divisible(stem * width), 3, 2)
    with scope("stage1.0"):
        y = separable(x, divisible(first * width))
        x = add(x, y) if first == stem else y
    for stage, (expand, kernel, squeeze, maps, depth, stride) in enumerate(stages, start=2):
        for i in range(depth):
            with scope(f"stage{stage}.{i}"):
                step = stride if i == 0 else 1
                x = inverted_residual(
                    x, divisible(maps * width), kernel, step, expand, function="relu", squeeze=squeeze
                )
    x = conv_norm_act(x, 1280, 1)
    return linear(dropout(global_avg_pool(x), drop), classes, name="fc")
