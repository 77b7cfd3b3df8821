"""Dense layers: how wide, and how much of the network they are."""

from __future__ import annotations

from collections.abc import Iterator

from convsmith.design.lint.facts import Facts
from convsmith.design.lint.finding import Fault, rule
from convsmith.network import ops
from convsmith.network.describe import short
from convsmith.network.network import INPUT, Node

HEATON = "Heaton 2008, Introduction to Neural Networks for Java, 2nd edition, chapter 5: rules of thumb"
ABOUT = 2
"""How many times more or less than two thirds of input plus output still counts as about that."""
MOST = 0.5
"""Share of the parameters from which dense layers hold most of them."""


@rule(
    "CS301",
    "hidden-width",
    rationale="A hidden dense layer leads from its inputs to the classes: its width lies between the two.",
    source=HEATON,
)
def hidden_width(facts: Facts) -> Iterator[Fault]:
    for node, before, after in _hidden(facts):
        low, high = sorted((before, after))
        if not low <= _features(node) <= high:
            why = f"{_features(node):,} units are not between its {before:,} inputs and the {after:,} outputs"
            yield Fault((node.name,), why, _thirds(before, after))


@rule(
    "CS302",
    "two-thirds",
    rationale="About two thirds of inputs plus outputs suffice; far fewer lose what classes need, far more memorise.",
    source=HEATON,
)
def two_thirds(facts: Facts) -> Iterator[Fault]:
    for node, before, after in _hidden(facts):
        ideal = 2 * (before + after) / 3
        if not ideal / ABOUT <= _features(node) <= ideal * ABOUT:
            why = f"{_features(node):,} units are not about two thirds of {before:,} inputs plus {after:,} outputs"
            yield Fault((node.name,), why, _thirds(before, after))


@rule(
    "CS303",
    "twice-the-input",
    rationale="A hidden dense layer of twice its inputs or more has room to learn the training images by heart.",
    source=HEATON,
)
def twice_the_input(facts: Facts) -> Iterator[Fault]:
    for node, before, after in _hidden(facts):
        if _features(node) >= 2 * before:
            why = f"{_features(node):,} units are {_features(node) / before:.3g} times its {before:,} inputs"
            yield Fault((node.name,), why, _thirds(before, after))


@rule(
    "CS304",
    "dense-parameters",
    rationale="Dense layers over a whole map hold a weight for each position: they overfit, and fill the file.",
    source="Lin et al. 2013, Network in network (arXiv 1312.4400), section 3.2: global average pooling instead",
)
def dense_parameters(facts: Facts) -> Iterator[Fault]:
    layers = [node for node in facts.trunk if isinstance(node.op, ops.Linear) and not _reads_pooled(facts, node)]
    own, total = sum(facts.params[node.name] for node in layers), int(facts.cost.params)
    if not layers or own <= MOST * total:
        return
    yield Fault(
        tuple(node.name for node in layers),
        f"dense layers hold {short(own)} of {short(total)} parameters ({own / total:.0%})",
        "global average pooling and one dense layer, or fewer units",
    )


def _hidden(facts: Facts) -> Iterator[tuple[Node, int, int]]:
    """Dense layers of the trunk before the last, each with the number of its inputs and of the network's outputs."""
    dense = [node for node in facts.trunk if isinstance(node.op, ops.Linear) and len(facts.shapes[node.name]) == 1]
    outputs = int(facts.shapes[facts.net.output][0])
    for node in dense:
        if node is not facts.classifier:
            yield node, int(facts.shapes[node.inputs[0]][-1]), outputs


def _reads_pooled(facts: Facts, node: Node) -> bool:
    """Whether the classifier reads one number for each map: it could not be smaller."""
    if node is not facts.classifier:
        return False
    source = node.inputs[0]
    while source != INPUT:
        before = facts.net[source]
        if isinstance(before.op, ops.Linear):
            return False
        shape = facts.shapes[source]
        if len(shape) == 3:
            return tuple(shape[1:]) == (1, 1)
        if len(before.inputs) != 1 or isinstance(before.op, ops.Reduce):
            return True
        source = before.inputs[0]
    return False


def _features(node: Node) -> int:
    assert isinstance(node.op, ops.Linear)
    return int(node.op.features)


def _thirds(before: int, after: int) -> str:
    return f"about {round(2 * (before + after) / 3):,} units, or fewer as long as accuracy does not suffer"
