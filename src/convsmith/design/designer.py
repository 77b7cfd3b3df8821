"""The designer: from evidence and limits to three candidates, each choice with its reasons."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from convsmith import records
from convsmith.cost import Cost, cost_of
from convsmith.design import rules
from convsmith.design.decision import Decision
from convsmith.design.evidence.values import Basics, Evidence
from convsmith.design.expect import expected_accuracy
from convsmith.design.limits import UNITS, Limits, costed, file_bytes, keeps, unmet
from convsmith.design.network import Blueprint, network_by
from convsmith.design.rules import Scheme, scheme_of
from convsmith.errors import LimitError
from convsmith.evaluation.metrics import Interval
from convsmith.network.dims import text
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess

Kind = Literal["smallest", "balanced", "strongest"]

TRAINING_SECONDS, EASY_SECONDS = 85.0, 50.0
"""What the training of the strongest candidate may take on this machine, where no time is given; and where a task is
easier (`level_for`)."""

USUAL_IMAGES, MOST_SECONDS = 10_000, 900.0
"""Training images above which that grows, with their root; and what it grows to at most."""

MOST_FILTERS, FEWEST_FILTERS = 64, 8
"""Of the first stage: more than most small tasks can use; and fewer than which a shallower network is taken instead."""

STEPS = 6
"""Networks whose training is timed to find the widest that is fast enough."""

WORTH_TIMING = 2.0
"""Times the multiply-adds that would train in time at the pace of the network before: a network of fewer is timed, for
16 filters train at up to twice the pace of 14 or 24."""


@dataclass(frozen=True)
class Pace:
    """How fast a network is on this machine: ms for one image, and seconds of a training step for one image."""

    latency_of: Callable[[Network], float]
    seconds_of: Callable[[Network], float]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One of the three networks. `latency` in ms where that is limited; `expected` the accuracy, with the interval in
    which it is to be expected."""

    kind: Kind
    blueprint: Blueprint
    cost: Cost
    expected: Interval
    latency: float | None = None

    @property
    def network(self) -> Network:
        return self.cost.network

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.network.name,
            "params": self.cost.params,
            "macs": self.cost.macs,
            "bytes": file_bytes(self.cost),
            "latency_ms": self.latency,
            "expected": self.expected.to_json(),
            "blueprint": records.to_json(self.blueprint),
        }


@dataclass(frozen=True, eq=False)
class Design:
    """Three candidates on the line of multiply-adds and expected accuracy; fewer where limits leave no room.

    `chosen` is the one that is written and printed first: the strongest under limits, else the balanced one.
    `preprocess` is what all of them see.
    """

    candidates: tuple[Candidate, ...]
    scheme: Scheme
    preprocess: Preprocess
    evidence: Evidence
    limits: Limits
    epochs: int

    @property
    def chosen(self) -> Candidate:
        wanted = "balanced" if self.limits == Limits() else "strongest"
        return self.candidate(wanted)

    @property
    def network(self) -> Network:
        return self.chosen.network

    @property
    def decisions(self) -> tuple[Decision, ...]:
        return (*self.scheme.decisions, self._training())

    def candidate(self, kind: str) -> Candidate:
        """The candidate of this kind, or the nearest smaller one where it coincides with that."""
        order = ("smallest", "balanced", "strongest")
        known = {candidate.kind: candidate for candidate in self.candidates}
        reached = [name for name in order[: order.index(kind) + 1] if name in known]
        return known[reached[-1]] if reached else self.candidates[0]

    def _training(self) -> Decision:
        images = self.evidence.basics.images
        return Decision(
            "epochs and stopping",
            f"{self.epochs} epochs, to the end of the schedule; the epoch of the best val accuracy is delivered",
            "as many as show about 400,000 images, from 24 to 60; not cut short: the rate falls to 0 at the end",
            f"{images:,} training images",
            "He et al. 2019, arXiv 1812.01187, section 3 (cosine); Prechelt 1998 on early stopping",
            "more images ask for fewer epochs",
        )

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = records.to_json(
            {
                "chosen": self.chosen.kind,
                "candidates": [candidate.to_json() for candidate in self.candidates],
                "decisions": self.decisions,
                "evidence": self.evidence,
                "preprocess": self.preprocess,
                "architecture": self.network.to_json(),
            }
        )
        return data

    def __str__(self) -> str:
        from convsmith.design.table import table

        return table(self)


