"""Depth: what deep stacks without normalisation or shortcuts come to."""

from __future__ import annotations

from collections.abc import Iterator

from convsmith.design.lint.facts import NORMS, WEIGHTED, Facts, looks_around
from convsmith.design.lint.finding import Fault, rule
from convsmith.design.lint.mends import without_bias
from convsmith.network import ops
from convsmith.network.network import Node

DEEPEST_BARE = 11
"""Layers with weights that Simonyan and Zisserman could train from random weights without normalisation; their deeper
networks began with the weights of that one."""

DEEPEST_PLAIN = 20
"""Layers with weights of the deepest plain network of He et al. 2015 that trains as well as its residual twin."""

BIAS_FREE = (ops.BatchNorm, ops.InstanceNorm)
"""Norms that subtract each channel's own mean, and a bias of the channel with it."""


@rule(
    "CS401",
    "bias-before-norm",
    rationale="The norm subtracts each channel's mean, and the bias with it: a parameter that does nothing.",
    source="Ioffe and Szegedy 2015 (arXiv 1502.03167), section 3.2",
    mend=without_bias,
)
def bias_before_norm(facts: Facts) -> Iterator[Fault]:
    found = [
        node.name
        for node in facts.net
        if isinstance(node.op, (ops.Conv, ops.Linear))
        and not isinstance(node.op, ops.StandardizedConv)
        and node.op.bias
        and _only_norms_read(facts, node)
    ]
    if found:
        what = "it has a bias" if len(found) == 1 else f"{len(found)} layers have a bias"
        yield Fault(tuple(found), f"{what} that the norm behind takes out again", "no bias")


@rule(
    "CS402",
    "missing-norm",
    rationale="Without normalisation or shortcuts the signal's size drifts from layer to layer, and training stalls.",
    source="Simonyan and Zisserman 2014 (arXiv 1409.1556), section 3.1: only the network of 11 layers trained from "
    "random weights; Ioffe and Szegedy 2015 (arXiv 1502.03167)",
)
def missing_norm(facts: Facts) -> Iterator[Fault]:
    found = facts.shortest(lambda node: None if _steadies(node) else int(isinstance(node.op, WEIGHTED)))
    deepest = max(found, key=lambda name: found[name][0])
    depth = found[deepest][0]
    if depth > DEEPEST_BARE:
        names = tuple(n for n in facts.path(found, deepest) if isinstance(facts.net[n].op, WEIGHTED))
        why = f"{depth} layers with weights in a row have no normalisation, along the shortest path"
        yield Fault(names, why, "batch norm behind each convolution, shortcuts, or both")


@rule(
    "CS403",
    "deep-plain-stack",
    rationale="Plain networks that are deeper than this train worse, not better, even with batch norm.",
    source="He et al. 2015 (arXiv 1512.03385), figures 1, 4 and 6: plain-34 behind plain-18, plain-32 behind plain-20",
)
def deep_plain_stack(facts: Facts) -> Iterator[Fault]:
    found = facts.shortest(lambda node: int(looks_around(node.op)))
    depth = found[facts.net.output][0]
    if depth > DEEPEST_PLAIN:
        names = tuple(n for n in facts.path(found, facts.net.output) if looks_around(facts.net[n].op))
        why = f"{depth} convolutions follow one another without a shortcut past any of them"
        yield Fault(names, why, "residual blocks: a shortcut past every two or three convolutions")


@rule(
    "CS404",
    "dropout-before-norm",
    rationale="Dropout changes the variance in training only: the running statistics of the norm behind it are wrong.",
    source="Li et al. 2018, Understanding the disharmony between dropout and batch normalization (arXiv 1801.05134)",
)
def dropout_before_norm(facts: Facts) -> Iterator[Fault]:
    for node in facts.net:
        if isinstance(node.op, ops.Dropout) and node.op.p > 0:
            norm = facts.alone_behind(node, (ops.BatchNorm,), through=(*WEIGHTED, ops.Flatten, ops.Reshape))
            if norm is not None:
                why = f"{norm.name} normalises what the dropout has changed"
                yield Fault((node.name,), why, "dropout behind the last batch norm, before the classifier")


def _only_norms_read(facts: Facts, node: Node) -> bool:
    readers = facts.readers[node.name]
    if not readers or node.name in facts.outputs or node.name in facts.sharing:
        return False
    return all(
        isinstance(r.op, BIAS_FREE)
        and r.name not in facts.sharing
        # A dense layer's features are its last axis, a norm's channels the first.
        and (len(facts.shapes[node.name]) == 1 or not isinstance(node.op, ops.Linear))
        for r in readers
    )


def _steadies(node: Node) -> bool:
    """Whether the variance of what leaves this layer does not depend on what enters."""
    selu = isinstance(node.op, ops.Activation) and node.op.function == "selu"
    return selu or isinstance(node.op, (*NORMS, ops.StandardizedConv))
