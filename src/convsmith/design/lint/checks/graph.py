"""The graph: what nothing reads, and what does nothing."""

from __future__ import annotations

from collections.abc import Iterator

from convsmith.design.lint.facts import Facts
from convsmith.design.lint.finding import Fault, rule
from convsmith.design.lint.mends import without_dead, without_layers
from convsmith.network import ops
from convsmith.network.dims import equal
from convsmith.network.network import Node


@rule(
    "CS601",
    "unused-branch",
    rationale="What no output depends on is computed in vain, and its parameters are never trained.",
    source="the graph itself",
    mend=without_dead,
)
def unused_branch(facts: Facts) -> Iterator[Fault]:
    alive = facts.net.ancestors(*facts.outputs)
    dead = tuple(node.name for node in facts.net if node.name not in alive)
    if dead:
        params = sum(facts.params[name] for name in dead)
        what = "no output depends on it" if len(dead) == 1 else f"no output depends on these {len(dead)} layers"
        yield Fault(dead, f"{what} ({params:,} parameters)", "leave out what is not used, or use it")


@rule(
    "CS602",
    "idle-layer",
    rationale="A layer that gives what it gets is a step more in every pass.",
    source="the op itself",
    mend=without_layers,
)
def idle_layer(facts: Facts) -> Iterator[Fault]:
    for node in facts.net:
        why = _idle(facts, node)
        if why and node.inputs[0] in facts.net.shapes:
            yield Fault((node.name,), why, "leave it out")


def _idle(facts: Facts, node: Node) -> str:
    """Why a layer gives what it gets; empty if it does not."""
    op, shape = node.op, facts.shapes[node.name]
    if not node.inputs or not equal(shape, facts.shapes[node.inputs[0]]):
        return ""
    match op:
        case ops.Dropout() | ops.AlphaDropout() | ops.StochasticDepth() if op.p == 0:
            return "it drops nothing"
        case ops.Scale(factor=1, shift=0):
            return "it multiplies by 1"
        case ops.MaxPool(kernel=(1, 1), stride=(1, 1)) | ops.AvgPool(kernel=(1, 1), stride=(1, 1)):
            return "it pools single pixels"
        case ops.Add() | ops.Concat() if len(node.inputs) == 1:
            return "it joins one branch with nothing"
        case ops.Flatten() | ops.Reshape():
            return "the shape is the same before it"
        case ops.ChannelShuffle(groups=1):
            return "it shuffles one group"
        case ops.Upsample(factor=(1, 1)):
            return "it enlarges by 1"
        case ops.Clip(low=None, high=None):
            return "it cuts nothing off"
    return ""
