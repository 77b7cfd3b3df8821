"""Xception: Inception modules taken to their extreme, depthwise separable convolutions."""

from __future__ import annotations

from convsmith.network import dims
from convsmith.network.builder import (
    Tensor,
    add,
    batch_norm,
    conv,
    conv_norm,
    default_padding,
    global_avg_pool,
    linear,
    max_pool,
    relu,
    scope,
)
from convsmith.network.dims import Dim
from convsmith.zoo.inception.towers import valid
from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import family

CHOLLET_2016 = Paper(
    "Xception: deep learning with depthwise separable convolutions",
    "Chollet",
    2016,
    "arXiv 1610.02357",
    "Channels and positions are treated separately throughout, inside residual connections.",
    month=10,
)


def separable(x: Tensor, maps: Dim) -> Tensor:
    """3x3 depthwise, 1x1 pointwise, nothing in between, then norm (section 3.2)."""
    x = conv(x, x.channels, 3, groups=x.channels, bias=False)
    return batch_norm(conv(x, maps, 1, bias=False))


def block(x: Tensor, *maps: Dim, stride: int, first_relu: bool = True) -> Tensor:
    """Separable convolutions after rectifiers, max pooling where it strides, a shortcut around them (fig. 5)."""
    y = x
    for i, width in enumerate(maps):
        y = separable(relu(y) if i or first_relu else y, width)
    if stride > 1:
        y = max_pool(y, 3, stride, padding=default_padding((3, 3), (stride, stride)))
    return add(y, shortcut(x, y, stride))


def shortcut(x: Tensor, like: Tensor, stride: int) -> Tensor:
    """Identity, or a 1x1 projection where the shape changes."""
    if dims.equal(x.shape, like.shape):
        return x
    with scope("downsample"):
        return conv_norm(x, like.channels, 1, stride)


@family(
    paper=CHOLLET_2016,
    flagship="xception",
    variants={"xception": {}},
    input=(3, 299, 299),
    published={
        "xception": PaperFigures(params_m=22.855952, top1=79.0, top5=94.5, protocol="single crop (tables 1 and 3)")
    },
)
def xception(image: Tensor, classes: Dim) -> Tensor:
    """Entry flow, eight times the middle flow, exit flow (fig. 5)."""
    x = valid(valid(image, 32, 3, 2), 64, 3)
    for i, maps in enumerate((128, 256, 728)):
        with scope(f"entry.{i}"):
            x = block(x, maps, maps, stride=2, first_relu=i > 0)
    for i in range(8):
        with scope(f"middle.{i}"):
            x = block(x, 728, 728, 728, stride=1)
    with scope("exit.0"):
        x = block(x, 728, 1024, stride=2)
    with scope("exit.1"):
        x = relu(separable(relu(separable(x, 1536)), 2048))
    return linear(global_avg_pool(x), classes, name="fc")
