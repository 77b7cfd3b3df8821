"""The networks that one network becomes as a compound coefficient grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.cost import Cost, cost_of
from convsmith.design.candidates import Candidates
from convsmith.design.limits import file_bytes
from convsmith.errors import LimitError, ShapeError, UsageError
from convsmith.network.network import Network
from convsmith.scaling.target import Unit, said
from convsmith.transform.compound import Constants, Factors, scale_network, side_at
from convsmith.transform.depth import scale_depth
from convsmith.transform.side import with_side
from convsmith.transform.width import scale_width

MOST, STEP = 32.0, 0.01
"""What depth, width or resolution is multiplied by at most; and the step of the coefficient, about a hundredth of
twice the multiply-adds."""

MEASUREMENTS = 9
"""Latencies that are measured to find a coefficient."""

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
    """A network's scalings by some constants, by their coefficient phi."""

    def __init__(self, network: Network, constants: Constants) -> None:
        self.network, self.constants = network, constants

    def at(self, phi: float, latency_of: LatencyOf | None = None) -> Member:
        """The network at a coefficient. Raises ShapeError where its layers do not fit."""
        factors = self.constants.at(phi)
        net = scale_network(self.network, factors)
        return Member(phi, factors, cost_of(net), latency_of(net) if latency_of else None)

    def within(self, amount: float, unit: Unit, latency_of: LatencyOf) -> Member:
        """The largest network that takes at most `amount`.

        Raises LimitError where even the smallest takes more, or where the largest, at `MOST` times the depth, width or
        resolution, takes less.
        """
        phis = self._phis()
        totals = self._candidates(phis).totals
        costs = {"params": totals.params, "bytes": totals.stored_bytes}.get(unit, totals.macs)
        places = _steps(costs)
        if unit == "ms":
            return self._within_ms(amount, phis[places], latency_of)
        within = [place for place in places if costs[place] <= amount]
        member = None
        while within:
            member = self.at(float(phis[within[-1]]))
            if member.figure(unit) <= amount:
                break
            within.pop()  # of a file, whose description takes room beside its tensors
        if not within or member is None:
            smallest = self.at(float(phis[places[0]])).figure(unit)
            raise LimitError(f"{said(amount, unit)} cannot be met: {self._end('smallest', smallest, unit)}", settings="to")
        if within[-1] == places[-1]:
            self._too_large(amount, member.figure(unit), unit)
        return member

    def near(self, macs: float) -> Member:
        """The network whose multiply-adds are nearest to so many."""
        phis = self._phis()
        apart = np.abs(self._candidates(phis).totals.macs - macs)
        return self.at(float(phis[int(np.argmin(apart))]))

    def _within_ms(self, amount: float, phis: NDArray[np.float64], latency_of: LatencyOf) -> Member:
        """By bisection: latency grows with the coefficient but for what timing varies."""
        low, high, best, fastest = 0, len(phis), None, inf
        for _ in range(MEASUREMENTS):
            if low >= high:
                break
            middle = (low + high) // 2
            member = self.at(float(phis[middle]), latency_of)
            fastest = min(fastest, member.latency or inf)
            if (member.latency or inf) <= amount:
                best, low = member, middle + 1
            else:
                high = middle
        if best is None:
            smallest = self._end("smallest that was timed", fastest, "ms")
            raise LimitError(f"{said(amount, 'ms')} cannot be met: {smallest}", settings="to")
        if low == len(phis):
            self._too_large(amount, best.figure("ms"), "ms")
        return best

    def _too_large(self, amount: float, largest: float, unit: Unit) -> None:
        if largest < amount:
            raise LimitError(
                f"{said(amount, unit)} is more than {self._end('largest', largest, unit)}, at {MOST:g} times its "
                f"{self._fastest()}",
                settings="to",
            )

    def _end(self, which: str, figure: float, unit: Unit) -> str:
        return f"the {which} {self.network.name} by these constants takes {said(figure, unit)}"

    def _fastest(self) -> str:
        return max(("depth", "width", "resolution"), key=lambda part: float(getattr(self.constants, part)))

    def _phis(self) -> NDArray[np.float64]:
        """The coefficients that are looked at: from the smallest network whose layers fit."""
        end = log(MOST) / log(getattr(self.constants, self._fastest()))
        phis = np.arange(-end, end, STEP)
        low, high = 0, int(np.searchsorted(phis, 0))
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._fits(float(phis[middle])) else (middle + 1, high)
        return phis[low:]

    def _fits(self, phi: float) -> bool:
        try:
            _ = scale_network(self.network, self.constants.at(phi)).shapes
        except ShapeError:
            return False
        return True

    def _candidates(self, phis: NDArray[np.float64]) -> Candidates:
        factors = [self.constants.at(float(phi)) for phi in phis]
        return Candidates.by_factors(
            self.network,
            np.array([each.width for each in factors]),
            np.array([each.depth for each in factors]),
            np.array([side_at(self.network, each.resolution) for each in factors]),
        )


def _steps(costs: NDArray[np.int64]) -> list[int]:
    """The first place of each cost, where it grows: between two steps the network is the same."""
    highest, found = -1, []
    for place, cost in enumerate(costs.tolist()):
        if cost > highest:
            found.append(place)
            highest = cost
    return found


def with_latency(member: Member, latency_of: LatencyOf) -> Member:
    return replace(member, latency=latency_of(member.network))
