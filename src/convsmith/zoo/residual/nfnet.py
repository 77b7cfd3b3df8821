"""NFNets: networks without normalisation, which keep the variance of their signals by scaling instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import sqrt

from convsmith.network import dims
from convsmith.network.builder import (
    Tensor,
    activation,
    add,
    avg_pool,
    dropout,
    global_avg_pool,
    linear,
    scale,
    scope,
    skip_init,
    standardized_conv,
    stochastic_depth,
)
from convsmith.network.dims import Dim
from convsmith.network.init import ONES, ZEROS, Init
from convsmith.network.ops.pointwise import Function
from convsmith.zoo.blocks import squeeze_excite
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

BROCK_2021 = Paper(
    "High-performance large-scale image recognition without normalization",
    "Brock, De, Smith, Simonyan",
    2021,
    "arXiv 2102.06171",
    "Standardised weights, scaled activations and adaptive gradient clipping train as well as batch norm, and faster.",
    month=2,
)

GAMMA: dict[Function, float] = {"gelu": 1.7015043497085571, "silu": 1.7881293296813965}
"""1 / standard deviation of a function of a standard normal (Brock et al. 2021, arXiv 2101.08692, section 3)."""
ALPHA = 0.2
"""Each block adds a branch of variance ALPHA^2."""
SE_GAIN = 2.0
"""A sigmoid gate halves the signal on average."""


def act(x: Tensor, function: Function, beta: float = 1.0) -> Tensor:
    """An activation that preserves the variance, of an input that `beta` brings to variance 1."""
    return scale(activation(x, function), GAMMA[function] * beta)


def block(
    x: Tensor,
    channels: Dim,
    stride: int,
    beta: float,
    drop: float,
    *,
    function: Function = "gelu",
    squeeze: int = 2,
    group: int = 128,
    skip: bool = True,
) -> Tensor:
    """Pre-activated bottleneck with two grouped 3x3 convolutions and squeeze-and-excitation (fig. 3).

    Bottleneck and excitation are `squeeze` times narrower. The branch starts at zero by its own gain or, without
    `skip`, by the gains of its last convolution.
    """
    width = channels // squeeze
    y = act(x, function, beta)
    shortcut = x
    if stride > 1 or not dims.equal(x.shape[:1], (channels,)):
        with scope("downsample"):
            pooled = avg_pool(y, 2, stride, ceil=True) if stride > 1 else y
            shortcut = standardized_conv(pooled, channels, 1)
    y = standardized_conv(y, width, 1)
    y = standardized_conv(act(y, function), width, 3, stride, groups=width // group)
    y = standardized_conv(act(y, function), width, 3, groups=width // group)
    y = standardized_conv(act(y, function), channels, 1, gain_init=ONES if skip else ZEROS)
    y = stochastic_depth(scale(squeeze_excite(y, channels // squeeze), SE_GAIN), drop)
    return add(scale(skip_init(y) if skip else y, ALPHA), shortcut)


def stem(x: Tensor, function: Function) -> Tensor:
    """Four convolutions, to 128 maps at a quarter of the side (fig. 2)."""
    with scope("stem"):
        x = standardized_conv(x, 16, 3, 2)
        for width, stride in ((32, 1), (64, 1), (128, 2)):
            x = standardized_conv(act(x, function), width, 3, stride)
    return x


def stages(x: Tensor, repeat: int, widths: Sequence[int], drop: float, block: Callable[..., Tensor]) -> Tensor:
    """Four stages of (1, 2, 6, 3) times `repeat` blocks, dropped more often the deeper they are (table 1)."""
    depths = [depth * repeat for depth in (1, 2, 6, 3)]
    number = 0
    variance = 1.0
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        for i in range(depth):
            with scope(f"stage{stage}.{i}"):
                stride = 2 if i == 0 and stage > 1 else 1
                x = block(x, width, stride, 1 / sqrt(variance), drop * number / sum(depths))
            # A shortcut with a convolution starts again at variance 1.
            variance = (1.0 if i == 0 else variance) + ALPHA**2
            number += 1
    return x


def classifier(x: Tensor, classes: Dim, drop: float) -> Tensor:
    return linear(dropout(global_avg_pool(x), drop), classes, init=Init("normal", 0.01), name="fc")


WIDTHS = (256, 512, 1536, 1536)
# Table 1: dropout, side of test images; F0 has (1, 2, 6, 3) blocks, and each of the others that many more.
SIZES = ((0.2, 256), (0.3, 320), (0.4, 352), (0.4, 416), (0.5, 512), (0.5, 544), (0.5, 576))
# Table 3 (and 6): million parameters, G multiply-adds at the test side, top-1, top-5.
FIGURES = (
    (71.5, 12.38, 83.6, 96.8),
    (132.6, 35.54, 84.7, 97.1),
    (193.8, 62.59, 85.1, 97.3),
    (254.9, 114.76, 85.7, 97.5),
    (316.1, 215.24, 85.9, 97.6),
    (377.2, 289.76, 86.0, 97.6),
    (438.4, 377.28, None, None),
)
GELU_NOTE = "GELU is exact, as in timm; the authors' code approximates it by tanh, and pads as TensorFlow does"
PLUS = "wider, as in the authors' code; 89.2% after pre-training on JFT-300M (table 5)"


@family(
    paper=BROCK_2021,
    flagship="nfnet_f5",
    variants={
        **{f"nfnet_f{n}": {"repeat": n + 1, "drop": drop} for n, (drop, _) in enumerate(SIZES)},
        "nfnet_f4_plus": {"repeat": 5, "drop": 0.4, "widths": (384, 768, 2048, 2048)},
    },
    input=(3, 512, 512),
    inputs={f"nfnet_f{n}": (3, side, side) for n, (_, side) in enumerate(SIZES)},
    published={
        **{
            f"nfnet_f{n}": PaperFigures(
                params, gmacs, top1, top5, "single crop at the test side (table 3)" if top1 else "", GELU_NOTE
            )
            for n, (params, gmacs, top1, top5) in enumerate(FIGURES)
        },
        "nfnet_f4_plus": PaperFigures(params_m=527, note=PLUS),
    },
)
def nfnet(
    image: Tensor,
    classes: Dim,
    *,
    repeat: int,
    widths: Sequence[int] = WIDTHS,
    drop: float = 0.5,
    drop_path: float = 0.25,
) -> Tensor:
    """A stem, four stages, a last convolution; activations carry the factor that keeps the variance (table 1)."""
    x = stages(stem(image, "gelu"), repeat, widths, drop_path, block)
    x = act(standardized_conv(x, 2 * widths[-1], 1, name="final_conv"), "gelu")
    return classifier(x, classes, drop)


@family(
    paper=BROCK_2021,
    variants={"nfnet_l0": {}},
    published={
        "nfnet_l0": PaperFigures(
            top1=82.75,
            protocol="single crop of 288x288, timm's released weights",
            note="not in the paper: timm's light version of F0, with SiLU",
        )
    },
)
def nfnet_timm(
    image: Tensor,
    classes: Dim,
    *,
    repeat: int = 1,
    function: Function = "silu",
    squeeze: int = 4,
    group: int = 64,
    features: float = 1.5,
    drop: float = 0.2,
    drop_path: float = 0.25,
) -> Tensor:
    """timm's own NFNets, whose weights carry the factor that keeps the variance instead of activations.

    Between an activation and a convolution that is the same; but here the first and last convolutions have the factor
    too, and the last activation does not.
    """
    gamma = GAMMA[function]
    blocks = partial(block, function=function, squeeze=squeeze, group=group, skip=False)
    x = stages(stem(scale(image, gamma), function), repeat, WIDTHS, drop_path, blocks)
    x = standardized_conv(scale(x, gamma), int(features * WIDTHS[-1]), 1, name="final_conv")
    return classifier(activation(x, function), classes, drop)
