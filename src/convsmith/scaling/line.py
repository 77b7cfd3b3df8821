"""The networks that one network becomes as a compound coefficient grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log
from typing import Any, NoReturn

from convsmith.cost import Cost, cost_of
from convsmith.design.limits import file_bytes
from convsmith.errors import LimitError, ShapeError, UsageError
from convsmith.network.network import Network
from convsmith.scaling.target import Unit, said
from convsmith.transform.compound import Constants, Factors, scale_network
from convsmith.transform.depth import scale_depth
from convsmith.transform.side import with_side
from convsmith.transform.width import scale_width

MOST, STEP = 32.0, 0.01
"""What depth, width or resolution is multiplied or divided by at most; and the step of the coefficient: between two,
multiply-adds grow by less than a hundredth."""

FIRST_STRIDE = 25
"""Steps to the first network that is looked at beside the given one."""

LatencyOf = Callable[[Network], float]
"""Milliseconds for one image."""


@dataclass(frozen=True, eq=False)
class Member:
    """One network of a family: which coefficient and factors made it, its cost, and its latency where measured."""

    phi: float
    factors: Factors
    cost: Cost
    latency: float | None = None

    @property
    def network(self) -> Network:
        return self.cost.network

    @property
    def as_constants(self) -> Constants:
        """The constants of which this is the network of coefficient 1."""
        return Constants(self.factors.depth, self.factors.width, self.factors.resolution)

    def figure(self, unit: Unit) -> float:
        """What it takes; of `times`, its multiply-adds. Raises UsageError for a latency that was not measured."""
        match unit:
            case "params":
                return float(self.cost.params)
            case "bytes":
                return float(file_bytes(self.cost))
            case "ms" if self.latency is None:
                raise UsageError(f"the latency of {self.network.name} was not measured")
            case "ms":
                return float(self.latency or 0)
        return float(self.cost.macs)

    def to_json(self) -> dict[str, Any]:
        factors = self.factors
        return {
            "phi": round(self.phi, 4),
            "depth": factors.depth,
            "width": factors.width,
            "resolution": factors.resolution,
            "input": list(self.network.input),
            "params": int(self.cost.params),
            "macs": int(self.cost.macs),
            "bytes": file_bytes(self.cost),
            "latency_ms": self.latency,
        }


def fixed_parts(net: Network) -> dict[str, str]:
    """Of "depth", "width" and "resolution" those that cannot be scaled in this network, each with the reason."""
    tries: dict[str, Callable[[], object]] = {
        "depth": lambda: scale_depth(net, 2),
        "width": lambda: scale_width(net, 2),
        "resolution": lambda: with_side(net, 2 * net.input[1]).shapes,
    }
    found: dict[str, str] = {}
    for part, scale in tries.items():
        try:
            scale()
        except UsageError as error:
            found[part] = str(error)
    return found


def without(constants: Constants, fixed: dict[str, str]) -> Constants:
    """The constants with 1 for what cannot be scaled. Raises UsageError where nothing is left that grows."""
    kept = {part: 1.0 if part in fixed else getattr(constants, part) for part in ("depth", "width", "resolution")}
    if max(kept.values()) == 1:
        reasons = "; ".join(fixed.values())
        raise UsageError(f"nothing of the network can be scaled: {reasons or 'all constants are 1'}")
    return Constants(**kept)


class Line:
    """A network's scalings by some constants, by their coefficient phi. What was costed is not costed again."""

    def __init__(self, network: Network, constants: Constants) -> None:
        self.network, self.constants = network, constants
        self._members: dict[int, Member | None] = {}

    def at(self, phi: float) -> Member:
        """The network at a coefficient. Raises ShapeError where its layers do not fit."""
        factors = self.constants.at(phi)
        return Member(phi, factors, cost_of(scale_network(self.network, factors)))

    def within(self, amount: float, unit: Unit, latency_of: LatencyOf | None = None) -> Member:
        """The largest network that takes at most `amount`, at the smallest coefficient that gives it. Where that is
        multiply-adds, and resolution is scaled at all, it grows further alone to use what is left of them.

        Latency is measured along the way, and taken to grow. Raises LimitError where even the smallest network takes
        more, or the largest, at `MOST` times the depth, width or resolution, takes less.
        """
        known: dict[int, Member | None] = {}

        def taken(step: int) -> float | None:
            """What the network at so many steps takes; None where its layers do not fit."""
            if step not in known:
                known[step] = self._member(step, latency_of if unit == "ms" else None)
            member = known[step]
            return None if member is None else member.figure(unit)

        low, high = self._bracket(taken, amount, unit)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _no_more(taken(middle), amount) else (low, middle)
        member = known[low]
        assert member is not None
        # The first coefficient of this very network; one that is timed twice would take another time.
        while unit != "ms" and low > 0 and (before := self._member(low - 1, None)) is not None:
            if before.network != member.network:
                break
            member, low = before, low - 1
        return self._filled(member, amount) if unit == "macs" and self.constants.resolution > 1 else member

    def _filled(self, member: Member, amount: float) -> Member:
        """The network at the largest side that takes no more: sides are rounded least, and what the rounding of blocks
        and channels leaves of the amount would be lost."""
        height = self.network.input[1]
        side = member.network.input[1]
        while True:
            side += 1
            try:
                cost = cost_of(with_side(member.network, side))
            except ShapeError:
                return member
            if not member.cost.macs <= cost.macs <= amount:
                return member
            member = replace(member, factors=replace(member.factors, resolution=side / height), cost=cost)

    def near(self, macs: float) -> Member:
        """The network whose multiply-adds are nearest to so many, from below or from above."""
        below = self.within(macs, "macs")
        phi = below.phi
        while (above := self.at(phi)).cost.macs <= macs and phi < below.phi + 4:
            phi += STEP
        return min(below, above, key=lambda member: abs(member.cost.macs - macs))

    @property
    def _last(self) -> int:
        """The step at which the fastest grows to `MOST`."""
        return int(log(MOST) / log(max(self._each())) / STEP)

    def _each(self) -> tuple[float, float, float]:
        return self.constants.depth, self.constants.width, self.constants.resolution

    def _member(self, step: int, latency_of: LatencyOf | None) -> Member | None:
        if step not in self._members:
            try:
                self._members[step] = self.at(round(step * STEP, 2))
            except ShapeError:
                self._members[step] = None
        member = self._members[step]
        return member if member is None or latency_of is None else with_latency(member, latency_of)

    def _bracket(self, taken: Callable[[int], float | None], amount: float, unit: Unit) -> tuple[int, int]:
        """Steps of which the first takes at most `amount` and the second more, found by strides that double."""
        here, stride, grows = 0, FIRST_STRIDE, _no_more(taken(0), amount)
        while True:
            there = max(-self._last, min(self._last, here + (stride if grows else -stride)))
            figure = taken(there)
            if figure is None and not grows:
                there = self._smallest(taken, there, here)
                figure = taken(there)
            if figure is None or _no_more(figure, amount) != grows:
                return (here, there) if grows else (there, here)
            if abs(there) == self._last or abs(there - here) < stride:
                self._refuse(figure, amount, unit, grows=grows)
            here, stride = there, 2 * stride

    @staticmethod
    def _smallest(taken: Callable[[int], float | None], misfit: int, fits: int) -> int:
        """The first step between these whose layers fit."""
        while fits - misfit > 1:
            middle = (misfit + fits) // 2
            misfit, fits = (middle, fits) if taken(middle) is None else (misfit, middle)
        return fits

    def _refuse(self, figure: float, amount: float, unit: Unit, *, grows: bool) -> NoReturn:
        wanted, name = said(amount, unit), self.network.name
        if grows:
            part = max(zip(self._each(), ("depth", "width", "resolution"), strict=True))[1]
            raise LimitError(
                f"{wanted} is more than the largest {name} by these constants takes, {said(figure, unit)} at {MOST:g} "
                f"times its {part}",
                settings="to",
            )
        raise LimitError(
            f"{wanted} cannot be met: the smallest {name} by these constants takes {said(figure, unit)}", settings="to"
        )


def with_latency(member: Member, latency_of: LatencyOf) -> Member:
    return replace(member, latency=latency_of(member.network))


def _no_more(figure: float | None, amount: float) -> bool:
    return figure is not None and figure <= amount
