"""ShuffleNet v2: designed for speed on the device rather than for a count of multiply-adds."""

from __future__ import annotations

from collections.abc import Sequence

from convsmith.network.builder import (
    Tensor,
    channel_shuffle,
    channel_slice,
    concat,
    conv_norm,
    conv_norm_act,
    global_avg_pool,
    linear,
    max_pool,
    scope,
)
from convsmith.network.dims import Dim
from convsmith.zoo.inception.towers import AROUND
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

MA_2018 = Paper(
    "ShuffleNet V2: practical guidelines for efficient CNN architecture design",
    "Ma, Zhang, Zheng, Sun",
    2018,
    "arXiv 1807.11164",
    "Equal widths, few groups, few branches: half the channels pass each unit untouched, then all are shuffled.",
    month=7,
)

DEPTHS = (4, 8, 4)
TABLE_8 = "single crop (table 8)"
COUNTED = {"gmacs": "table 8 prints 41, 146, 299 and 591 M; the layers of its table 5 have 40, 145, 296 and 583 M"}


def branch(x: Tensor, maps: Dim, stride: int) -> Tensor:
    """1x1, 3x3 depthwise, 1x1; no activation after the depthwise one."""
    with scope("branch2"):
        y = conv_norm_act(x, maps, 1)
        y = conv_norm(y, maps, 3, stride, groups=maps)
        return conv_norm_act(y, maps, 1)


def unit(x: Tensor, maps: Dim) -> Tensor:
    """Half of the channels pass through, half are convolved (fig. 3 c)."""
    half = maps // 2
    kept, worked = channel_slice(x, 0, half), channel_slice(x, half, maps)
    return channel_shuffle(concat(kept, branch(worked, half, 1)), 2)


def downsample(x: Tensor, maps: Dim) -> Tensor:
    """All channels go through both branches, which doubles them (fig. 3 d)."""
    with scope("branch1"):
        y = conv_norm(x, x.channels, 3, 2, groups=x.channels)
        y = conv_norm_act(y, maps // 2, 1)
    return channel_shuffle(concat(y, branch(x, maps // 2, 2)), 2)


@family(
    paper=MA_2018,
    flagship="shufflenet_v2_x1_0",
    departures={
        "*_x[12]_0": {"CS202": "the widths are table 5's, chosen to meet the FLOPs of the networks compared with"}
    },
    variants={
        "shufflenet_v2_x0_5": {"maps": (48, 96, 192)},
        "shufflenet_v2_x1_0": {"maps": (116, 232, 464)},
        "shufflenet_v2_x1_5": {"maps": (176, 352, 704)},
        "shufflenet_v2_x2_0": {"maps": (244, 488, 976), "last": 2048},
    },
    published={
        "shufflenet_v2_x0_5": PaperFigures(params_m=1.4, gmacs=0.041, top1=60.3, protocol=TABLE_8, deviations=COUNTED),
        "shufflenet_v2_x1_0": PaperFigures(params_m=2.3, gmacs=0.146, top1=69.4, protocol=TABLE_8, deviations=COUNTED),
        "shufflenet_v2_x1_5": PaperFigures(params_m=3.5, gmacs=0.299, top1=72.6, protocol=TABLE_8, deviations=COUNTED),
        "shufflenet_v2_x2_0": PaperFigures(params_m=7.4, gmacs=0.591, top1=74.9, protocol=TABLE_8, deviations=COUNTED),
    },
)
def shufflenet_v2(image: Tensor, classes: Dim, *, maps: Sequence[Dim], last: Dim = 1024) -> Tensor:
    """A stem of 24 maps, three stages that halve the size, 1x1 to the last width (table 5)."""
    x = max_pool(conv_norm_act(image, 24, 3, 2), 3, 2, padding=AROUND)
    for stage, (width, depth) in enumerate(zip(maps, DEPTHS, strict=True), start=2):
        for i in range(depth):
            with scope(f"stage{stage}.{i}"):
                x = unit(x, width) if i else downsample(x, width)
    return linear(global_avg_pool(conv_norm_act(x, last, 1)), classes, name="fc")