def design(
    evidence: Evidence,
    preprocess: Preprocess,
    scheme: Scheme,
    limits: Limits,
    pace: Pace,
    *,
    epochs: int,
    seconds: float,
) -> Design:
    """Three networks by `scheme` for an input as `preprocess` gives it, all within `limits`.

    The strongest is as wide as limits allow, and as can train `epochs` epochs in `seconds` where only time is limited.
    Raises LimitError naming a limit that cannot be met, and the smallest value that can.
    """
    shape = (scheme.channels, *preprocess.crop)
    sizer = _Sizer(scheme, evidence.basics, shape, limits, pace, seconds / (evidence.basics.images * epochs))
    found = {
        "smallest": sizer.sized(max(0, scheme.level - 1), max(4, scheme.filters // 2)),
        "balanced": sizer.sized(scheme.level, scheme.filters),
        "strongest": sizer.sized(scheme.level + 1, MOST_FILTERS),
    }
    if found["strongest"][1].macs <= found["balanced"][1].macs:  # there is time for more width, but not with more depth
        found["strongest"] = sizer.sized(scheme.level, MOST_FILTERS)
    candidates: list[Candidate] = []
    for kind, (blueprint, cost) in found.items():
        if candidates and cost.macs <= candidates[-1].cost.macs:
            if kind == "strongest":
                candidates[-1] = replace(candidates[-1], kind="strongest")
            continue
        expected = expected_accuracy(evidence, int(cost.macs), int(cost.params))
        candidates.append(Candidate(kind, blueprint, cost, expected, sizer.latencies.get(cost.network)))  # type: ignore[arg-type]
    return Design(tuple(candidates), scheme, preprocess, evidence, limits, epochs)


def refuse_impossible(basics: Basics, shape: tuple[int, int, int], limits: Limits, pace: Pace) -> None:
    """Raises LimitError where no network designed for an input of `shape` can meet the limits: before anything is
    measured on the data."""
    scheme = scheme_of(Evidence(basics))
    _Sizer(scheme, basics, shape, limits, pace, float("inf")).sized(0, 1)


def usual_seconds(images: int, level: int) -> float:
    """What a training may take where no time is asked for, by its images and its difficulty."""
    seconds = TRAINING_SECONDS if level >= rules.HARD else EASY_SECONDS
    return min(MOST_SECONDS, seconds * math.sqrt(max(1.0, images / USUAL_IMAGES)))


class _Sizer:
    """Finds how many filters and convolutions the limits leave."""

    def __init__(
        self, scheme: Scheme, basics: Basics, shape: tuple[int, int, int], limits: Limits, pace: Pace, seconds: float
    ) -> None:
        self.scheme, self.basics, self.shape, self.limits, self.pace = scheme, basics, shape, limits, pace
        self.seconds = seconds
        self.latencies: dict[Network, float] = {}
        self._timed: dict[Network, float] = {}

    def sized(self, level: int, filters: int) -> tuple[Blueprint, Cost]:
        """The deepest, then widest network up to `level` and `filters` that meets every limit. Raises LimitError."""
        for depth in range(level, -1, -1):
            found = self._widest(depth, filters, self._stride)
            if found is not None and (depth == 0 or found[0].filters[0] >= min(filters, FEWEST_FILTERS)):
                return found
        stride = self._stride
        while found is None and 2 * stride <= min(self.shape[1:]):
            stride *= 2
            found = self._widest(0, filters, stride)
        if found is None:
            raise self._impossible(stride)
        return found

    @property
    def _stride(self) -> int:
        return rules.stride_for(self.shape[1:])

    def _widest(self, level: int, most: int, stride: int) -> tuple[Blueprint, Cost] | None:
        """The widest of up to `most` filters in the first stage that keeps the limits and trains in time.

        Where none trains in time: the widest that is about as fast as any, if what was timed is so small that it is
        not made smaller for its time, or nothing is shallower; for hardware computes many filters at once. Else None,
        as where not even one filter keeps the limits.
        """
        filters = self._widest_by_cost(level, most, stride)
        timed: list[tuple[float, int]] = []
        smallest = False
        while filters and len(timed) < STEPS and not smallest:
            cost = self._cost(level, filters, stride)
            share = self._latency_share(cost)
            if share >= 1:
                taken = self._training_seconds(cost)
                if taken <= SLACK * self.seconds:
                    return self._blueprint(level, filters, stride), cost
                timed.append((taken, filters))
                smallest = float(cost.macs) < SMALL_MACS and filters >= FEWEST_FILTERS
                share = WORTH_TIMING * self.seconds / taken
            filters = self._narrower(level, filters, stride, float(cost.macs) * share)
        if not timed or (level and not smallest):
            return None
        fastest = min(taken for taken, _ in timed)
        filters = max(filters for taken, filters in timed if taken <= SLACK * fastest)
        return self._blueprint(level, filters, stride), self._cost(level, filters, stride)

    def _widest_by_cost(self, level: int, most: int, stride: int) -> int:
        """The most filters, up to `most`, that keep the limits that follow from cost alone; 0 where none do."""
        low, high = 0, most
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if keeps(self.limits, self._cost(level, middle, stride)) else (low, middle - 1)
        return _even(low)

    def _narrower(self, level: int, filters: int, stride: int, macs: float) -> int:
        """The next number of filters to time: as many as so many multiply-adds let expect."""
        fewer = filters - 1
        while fewer > 1 and float(self._cost(level, fewer, stride).macs) > macs:
            fewer -= 1
        return fewer - fewer % TOGETHER if fewer > TOGETHER else fewer

    def _latency_share(self, cost: Cost) -> float:
        """The share of its latency that a network may take: at least 1 where it keeps the limit."""
        if self.limits.max_latency is None:
            return 1.0
        taken = self.latencies[cost.network] = self.pace.latency_of(cost.network)
        return self.limits.max_latency / taken

    def _training_seconds(self, cost: Cost) -> float:
        """Of a step for one image."""
        net = cost.network
        if net not in self._timed:
            self._timed[net] = self.pace.seconds_of(net)
        return self._timed[net]

    def _cost(self, level: int, filters: int, stride: int) -> Cost:
        return cost_of(network_by(self._blueprint(level, filters, stride)))

    def _blueprint(self, level: int, filters: int, stride: int) -> Blueprint:
        scheme, size = self.scheme, self.shape[1:]
        stages = rules.stages_for(size, stride)
        convolutions = rules.convolutions_of(level, stages)
        widths = tuple(filters * 2**stage for stage in range(stages))
        shallow = scheme.position and level == 0
        made = Blueprint(
            self.shape,
            self.basics.classes,
            widths,
            convolutions,
            kernel=scheme.kernel,
            stem_kernel=max(scheme.stem_kernel, stride + 1 - stride % 2) if stride > 1 else scheme.stem_kernel,
            stem_stride=stride,
            stem_padding=scheme.stem_padding if stride == 1 else "zeros",
            pooling=scheme.pooling,
            shortcuts="identity",
            normalization=scheme.normalization,
            activation=scheme.activation,
            dropout=scheme.dropout,
        )
        if not shallow or made.reach >= min(size):
            return made
        return replace(made, grid=2, hidden=max(1, round(2 / 3 * (4 * widths[-1] + self.basics.classes))))

    def _impossible(self, stride: int) -> LimitError:
        """Which limit cannot be met, and the smallest figure that a network here has."""
        costs = [self._cost(0, 1, step) for step in (self._stride, stride)]
        what = f"network designed for an input of {text(self.shape)}"
        for name, figure in costed(self.limits).items():
            smallest = min(figure(cost) for cost in costs)
            if smallest > getattr(self.limits, name):
                return LimitError(unmet(name, getattr(self.limits, name), f"{smallest:,}", what), settings=name)
        if self.limits.max_latency is not None and self.latencies:
            fastest = f"{min(self.latencies.values()):.2f}"
            return LimitError(unmet("max_latency", self.limits.max_latency, fastest, what), settings="max_latency")
        return LimitError(f"no {what} meets all of them together", settings=self.limits.set)


def _even(filters: int) -> int:
    """At most so many, and a multiple of what hardware computes together: of 2, 4 and 8 from 8, 16 and 32 on."""
    together = next((multiple for least, multiple in ((32, 8), (16, 4), (8, 2)) if filters >= least), 1)
    return filters - filters % together


TOGETHER = 8
"""Filters that are computed at once: 14 in the first stage trained half as fast as 16 in bfloat16, so time is not saved
by leaving out a few."""

SLACK = 1.3
"""Times the usual time that a training may take: a few timed steps vary by so much, and the choice should not."""

SMALL_MACS = 4e6
"""Multiply-adds of an image below which a network is not made smaller to train faster."""

__all__ = ["SLACK", "UNITS", "Candidate", "Design", "Pace", "design"]
