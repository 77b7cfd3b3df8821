"""Networks built by rule: a blueprint of stages, and the network that it describes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from convsmith.errors import UsageError
from convsmith.network.builder import (
    Tensor,
    add,
    conv_norm,
    conv_norm_act,
    dropout,
    global_avg_pool,
    linear,
    max_pool,
    relu,
    scope,
    write,
)
from convsmith.network.dims import Shape
from convsmith.network.network import Network

Shortcuts = Literal["none", "identity"]


@dataclass(frozen=True)
class Blueprint:
    """A network as its designer thinks of it.

    `input` is (C, H, W). The first convolution, the stem, has `stem_kernel` and `stem_stride`. Stage i has
    `filters[i]` filters in `convolutions[i]` convolutions of `kernels[i]`, all of stride 1 with zero padding that keeps
    the size, each followed by batch norm and ReLU; 2x2 max pooling stands before every stage but the first. With
    "identity" shortcuts each pair of convolutions after a stage's first is a residual branch (He et al. 2015, fig. 2).
    At the end are the mean over positions, `hidden` units in a dense layer or None, `dropout`, and the classifier.

    Raises UsageError for a value out of range.
    """

    input: Shape
    classes: int
    filters: tuple[int, ...]
    convolutions: tuple[int, ...]
    kernels: tuple[int, ...]
    stem_kernel: int = 3
    stem_stride: int = 1
    shortcuts: Shortcuts = "identity"
    hidden: int | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        stages = len(self.filters)
        kernels = (self.stem_kernel, *self.kernels)
        for name, right, what in (
            ("filters", stages >= 1 and all(width >= 1 for width in self.filters), "at least one filter a stage"),
            ("convolutions", len(self.convolutions) == stages and min(self.convolutions) >= 1, f"{stages} counts"),
            ("kernels", len(self.kernels) == stages and all(k % 2 for k in kernels), f"{stages} odd sizes"),
            ("stem_stride", self.stem_stride in (1, 2, 4), "1, 2 or 4"),
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


def network_by(blueprint: Blueprint) -> Network:
    """The network of a blueprint. Raises ShapeError, naming the layer, where the input is too small for its stages."""
    return write(blueprint.name, blueprint.input, lambda image: _layers(image, blueprint))


def _layers(x: Tensor, blueprint: Blueprint) -> Tensor:
    stages = zip(blueprint.filters, blueprint.convolutions, blueprint.kernels, strict=True)
    for number, (width, convolutions, kernel) in enumerate(stages):
        with scope(f"stage{number + 1}"):
            if number:
                x = max_pool(x, 2)
                x = conv_norm_act(x, width, kernel)
            else:
                x = conv_norm_act(x, width, blueprint.stem_kernel, blueprint.stem_stride)
            x = _rest(x, width, convolutions - 1, kernel, blueprint.shortcuts)
    x = global_avg_pool(x)
    if blueprint.hidden is not None:
        x = relu(linear(x, blueprint.hidden))
    if blueprint.dropout:
        x = dropout(x, blueprint.dropout)
    return linear(x, blueprint.classes)


def _rest(x: Tensor, width: int, convolutions: int, kernel: int, shortcuts: Shortcuts) -> Tensor:
    """What follows the first convolution of a stage; one that is left over from the pairs stands alone."""
    pairs = convolutions // 2 if shortcuts == "identity" else 0
    for number in range(pairs):
        with scope(str(number + 1)):
            y = conv_norm(conv_norm_act(x, width, kernel), width, kernel)
            x = relu(add(x, y))
    for _ in range(convolutions - 2 * pairs):
        x = conv_norm_act(x, width, kernel)
    return x
