"""The value: what of a network can be removed, what goes with it, and what is kept for which reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

from convsmith.network.network import INPUT, Network
from convsmith.transform.channels import rearrange as rearrange
from convsmith.transform.channels.follow import follow
from convsmith.transform.channels.trace import Axes, Labels, Role, Step, Trace

KEPT = -1
"""Stands for every channel that cannot be removed."""

Units: TypeAlias = tuple[int, ...]
"""The unit of each index along an axis, or `KEPT`."""


class Slot(NamedTuple):
    """An axis of a parameter, by state-dict key, whose indices go with units."""

    node: str
    parameter: str
    axis: int
    units: Units
    role: Role


class Kept(NamedTuple):
    """So many of the `of` channels that a layer makes cannot be removed, for a reason."""

    layer: str
    channels: int
    of: int
    reason: str

    def __str__(self) -> str:
        count = "all" if self.channels == self.of else f"{self.channels:,}"
        return f"{self.layer}: {count} of {self.of:,} channels kept: {self.reason}"


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of a network in units: what a unit holds can only be removed together.

    - `units` is how many there are, counted from 0.
    - `slots` says which indices of which parameters belong to each.
    - `maps` has the units along each axis of each layer's output, None for axes of positions.
    - `spans` are rows of units of which something must be left.
    - `kept` says which layers keep channels, and why.
    """

    network: Network
    units: int
    slots: tuple[Slot, ...]
    maps: Mapping[str, tuple[Units | None, ...]]
    spans: tuple[Units, ...]
    kept: tuple[Kept, ...]

    @cached_property
    def sets(self) -> tuple[frozenset[int], ...]:
        """Units that layers have in common: a residual stage is one set, a layer that only its successor reads another.

        In the order of their first unit.
        """
        trace = Trace()
        units = trace.fresh(self.units)
        for slot in self.slots:
            if slot.role == "output" and (members := [unit for unit in slot.units if unit != KEPT]):
                trace.merge(members)
        found: dict[int, set[int]] = {}
        for unit in units:
            found.setdefault(trace.find(unit), set()).add(unit)
        return tuple(frozenset(members) for members in found.values())

    def widths(self, removed: Collection[int] = ()) -> dict[str, int]:
        """How many channels each layer with weights makes without these units."""
        gone = set(removed)
        return {
            slot.node: sum(unit not in gone for unit in slot.units)
            for slot in self.slots
            if slot.role == "output" and slot.parameter.endswith(".weight")
        }


def channels_of(net: Network) -> Channels:
    """The units of a network's channels, from its ops: names and families play no part.

    Channels that are added, multiplied or concatenated, that a depthwise or grouped convolution ties together, that
    a reshape flattens or a shuffle mixes, are followed to the parameters whose indices they are. A unit can be removed
    so that the rest computes exactly what it did with the unit's channels at zero; what an op mixes in another way
    (local response norm, layer norm) is kept, and so are the channels of the input and of every output.

    Raises UsageError for an op without a rule, ShapeError where layers do not fit.
    """
    trace = Trace()
    first = trace.fresh(net.input[0])
    trace.keep(first, "the network's input")
    axes: dict[str, Axes] = {INPUT: (first, *(None for _ in net.input[1:]))}
    for node in net:
        inputs = tuple(axes[source] for source in node.inputs)
        step = Step(trace, node, inputs, tuple(net.inputs_of(node)), net.shapes[node.name])
        axes[node.name] = follow(node.op, step)
    for name in (net.output, *(head.node for head in net.auxiliary)):
        for labels in axes[name]:
            trace.keep(labels or (), f"{name} is an output")
    rows = [labels for map_axes in axes.values() for labels in map_axes if labels is not None]
    _keep_whole(trace, [*rows, *trace.spans])
    return _settled(net, trace, axes)


def _keep_whole(trace: Trace, rows: Iterable[Labels]) -> None:
    """A unit without which an axis would be empty is kept."""
    for labels in rows:
        first = trace.find(labels[0])
        if all(trace.find(label) == first for label in labels):
            trace.keep(labels, "nothing would be left of a layer: its channels only go together")


def _settled(net: Network, trace: Trace, axes: Mapping[str, Axes]) -> Channels:
    """Numbers the units in the order of the layers that make them."""
    numbers: dict[int, int] = {}
    known: dict[int, Units] = {}

    def units(labels: Labels) -> Units:
        if id(labels) not in known:
            roots = [trace.find(label) for label in labels]
            known[id(labels)] = tuple(
                KEPT if trace.reasons(root) else numbers.setdefault(root, len(numbers)) for root in roots
            )
        return known[id(labels)]

    slots = tuple(
        Slot(slot.node, f"{slot.node}.{slot.parameter}", slot.axis, units(slot.labels), slot.role)
        for slot in trace.slots
    )
    maps = {
        name: tuple(None if labels is None else units(labels) for labels in map_axes) for name, map_axes in axes.items()
    }
    rows = {row for found in maps.values() for row in found if row is not None}
    spans = rows.union(units(labels) for labels in trace.spans)
    cuttable = tuple(sorted(row for row in spans if any(unit != KEPT for unit in row)))
    return Channels(net, len(numbers), slots, maps, cuttable, _kept(trace))


def _kept(trace: Trace) -> tuple[Kept, ...]:
    found = []
    for slot in trace.slots:
        if slot.role != "output":
            continue
        reasons = Counter(reason for label in slot.labels for reason in trace.reasons(label))
        count = sum(bool(trace.reasons(label)) for label in slot.labels)
        if count:
            found.append(Kept(slot.node, count, len(slot.labels), "; ".join(sorted(reasons))))
    return tuple(found)
