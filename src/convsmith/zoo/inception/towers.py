"""What the Inception papers share: towers of convolutions that stand side by side, and pooling between them."""

from __future__ import annotations

from convsmith.network.builder import Tensor, avg_pool, batch_norm, conv, conv_norm_act, max_pool, relu
from convsmith.network.dims import Dim, Pair
from convsmith.network.ops.window import NONE

AROUND = (1, 1, 1, 1)


def tower(x: Tensor, *layers: tuple[Dim, int | Pair]) -> Tensor:
    """A stack of convolutions, (maps, kernel) each, with norm and activation; the size does not change."""
    for maps, kernel in layers:
        x = conv_norm_act(x, maps, kernel)
    return x


def valid(x: Tensor, maps: Dim, kernel: int, stride: int = 1) -> Tensor:
    """Convolution without padding (marked V in the papers' figures), norm, activation."""
    return relu(batch_norm(conv(x, maps, kernel, stride, padding=NONE, bias=False)))


def average(x: Tensor) -> Tensor:
    """The 3x3 average pooling of a module's last tower; the size does not change."""
    return avg_pool(x, 3, 1, padding=AROUND)


def halve(x: Tensor) -> Tensor:
    """3x3 max pooling at stride 2 without padding."""
    return max_pool(x, 3, 2)
