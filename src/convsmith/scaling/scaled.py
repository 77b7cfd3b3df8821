"""What scaling a network came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from convsmith.network.network import Network
from convsmith.scaling.carry import Carried
from convsmith.scaling.line import Member
from convsmith.scaling.target import Unit
from convsmith.transform.compound import Constants

if TYPE_CHECKING:
    from convsmith.fitting.halving import Reached

FoundBy = Literal["given", "EfficientNet's", "searched"]

WayName = Literal["compound", "depth only", "width only", "resolution only"]


@dataclass(frozen=True, eq=False)
class GridPoint:
    """Constants that were tried, by the network that they make, and what its training came to."""

    member: Member
    reached: Reached

    def to_json(self) -> dict[str, Any]:
        reached = self.reached
        accuracy = None if reached.accuracy is None else reached.accuracy.to_json()
        trained = {"epochs": reached.epochs, "accuracy": accuracy, "finished": reached.finished}
        return {**self.member.to_json(), **trained}


@dataclass(frozen=True, eq=False)
class Step:
    """A network of one way to scale, and what it came to where it was trained."""

    member: Member
    reached: Reached | None = None

    def to_json(self) -> dict[str, Any]:
        accuracy = None if self.reached is None or self.reached.accuracy is None else self.reached.accuracy.to_json()
        return {**self.member.to_json(), "accuracy": accuracy}


@dataclass(frozen=True, eq=False)
class Way:
    """One way to scale: its networks at the costs of the compound-scaled ones, or the largest below them."""

    name: WayName
    steps: tuple[Step, ...]


@dataclass(frozen=True, eq=False)
class Scaled:
    """A scaled network, how it was come to, and what else could have been done at the same cost.

    `chosen` is the network that was asked for, `family` those of coefficient 1, 2, 3...; `ways` compound scaling and
    that of one dimension, step by step at the same costs, in `unit`. `fixed` says what could not be scaled and why,
    `notes` what else is to be known. `grid` has the constants that were tried; it is empty where they were given.
    """

    base: Step
    target: str
    unit: Unit
    constants: Constants
    found_by: FoundBy
    fixed: Mapping[str, str]
    grid: tuple[GridPoint, ...]
    chosen: Member
    family: tuple[Member, ...]
    ways: tuple[Way, ...]
    notes: tuple[str, ...] = ()
    data: str = ""
    epochs: int = 0
    start: Carried | None = None

    @property
    def network(self) -> Network:
        return self.chosen.network

    def with_start(self, start: Carried) -> Scaled:
        return replace(self, start=start)

    def to_json(self) -> dict[str, Any]:
        constants = {part: getattr(self.constants, part) for part in ("depth", "width", "resolution")}
        return {
            "network": self.base.member.network.name,
            "target": self.target,
            "constants": {**constants, "growth": self.constants.growth, "found_by": self.found_by},
            "fixed": dict(self.fixed),
            "base": self.base.to_json(),
            "chosen": self.chosen.to_json(),
            "family": [member.to_json() for member in self.family],
            "grid": [point.to_json() for point in self.grid],
            "ways": [{"name": way.name, "steps": [step.to_json() for step in way.steps]} for way in self.ways],
            "data": self.data,
            "epochs": self.epochs,
            "notes": list(self.notes),
            "start": None if self.start is None else {"same_outputs": self.start.same_outputs, "how": self.start.how},
            "architecture": self.network.to_json(),
        }

    def __str__(self) -> str:
        from convsmith.scaling.table import table

        return table(self)
