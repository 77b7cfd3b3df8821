"""From a network to the operators that an engine runs: what is fused, and where layouts change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from convsmith.devices.classify import classify
from convsmith.devices.features import CHEAP
from convsmith.devices.rules import SCALES, Rules, rules_of
from convsmith.devices.unit import Sides, Unit, footprint_of
from convsmith.network import Network, Node
from convsmith.network.ops import Op

SOFTMAX = "probabilities"
"""The operator behind the last layer, which every exported graph has."""


@dataclass(frozen=True)
class Planned:
    """An operator that an engine runs, and the layers that it computes, those fused into it last."""

    unit: Unit
    layers: tuple[str, ...]


@dataclass(slots=True)
class _Step:
    """An operator while the network is gone through: more may still be fused into it."""

    unit: Unit
    layers: list[str]
    value: str
    """What it gives: the last layer that was fused into it."""


def plan(network: Network, engine: str) -> tuple[Planned, ...]:
    """The operators of one image's run in an engine by name, in the order of their first layers."""
    return plan_by(network, rules_of(engine))


def plan_by(network: Network, rules: Rules) -> tuple[Planned, ...]:
    """The same, by an engine's rules."""
    made = _Plan(network.inference, rules)
    footprint = footprint_of(sum(step.unit.weights for step in made.steps))
    return tuple(Planned(replace(step.unit, footprint=footprint), tuple(step.layers)) for step in made.steps)


class _Plan:
    """One pass over the layers, each of which joins the operator before it or becomes one of its own."""

    def __init__(self, network: Network, rules: Rules) -> None:
        self._rules = rules
        self._shapes = network.shapes
        self.steps: list[_Step] = []
        self._maker: dict[str, _Step] = {}
        """The operator that gives a value."""
        self._alias: dict[str, str] = {}
        """A layer's name -> the value that it stands for: its operator's, or that which it is a view of."""
        self._blocked: set[str] = set()
        """Values in blocked layout."""
        self._reordered: set[tuple[str, bool]] = set()
        """Values that were brought to the other layout: blocked, or plain."""
        self._constants: set[str] = set()
        kept, output = _without_repeats(network) if rules.shares else (list(network), network.output)
        self._uses = Counter(source for node in kept for source in node.inputs)
        self._uses[output] += 1
        for node in kept:
            sources = [self._alias.get(name, name) for name in node.inputs]
            self._place(node.name, node.op, sources)
        logits = self._alias[output]
        self._start(SOFTMAX, Unit("softmax", self._shapes[network.output], self._shapes[network.output]), [logits])

    def _place(self, name: str, op: Op, sources: list[str]) -> None:
        inputs = [self._shapes[source] for source in sources]
        unit = classify(op, self._shapes[name], *inputs)
        if unit is None:
            self._view(name, sources)
            return
        moving = [source for source in sources if source not in self._constants]
        if unit.kind in ("sum", "product") and len(moving) == 1 and len(sources) == 2:
            unit = Unit("function", self._shapes[moving[0]], unit.output, function="channel_scale")
        for host in self._hosts(moving):
            if self._rules.absorbs(host.unit, unit):
                self._join(host, name, replace(host.unit, function=_function(host.unit, unit)))
                return
            if self._rules.adds(host.unit, unit) and self._fits(host, moving):
                self._join(host, name, replace(host.unit, inputs=host.unit.inputs + len(moving) - 1))
                return
        self._start(name, unit, moving)

    def _hosts(self, sources: list[str]) -> list[_Step]:
        """The operators before this one that nothing else reads."""
        return [self._maker[source] for source in sources if source in self._maker and self._uses[source] == 1]

    def _fits(self, host: _Step, sources: list[str]) -> bool:
        """Whether an operator can read the other maps of a sum in its own layout; in plain layout they are brought."""
        if not host.unit.blocked:
            self._bring(sources, blocked=False)
            return True
        return all(source in self._blocked for source in sources)

    def _join(self, host: _Step, name: str, unit: Unit) -> None:
        """Fuses a layer into an operator, which then gives the layer's value."""
        host.unit = unit
        host.layers.append(name)
        if host.value in self._blocked:
            self._blocked.add(name)
        host.value = name
        self._maker[name] = host
        self._alias[name] = name

    def _start(self, name: str, unit: Unit, sources: list[str]) -> None:
        """An operator of its own, with the changes of layout that it needs."""
        rules = self._rules
        if rules.wants_blocks(unit):
            unit = replace(unit, blocked=True)
            if not rules.reads_plain(unit):
                self._bring(sources, blocked=True)
            else:
                self._bring(sources, blocked=False)
        elif self._stays_blocked(unit, sources):
            unit = replace(unit, blocked=True)
            if unit.function == "channel_scale":
                unit = replace(unit, kind="batch_norm")
        else:
            self._bring(sources, blocked=False)
        step = _Step(unit, [name], name)
        self.steps.append(step)
        self._maker[name], self._alias[name] = step, name
        if unit.blocked:
            self._blocked.add(name)

    def _stays_blocked(self, unit: Unit, sources: list[str]) -> bool:
        if not sources or not all(source in self._blocked for source in sources):
            return False
        aligned = all(self._shapes[source][0] % self._rules.block == 0 for source in sources)
        return self._rules.stays_blocked(unit) and (unit.kind != "concat" or aligned)

    def _bring(self, sources: list[str], *, blocked: bool) -> None:
        """Adds the operators that bring values to a layout, each value once."""
        for source in sources:
            if (source in self._blocked) == blocked or (source, blocked) in self._reordered:
                continue
            self._reordered.add((source, blocked))
            shape = self._filled(self._shapes[source]) if blocked else self._shapes[source]
            self.steps.append(_Step(Unit("reorder", shape, shape, blocked=blocked), [source], source))

    def _filled(self, shape: Sides) -> Sides:
        """A shape whose channels are filled up to whole blocks."""
        block = self._rules.block
        return (-(-shape[0] // block) * block, *shape[1:])

    def _view(self, name: str, sources: list[str]) -> None:
        """A layer that computes nothing: a constant, or its input in another shape."""
        if not sources:
            self._constants.add(name)
            return
        source = sources[0]
        if source in self._constants:
            self._constants.add(name)
            return
        if self._shapes[name] != self._shapes[source]:
            self._bring([source], blocked=False)
            self._alias[name] = name
            return
        self._alias[name] = source
        self._uses[source] += self._uses[name] - 1


def _without_repeats(network: Network) -> tuple[list[Node], str]:
    """The layers without those that compute what an earlier one has, which engines compute once; and the output's name.

    Layers with weights are all their own.
    """
    first: dict[tuple[Op, tuple[str, ...]], str] = {}
    same: dict[str, str] = {}
    kept = []
    for node in network:
        inputs = tuple([same.get(source, source) for source in node.inputs])
        key = (node.op, inputs)
        if inputs and key in first and not network.parameters_of(node) and node.shares is None:
            same[node.name] = first[key]
            continue
        first.setdefault(key, node.name)
        kept.append(Node(node.name, node.op, inputs, node.shares))
    return kept, same.get(network.output, network.output)


def _function(host: Unit, unit: Unit) -> str:
    """The function of an operator that absorbs another: scales and norms are weights by then."""
    if unit.kind == "batch_norm" or unit.function in SCALES or (host.function and unit.function in CHEAP):
        return host.function
    return unit.function
