"""One operation of the user's graph: its arguments by name, its place, and what a rule needs to add layers for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, TypeAlias

import torch
from torch import fx

from convsmith.backend.read.axes import Axes
from convsmith.backend.read.draft import Draft, Value
from convsmith.backend.read.laid import Known, Laid, Layouts, Spot
from convsmith.errors import ReadError
from convsmith.network import ops
from convsmith.network.ops import Op

Symbol: TypeAlias = Any
"""What stands for an argument or a result: `Laid`, `Known`, a number, None, or a list or tuple of these."""


class Layer(NamedTuple):
    """A layer of torch.nn's in the user's module: its path, its class, and whether it has parameters."""

    path: str
    kind: str
    has_parameters: bool


@dataclass(frozen=True)
class Call:
    """An operation with `arguments` by the names of its schema; `sizes` are its result's, the batch included."""

    node: fx.Node
    packet: str
    arguments: Mapping[str, Symbol]
    layouts: Layouts
    spot: Spot
    layer: Layer | None
    """The layer of torch.nn that runs the operation; None if it stands in other code."""

    def __getitem__(self, name: str) -> Symbol:
        return self.arguments[name]

    def get(self, name: str, default: Symbol = None) -> Symbol:
        return self.arguments.get(name, default)

    @property
    def draft(self) -> Draft:
        return self.layouts.draft

    @property
    def sizes(self) -> tuple[int, ...]:
        value = self.node.meta["val"]
        return tuple(int(side) for side in (value[0] if isinstance(value, (tuple, list)) else value).shape)

    def add(self, op: Op, *inputs: Value, word: str = "", weights: Mapping[str, Known] | None = None) -> Value:
        """A layer, named after its module, its parameters or the operation (`word`)."""
        given = weights or {}
        for key, known in given.items():
            if known.name is None and known.sources:
                self.draft.note(self._folded(key, known))
        name = owner_of(given) or self.spot.named(word or self.packet.strip("_"))
        if self.layer is not None and (given or not self.layer.has_parameters):
            beside = isinstance(op, ops.Pad) and "pad" not in self.layer.kind.lower()
            name = self.spot.named("pad") if beside else self.layer.path
        tensors = {key: known.tensor for key, known in given.items()}
        return self.draft.add(op, *inputs, name=name, weights=tensors, place=self.spot.place)

    def _folded(self, key: str, known: Known) -> str:
        what = f"{self.spot.place}: {key}" if self.spot.place else key
        return f"{what} was computed once from {', '.join(sorted(known.sources))}"

    def lay(self, value: Value) -> Laid:
        """The value as this operation's result: (N, *shape), seen in the result's sizes."""
        laid = self.layouts.lay(value)
        if laid.sizes == self.sizes:
            return laid
        axes = laid.axes.reshaped(self.sizes)
        if axes is None:
            self.refuse(f"{self.packet} to {list(self.sizes)}")
        return Laid(value, axes)

    def laid(self, name: str) -> Laid:
        """An argument that depends on the image. Raises ReadError for any other."""
        argument = self.arguments[name]
        if not isinstance(argument, Laid):
            self.refuse(f"{self.packet} without the image's {name}")
        return argument

    def known(self, name: str) -> Known | None:
        """An argument that does not depend on the image, None if it is not given. Raises ReadError for any other."""
        argument = self.get(name)
        if isinstance(argument, Laid):
            self.refuse(f"{self.packet} whose {name} is computed from the image", "compute it from parameters only")
        return argument if argument is None or isinstance(argument, Known) else Known(torch.as_tensor(argument))

    def settle(self, laid: Laid) -> Value:
        return self.layouts.settle(laid, self.spot)

    def maps(self, laid: Laid, rank: int = 2) -> Value:
        """The value of a tensor (N, C, H, W), or with rank 1 of (N, C, L) as a map (C, L, 1)."""
        if len(laid.sizes) != rank + 2:
            self.refuse(f"{self.packet} of a tensor {list(laid.sizes)}", "give it images (N, C, H, W)")
        return self.settle(Laid(laid.value, Axes((*laid.axes.dims, *(((),) * (2 - rank))))))

    def refuse(self, what: str, advice: str = "") -> NoReturn:
        raise ReadError(f"cannot read {what}", place=self.spot.place, advice=advice)


Rule = Callable[[Call], Symbol]
RULES: dict[str, Rule] = {}
"""What reads an operation, by its name without namespace, overload and trailing underscore."""


def rule(*packets: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule for these operations."""

    def register(function: Rule) -> Rule:
        for packet in packets:
            RULES[packet] = function
        return function

    return register


def owner_of(weights: Mapping[str, Known]) -> str:
    """The module whose parameters these are, or the name of the first: "conv1" of "conv1.weight"."""
    for key, known in weights.items():
        parent, _, last = (known.name or "").rpartition(".")
        if parent and last == key:
            return parent
    return next((known.name for known in weights.values() if known.name), "")


def pair_of(value: Sequence[int] | int | None, default: int | None = None) -> tuple[int, int]:
    """(vertical, horizontal) of torch's sizes, where one number stands for both and none for the default."""
    if isinstance(value, int):
        return value, value
    sides = list(value or ())
    if not sides:
        return (default or 0, default or 0)
    return (sides[0], sides[0]) if len(sides) == 1 else (sides[0], sides[1])
