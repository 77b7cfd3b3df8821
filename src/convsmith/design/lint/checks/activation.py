"""Activations: missing, doubled, or where the loss has its own."""

from __future__ import annotations

from collections.abc import Iterator

from convsmith.design.lint.facts import NOISE, WEIGHTED, Facts, is_activation, is_depthwise
from convsmith.design.lint.finding import Fault, rule
from convsmith.design.lint.mends import without_layers
from convsmith.network import ops
from convsmith.network.describe import describe
from convsmith.network.network import INPUT, Node

KEEPS = (*NOISE, ops.Flatten, ops.Reshape, ops.Permute, ops.ChannelShuffle)
"""What neither mixes values nor bends them."""
LINEAR = (*KEEPS, ops.BatchNorm, ops.AvgPool, ops.AdaptiveAvgPool, ops.Pad, ops.Scale, ops.Affine)
"""What a weight matrix behind it could do as well."""
MAXIMA = (ops.MaxPool, ops.AdaptiveMaxPool)
IDEMPOTENT = ("relu", "relu6")
"""f(f(x)) = f(x)."""
SQUASHES = ("sigmoid", "hard_sigmoid", "log_sigmoid")


@rule(
    "CS501",
    "activation-twice",
    rationale="A second activation on top of the first adds nothing, or flattens what the first has left.",
    source="composition: relu(relu(x)) = relu(x)",
)
def activation_twice(facts: Facts) -> Iterator[Fault]:
    for node in facts.nodes:
        first = _activation_before(facts, node)
        if first is not None and not _idempotent(first.op, node.op):
            what = f"{describe(node.op)} directly follows {describe(first.op)} ({first.name})"
            yield Fault((node.name,), what, "one of the two")


@rule(
    "CS502",
    "idle-activation",
    rationale="The same rectifier again gives what it gets.",
    source="composition: relu(relu(x)) = relu(x)",
    mend=without_layers,
)
def idle_activation(facts: Facts) -> Iterator[Fault]:
    for node in facts.nodes:
        first = _activation_before(facts, node)
        if first is not None and _idempotent(first.op, node.op):
            yield Fault((node.name,), f"{describe(node.op)} repeats {first.name}, and changes nothing", "drop it")


@rule(
    "CS503",
    "linear-in-a-row",
    rationale="Two linear layers without an activation between are one linear layer, with more weights. Factorisations "
    "(depthwise and pointwise, a narrow layer between wide ones) have cause.",
    source="composition: W2 (W1 x) = (W2 W1) x",
)
def linear_in_a_row(facts: Facts) -> Iterator[Fault]:
    for node in facts.nodes:
        following = _linear_behind(facts, node, LINEAR)
        if following is not None and not _factorises(facts, node, following):
            why = f"{following.name} follows without an activation between: together they are one linear layer"
            yield Fault((node.name, following.name), why, f"an activation behind {node.name}, or one layer for both")


@rule(
    "CS504",
    "missing-activation",
    rationale="Max pooling alone bends little: a layer needs an activation to add patterns of its own.",
    source="Krizhevsky et al. 2012, section 3.1; He et al. 2015 (arXiv 1502.01852), section 2",
)
def missing_activation(facts: Facts) -> Iterator[Fault]:
    for node in facts.nodes:
        following = _linear_behind(facts, node, (*LINEAR, *MAXIMA))
        if following is None or _linear_behind(facts, node, LINEAR) is not None:
            continue
        yield Fault(
            (node.name,),
            f"only max pooling lies between it and {following.name}, the next layer with weights",
            f"an activation behind {node.name}",
        )


@rule(
    "CS505",
    "softmax-before-loss",
    rationale="The loss takes logits and has its own softmax or sigmoid: one before it squashes the gradient twice.",
    source="PyTorch, CrossEntropyLoss and BCEWithLogitsLoss: inputs are unnormalised logits; Goodfellow et al. 2016, "
    "Deep Learning, section 6.2.2.3",
    mend=without_layers,
)
def softmax_before_loss(facts: Facts) -> Iterator[Fault]:
    for name in facts.outputs:
        node = facts.net[name]
        while isinstance(node.op, KEEPS) and node.inputs[0] != INPUT:
            node = facts.net[node.inputs[0]]
        squashes = isinstance(node.op, ops.Activation) and node.op.function in SQUASHES
        if squashes or isinstance(node.op, ops.Softmax):
            yield Fault(
                (node.name,), f"the network ends in {describe(node.op)}", "end in logits; softmax when predicting"
            )


@rule(
    "CS506",
    "bent-logits",
    rationale="An activation bends the logits: a rectifier cuts off all that is negative, and its gradient with it.",
    source="Goodfellow et al. 2016, Deep Learning, section 6.2.2.3",
)
def bent_logits(facts: Facts) -> Iterator[Fault]:
    for name in facts.outputs:
        node = facts.net[name]
        while isinstance(node.op, (*KEEPS, ops.AdaptiveAvgPool)) and node.inputs[0] != INPUT:
            pooled = isinstance(node.op, ops.AdaptiveAvgPool)
            node = facts.net[node.inputs[0]]
            if pooled:
                break
        else:
            pooled = False
        squashes = isinstance(node.op, ops.Activation) and node.op.function in SQUASHES
        if is_activation(node.op) and not squashes and not isinstance(node.op, ops.Softmax):
            where = "before they are pooled" if pooled else "at the end"
            yield Fault((node.name,), f"{describe(node.op)} bends the class scores {where}", "no activation there")


def _activation_before(facts: Facts, node: Node) -> Node | None:
    """The activation whose output this activation gets as it is."""
    if not is_activation(node.op) or isinstance(node.op, ops.Softmax):
        return None
    source = node.inputs[0]
    while source != INPUT and isinstance(facts.net[source].op, KEEPS):
        source = facts.net[source].inputs[0]
    if source == INPUT or not is_activation(facts.net[source].op) or isinstance(facts.net[source].op, ops.Softmax):
        return None
    return facts.net[source]


def _idempotent(first: ops.Op, second: ops.Op) -> bool:
    same = isinstance(first, ops.Activation) and first == second and first.function in IDEMPOTENT
    cut = isinstance(first, ops.Activation) and first.function == "relu6" and second == ops.Activation("relu")
    return same or cut or (isinstance(first, ops.Clip) and first == second)


def _linear_behind(facts: Facts, node: Node, through: tuple[type[ops.Op], ...]) -> Node | None:
    """The next layer with weights, if nothing but layers of these kinds lies between."""
    if not isinstance(node.op, WEIGHTED) or isinstance(node.op, ops.RadialBasis):
        return None
    return facts.alone_behind(node, WEIGHTED, through=through)


def _factorises(facts: Facts, first: Node, second: Node) -> bool:
    """Whether the two are a cheaper form of one layer: the width between is the least of three, or one is depthwise."""
    if is_depthwise(first.op) or is_depthwise(second.op):
        return True
    between, before = int(facts.shapes[first.name][0]), int(facts.shapes[first.inputs[0]][0])
    after = int(facts.shapes[second.name][0])
    return between < min(before, after) or _separable(first.op, second.op)


def _separable(first: ops.Op, second: ops.Op) -> bool:
    """1xn and nx1, which together see n x n."""
    if not isinstance(first, ops.Conv) or not isinstance(second, ops.Conv):
        return False
    return (first.kernel[0] == 1) != (second.kernel[0] == 1) and (first.kernel[1] == 1) != (second.kernel[1] == 1)
