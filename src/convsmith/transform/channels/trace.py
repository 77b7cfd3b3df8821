"""Labels for the channels of every feature map, and which labels stand for one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from convsmith.network.dims import Shape
from convsmith.network.network import Node

Labels: TypeAlias = list[int]
"""What each index of an axis is called. Indices whose labels stand for one another are removed together."""

Axes: TypeAlias = tuple[Labels | None, ...]
"""The labels of a map's axes; None for an axis of positions, which is never cut."""

Role = Literal["output", "input", "channel"]
"""What an axis of a parameter is to its layer: the channels that it makes, those that it reads, or those that it only
scales or shifts."""


class Written(NamedTuple):
    """An axis of a parameter whose indices go with channels."""

    node: str
    parameter: str
    axis: int
    labels: Labels
    role: Role


class Trace:
    """Sets of labels (union and find), the reasons for which some are kept, and what the rules have written down."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._reasons: dict[int, set[str]] = {}
        self.slots: list[Written] = []
        self.spans: list[Labels] = []
        self._shared: dict[tuple[str, str, int, Role], Labels] = {}

    def fresh(self, count: int) -> Labels:
        """So many labels that nothing else has."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return list(range(first, first + count))

    def find(self, label: int) -> int:
        """The one label that stands for all that are removed together with this one."""
        parents = self._parents
        while parents[label] != label:
            parents[label] = parents[parents[label]]
            label = parents[label]
        return label

    def merge(self, labels: Iterable[int]) -> None:
        """From now on these are removed together."""
        roots = {self.find(label) for label in labels}
        first = min(roots)
        for root in roots - {first}:
            self._parents[root] = first
            if root in self._reasons:
                self._reasons.setdefault(first, set()).update(self._reasons.pop(root))

    def join(self, one: Sequence[int], other: Sequence[int]) -> None:
        """Index by index the same channels."""
        if one is not other:
            for pair in zip(one, other, strict=True):
                self.merge(pair)

    def keep(self, labels: Iterable[int], reason: str) -> None:
        """These are not to be removed."""
        for root in {self.find(label) for label in labels}:
            self._reasons.setdefault(root, set()).add(reason)

    def reasons(self, label: int) -> set[str]:
        """Why this label is kept; empty if it may be removed."""
        return self._reasons.get(self.find(label), set())

    def write(self, node: Node, slot: Written) -> None:
        """Notes a parameter's axis. One that is another node's is that node's axis, label by label."""
        key = (node.shares or node.name, slot.parameter, slot.axis, slot.role)
        if node.shares:
            self.join(slot.labels, self._shared[key])
        else:
            self._shared[key] = slot.labels
            self.slots.append(slot)


class Step:
    """One node, as its rule sees it: the labels and shapes of its inputs, and what the rule may say of them."""

    def __init__(self, trace: Trace, node: Node, inputs: tuple[Axes, ...], shapes: tuple[Shape, ...], output: Shape):
        self.trace, self.node, self.inputs, self.shapes, self.output = trace, node, inputs, shapes, output

    @property
    def axes(self) -> Axes:
        """The labels of the first input."""
        return self.inputs[0]

    def labels(self, axis: int, index: int = 0) -> Labels:
        """The labels of an input's axis; an axis of positions gets some that are kept."""
        found = self.inputs[index][axis]
        if found is not None:
            return found
        made = self.trace.fresh(self.shapes[index][axis])
        self.keep(made, "takes positions for channels")
        return made

    def fresh(self, count: int) -> Labels:
        return self.trace.fresh(count)

    def merge(self, labels: Iterable[int]) -> None:
        self.trace.merge(labels)

    def keep(self, labels: Iterable[int] | None, what: str) -> None:
        """These are kept, because of what this node does."""
        if labels is not None:
            self.trace.keep(labels, f"{self.node.name} ({self.node.op.kind}) {what}")

    def keep_positions(self, what: str = "moves a window along them") -> Axes:
        """Keeps what is labelled along height and width of the first input. Returns the labels of these axes."""
        for labels in self.axes[1:]:
            self.keep(labels, what)
        return tuple(None for _ in self.axes[1:])

    def slot(self, parameter: str, axis: int, labels: Labels, role: Role) -> None:
        """The indices along this axis of a parameter go with these labels."""
        self.trace.write(self.node, Written(self.node.name, parameter, axis, labels, role))

    def slots(self, axis: int, labels: Labels, role: Role) -> None:
        """The same for each of the node's parameters that has one axis only."""
        for parameter in self.node.op.parameters(*self.shapes):
            if len(parameter.shape) == 1:
                self.slot(parameter.name, axis, labels, role)

    def meet(self, *parts: Labels | None) -> Labels | None:
        """The labels of axes that are combined index by index: the same channels, kept where some are positions."""
        labelled = [labels for labels in parts if labels is not None]
        if not labelled:
            return None
        for labels in labelled[1:]:
            self.trace.join(labelled[0], labels)
        if len(labelled) < len(parts):
            self.keep(labelled[0], "combines them with positions")
        return labelled[0]
