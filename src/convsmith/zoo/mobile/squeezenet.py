"""SqueezeNet: AlexNet's accuracy with fifty times fewer parameters."""

from __future__ import annotations

from collections.abc import Callable, Collection

from convsmith.network import dims
from convsmith.network.builder import (
    Tensor,
    add,
    concat,
    conv,
    dropout,
    flatten,
    global_avg_pool,
    max_pool,
    relu,
    scope,
)
from convsmith.network.dims import Dim
from convsmith.network.init import HE_FAN_IN, Init
from convsmith.network.ops.window import NONE
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

IANDOLA_2016 = Paper(
    "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
    "Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer",
    2016,
    "arXiv 1602.07360",
    "Fire modules squeeze the maps by 1x1 convolutions before they expand them, half by 1x1 and half by 3x3.",
    month=2,
)

Bypass = Callable[[Tensor, Tensor], Tensor]

# Table 1: maps of fire2 to fire9: squeeze, and each half of expand.
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
CROP = "single crop"
FINAL = Init("normal", 0.01)


def fire(x: Tensor, squeeze: Dim, expand: Dim) -> Tensor:
    """1x1 squeeze, then 1x1 and 3x3 expand side by side (fig. 1)."""
    x = relu(conv(x, squeeze, 1, init=HE_FAN_IN, name="squeeze"))
    return concat(
        relu(conv(x, expand, 1, init=HE_FAN_IN, name="expand1x1")),
        relu(conv(x, expand, 3, init=HE_FAN_IN, name="expand3x3")),
    )


def no_bypass(x: Tensor, y: Tensor) -> Tensor:
    """Figure 2 left."""
    return y


def simple_bypass(x: Tensor, y: Tensor) -> Tensor:
    """Identity around fire 3, 5, 7, 9: where the number of maps does not change (fig. 2 middle)."""
    return add(x, y) if dims.equal(x.shape, y.shape) else y


def complex_bypass(x: Tensor, y: Tensor) -> Tensor:
    """And a 1x1 convolution around the others (fig. 2 right)."""
    if dims.equal(x.shape, y.shape):
        return add(x, y)
    return add(conv(x, y.channels, 1, init=HE_FAN_IN, name="bypass"), y)


@family(
    paper=IANDOLA_2016,
    flagship="squeezenet1_0",
    variants={
        "squeezenet1_0": {},
        "squeezenet1_0_simple_bypass": {"bypass": simple_bypass},
        "squeezenet1_0_complex_bypass": {"bypass": complex_bypass},
        "squeezenet1_1": {"maps": 64, "kernel": 3, "pooled": (3, 5)},
    },
    input=(3, 227, 227),
    departures={
        "*": {
            "CS110": "most kernels are 1x1, to save parameters (section 3.1): positions see less than the image",
            "CS506": "the published network has a rectifier behind every convolution, conv10 included",
        },
        "squeezenet1_[01]": {
            "CS402": "the paper has no norms: its solver trains without, at a rate that falls linearly"
        },
    },
    published={
        "squeezenet1_0": PaperFigures(
            params_m=1.248424,
            top1=57.5,
            top5=80.3,
            protocol=CROP,
            note="the paper prints an input of 224, but its 111x111 maps need 227",
        ),
        "squeezenet1_0_simple_bypass": PaperFigures(params_m=1.248424, top1=60.4, top5=82.5, protocol=CROP),
        "squeezenet1_0_complex_bypass": PaperFigures(
            top1=58.8,
            top5=82.0,
            protocol=CROP,
            note="6.1 MiB, the paper prints 7.7 MB: with 1x1 convolutions where the maps change, as its section 6 says",
        ),
        "squeezenet1_1": PaperFigures(
            note="the authors' later release: the same accuracy as 1.0 with 2.4 times less computation"
        ),
    },
)
def squeezenet(
    image: Tensor,
    classes: Dim,
    *,
    maps: int = 96,
    kernel: int = 7,
    pooled: Collection[int] = (4, 8),
    bypass: Bypass = no_bypass,
) -> Tensor:
    """A convolution, eight fire modules, a convolution to class maps (table 1). Pooling follows conv1 and `pooled`."""
    x = relu(conv(image, maps, kernel, 2, padding=NONE, init=HE_FAN_IN, name="conv1"))
    x = max_pool(x, 3, 2, ceil=True)
    for number, (squeeze, expand) in enumerate(FIRES, start=2):
        with scope(f"fire{number}"):
            x = bypass(x, fire(x, squeeze, expand))
        if number in pooled:
            x = max_pool(x, 3, 2, ceil=True)
    x = relu(conv(dropout(x), classes, 1, init=FINAL, name="conv10"))
    return flatten(global_avg_pool(x))
