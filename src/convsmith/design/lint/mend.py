"""Taking out what can be taken out mechanically."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from convsmith.design.lint.check import lint
from convsmith.design.lint.finding import Finding, rules
from convsmith.network import ops
from convsmith.network.network import Network

if TYPE_CHECKING:
    from torch import Tensor

    from convsmith.model import Model

SETTING = "lint"
"""The setting of a mended network's origin, which names the rules that it was mended by."""


def mended(
    network: Network, *, select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> tuple[Network, tuple[Finding, ...]]:
    """The network without what can be mended mechanically, and the findings that this took care of.

    It gives the same logits: of the same weights, but that a bias before batch norm goes into the norm's running mean
    (`mended_model`); where a softmax at the end was taken off, it gives the logits that went into it. What a paper card
    explains is left as the paper has it.
    """
    mends = {rule.code: rule.mend for rule in rules() if rule.mend is not None}
    done: list[Finding] = []
    net = network
    while True:
        found = [f for f in lint(net, select=select, ignore=ignore) if f.code in mends and f.counts]
        if not found:
            break
        net = mends[found[0].code](net, found[0].nodes)
        done.append(found[0])
    if done and net.origin is not None:
        codes = " ".join(sorted({finding.code for finding in done}))
        net = replace(net, origin=net.origin.with_setting(SETTING, codes))
    return net, tuple(done)


def mended_model(
    model: Model, *, select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> tuple[Model, tuple[Finding, ...]]:
    """The same for a model, with its weights: the answers are the same but for rounding."""
    net, done = mended(model.network, select=select, ignore=ignore)
    if not done:
        return model, ()
    weights = _moved_biases(model.network, net, model.weights)
    return replace(model, network=net, weights={key: weights[key] for key in net.parameters}), done


def _moved_biases(before: Network, after: Network, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights, with each bias that is gone subtracted from the running mean of the norms that read its layer."""
    moved = dict(weights)
    stays = {node.name for node in after}
    for node in before:
        bias = f"{node.name}.bias"
        if node.name not in stays or bias not in before.parameters or bias in after.parameters:
            continue
        for reader in before:
            mean = f"{reader.name}.running_mean"
            if (
                node.name in reader.inputs
                and isinstance(reader.op, (ops.BatchNorm, ops.InstanceNorm))
                and mean in moved
            ):
                moved[mean] = moved[mean] - weights[bias]
    return moved
