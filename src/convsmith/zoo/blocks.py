"""Blocks that several families share."""

from __future__ import annotations

from collections.abc import Callable

from convsmith.network import dims
from convsmith.network.builder import (
    Tensor,
    activation,
    add,
    conv,
    conv_norm,
    conv_norm_act,
    global_avg_pool,
    multiply,
    scope,
    stochastic_depth,
)
from convsmith.network.dims import Dim
from convsmith.network.ops.pointwise import Function

Excite = Callable[[Tensor], Tensor]
"""What is done to a block's output, or to a residual before it is added."""


def unchanged(x: Tensor) -> Tensor:
    return x


def squeeze_excite(x: Tensor, reduced: Dim, *, function: Function = "relu", gate: Function = "sigmoid") -> Tensor:
    """Scales each channel by a weight that two dense layers compute from the means of all channels.

    `reduced` is the width between them (Hu et al. 2018, fig. 1). They are 1x1 convolutions of a 1x1 map, as in other
    libraries.
    """
    with scope("se"):
        weights = activation(conv(global_avg_pool(x), reduced, 1), function)
        weights = activation(conv(weights, x.channels, 1), gate)
    return multiply(x, weights)


def inverted_residual(
    x: Tensor,
    channels: Dim,
    kernel: int,
    stride: int,
    expand: int,
    *,
    function: Function,
    squeeze: int = 0,
    drop: float = 0.0,
) -> Tensor:
    """1x1 expand, depthwise, 1x1 linear project; a shortcut where the shape allows it (Sandler et al. 2018, fig. 4 d).

    With `squeeze`, squeeze-and-excitation follows the depthwise convolution, reduced to the block's input channels
    divided by `squeeze` (MBConv with SE; Tan et al. 2018, fig. 7 b). `drop` is the probability that training skips the
    block.
    """
    y = conv_norm_act(x, expand * x.channels, 1, function=function) if expand > 1 else x
    y = conv_norm_act(y, y.channels, kernel, stride, groups=y.channels, function=function)
    if squeeze:
        y = squeeze_excite(y, x.channels // squeeze, function=function)
    y = conv_norm(y, channels, 1)
    return add(x, stochastic_depth(y, drop)) if stride == 1 and dims.equal(x.shape, y.shape) else y
