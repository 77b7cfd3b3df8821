"""Networks built by rule: a blueprint of stages, and the network that it describes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from convsmith.errors import UsageError
from convsmith.network.builder import (
    Tensor,
    activation,
    adaptive_avg_pool,
    add,
    avg_pool,
    batch_norm,
    conv,
    dropout,
    global_avg_pool,
    linear,
    max_pool,
    scope,
    write,
)
from convsmith.network.dims import Shape
from convsmith.network.network import Network
from convsmith.network.ops.pointwise import Function

Shortcuts = Literal["none", "identity"]
Pooling = Literal["max", "mean"]
Padding = Literal["zeros", "none"]
Normalization = Literal["batch", "none"]


@dataclass(frozen=True)
class Blueprint:
    """A network as its designer thinks of it.

    - `input` is (C, H, W). The first convolution, the stem, has `stem_kernel`, `stem_stride` and `stem_padding`.
    - Stage i has `filters[i]` filters in `convolutions[i]` convolutions of `kernel`, of stride 1 and with zero padding
      that keeps the size. After each come the `normalization` and the `activation`.
    - 2x2 `pooling` stands before every stage but the first.
    - With "identity" shortcuts each pair of convolutions after a stage's first is a residual branch (He et al. 2015,
      fig. 2).
    - At the end are the mean over `grid` x `grid` parts of the map, `hidden` units in a dense layer or None, `dropout`,
      and the classifier.

    Raises UsageError for a value out of range.
    """

    input: Shape
    classes: int
    filters: tuple[int, ...]
    convolutions: tuple[int, ...]
    kernel: int = 3
    stem_kernel: int = 3
    stem_stride: int = 1
    stem_padding: Padding = "zeros"
    pooling: Pooling = "max"
    shortcuts: Shortcuts = "identity"
    normalization: Normalization = "batch"
    activation: Function = "relu"
    grid: int = 1
    hidden: int | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        stages = len(self.filters)
        for name, right, what in (
            ("filters", stages >= 1 and all(width >= 1 for width in self.filters), "at least one filter a stage"),
            ("convolutions", len(self.convolutions) == stages and min(self.convolutions) >= 1, f"{stages} counts"),
            ("kernel", self.kernel % 2 == 1, "odd"),
            ("stem_kernel", self.stem_kernel % 2 == 1, "odd"),
            ("stem_stride", self.stem_stride >= 1, "at least 1"),
            ("grid", self.grid >= 1, "at least 1"),
            ("hidden", self.hidden is None or self.hidden >= 1, "at least 1, or none"),
            ("dropout", 0 <= self.dropout < 1, "from 0 to below 1"),
        ):
            if not right:
                raise UsageError(f"must be {what}, not {getattr(self, name)}", settings=name)

    @property
    def depth(self) -> int:
        """Convolutions in all, the stem among them."""
        return sum(self.convolutions)

    @property
    def name(self) -> str:
        """`design_16-32-64_1-3-3`: filters and convolutions by stage."""
        return f"design_{'-'.join(map(str, self.filters))}_{'-'.join(map(str, self.convolutions))}"

    @property
    def reach(self) -> int:
        """Pixels of the input, along a side, that a position of the last map sees: its receptive field."""
        field, step = self.stem_kernel, self.stem_stride
        for number, convolutions in enumerate(self.convolutions):
            if number:
                field, step = field + step, 2 * step
            field += (convolutions - (number == 0)) * (self.kernel - 1) * step
        return field


def network_by(blueprint: Blueprint) -> Network:
    """The network of a blueprint. Raises ShapeError, naming the layer, where the input is too small for its stages."""
    return write(blueprint.name, blueprint.input, lambda image: _layers(image, blueprint))


def _layers(x: Tensor, blueprint: Blueprint) -> Tensor:
    for number, (width, convolutions) in enumerate(zip(blueprint.filters, blueprint.convolutions, strict=True)):
        with scope(f"stage{number + 1}"):
            if number:
                x = max_pool(x, 2) if blueprint.pooling == "max" else avg_pool(x, 2)
                x = _convolution(x, width, blueprint)
            else:
                x = _stem(x, width, blueprint)
            x = _rest(x, width, convolutions - 1, blueprint)
    x = global_avg_pool(x) if blueprint.grid == 1 else adaptive_avg_pool(x, blueprint.grid)
    if blueprint.hidden is not None:
        x = activation(linear(x, blueprint.hidden), blueprint.activation)
    if blueprint.dropout:
        x = dropout(x, blueprint.dropout)
    return linear(x, blueprint.classes)


def _stem(x: Tensor, width: int, blueprint: Blueprint) -> Tensor:
    padding = (0, 0, 0, 0) if blueprint.stem_padding == "none" else None
    normed = blueprint.normalization == "batch"
    x = conv(x, width, blueprint.stem_kernel, blueprint.stem_stride, padding=padding, bias=not normed)
    return activation(batch_norm(x) if normed else x, blueprint.activation)


def _rest(x: Tensor, width: int, convolutions: int, blueprint: Blueprint) -> Tensor:
    """What follows the first convolution of a stage; one that is left over from the pairs stands alone."""
    pairs = convolutions // 2 if blueprint.shortcuts == "identity" else 0
    for number in range(pairs):
        with scope(str(number + 1)):
            y = _normed(_convolution(x, width, blueprint), width, blueprint)
            x = activation(add(x, y), blueprint.activation)
    for _ in range(convolutions - 2 * pairs):
        x = _convolution(x, width, blueprint)
    return x


def _convolution(x: Tensor, width: int, blueprint: Blueprint) -> Tensor:
    return activation(_normed(x, width, blueprint), blueprint.activation)


def _normed(x: Tensor, width: int, blueprint: Blueprint) -> Tensor:
    if blueprint.normalization == "none":
        return conv(x, width, blueprint.kernel)
    return batch_norm(conv(x, width, blueprint.kernel, bias=False))
