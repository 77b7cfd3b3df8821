"""Ranks for a whole network, by what each layer's costs in measured loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from convsmith.compression.low_rank.decompose import CONVOLUTIONS, Method, Rank, decompose, full_rank, possible
from convsmith.compression.low_rank.factor import (
    Factors,
    factorable,
    macs_of,
    method_for,
    params_of,
    ranks,
    with_factors,
)
from convsmith.compression.outcome import Outcome, Untouched
from convsmith.compression.sample import Sample, loss_and_accuracy
from convsmith.cost import cost_of
from convsmith.errors import LimitError, UsageError
from convsmith.model import Model, fuse_norm
from convsmith.network import Node
from convsmith.network.dims import Shape

SHARES = (3 / 4, 1 / 2, 3 / 8, 1 / 4, 3 / 16, 1 / 8, 1 / 16)
"""Of a layer's full rank that are tried."""

Measure = Literal["macs", "params"]


class Trial(NamedTuple):
    """What a factorization of one layer saves, and how much it adds to the loss if all else stays as it is."""

    factors: Factors
    saved: int
    added_loss: float


def search_ranks(
    model: Model,
    sample: Sample,
    keep: float,
    *,
    of: Measure = "macs",
    methods: tuple[Method, ...] = CONVOLUTIONS,
    tell: Callable[[str], None] = lambda layer: None,
) -> Outcome:
    """The model factorized to at most the share `keep` of its multiply-adds or parameters, at the least loss measured.

    Each layer is tried alone, by each method and at several ranks, and the loss on `sample` is measured. Then, again
    and again, the one step is taken that adds the least loss for what it saves, until the budget is met. Losses of
    different layers are taken to add up. Auxiliary heads are left out: the result is the model as it runs after
    training. `tell` hears of each layer before it is tried.

    Raises UsageError for a share out of range, LimitError if that little cannot be reached.
    """
    if not 0 < keep <= 1:
        raise UsageError(f"must be above 0, at most 1, not {keep}", settings="keep")
    model = fuse_norm(model.inference)
    able, untouched = factorable(model.network)
    loss, _ = loss_and_accuracy(model, sample)
    trials = {}
    for node in able:
        tell(node.name)
        trials[node.name] = tried(model, node, sample, loss, of, methods)
    cost = cost_of(model.network)
    whole = int(cost.macs if of == "macs" else cost.params)
    chosen = cheapest(trials, whole - int(keep * whole))
    if chosen is None:
        left = 1 - sum(max((one.saved for one in found), default=0) for found in trials.values()) / whole
        what = "multiply-adds" if of == "macs" else "parameters"
        raise LimitError(f"{model.network.name} cannot be factorized below {left:.1%} of its {what}", settings="keep")
    kept = [Untouched(name, "another layer costs less") for name in trials if name not in {one.layer for one in chosen}]
    return Outcome(with_factors(model, chosen), ranks(model.network, chosen), (*untouched, *kept))


def tried(
    model: Model, node: Node, sample: Sample, loss: float, of: Measure, methods: tuple[Method, ...]
) -> list[Trial]:
    """What one layer's factorizations save and cost, those only that save something."""
    found = []
    counted = macs_of if of == "macs" else params_of
    before = counted(model.network, node, None)
    weight = model.weights[f"{node.name}.weight"]
    for method in dict.fromkeys(method_for(node.op, method) for method in methods):
        done = None
        for rank in _ranks(tuple(weight.shape), method):
            factors = Factors(node.name, method, rank)
            saved = before - counted(model.network, node, factors)
            if saved <= 0:
                continue
            done = done or decompose(weight, method)
            changed, _ = loss_and_accuracy(with_factors(model, [factors], {node.name: done}), sample)
            found.append(Trial(factors, saved, changed - loss))
    return found


def _ranks(shape: Shape, method: Method) -> list[Rank]:
    full = full_rank(shape, method)
    tried = (possible(tuple(max(1, round(share * side)) for side in full), shape) for share in SHARES)
    return list(dict.fromkeys(tried))


def cheapest(trials: Mapping[str, list[Trial]], wanted: int) -> tuple[Factors, ...] | None:
    """The factorizations that save so much, one step after another by loss per saving; None if all are not enough."""
    at: dict[str, Trial] = {}
    saved = 0
    while saved < wanted:
        steps = [
            (_price(at.get(layer), trial), layer, trial)
            for layer, found in trials.items()
            for trial in found
            if trial.saved > (at[layer].saved if layer in at else 0)
        ]
        if not steps:
            return None
        _, layer, trial = min(steps, key=lambda step: step[:2])
        saved += trial.saved - (at[layer].saved if layer in at else 0)
        at[layer] = trial
    return tuple(trial.factors for trial in at.values())


def _price(before: Trial | None, after: Trial) -> float:
    """Loss added for each multiply-add or parameter saved."""
    loss, saved = (0.0, 0) if before is None else (before.added_loss, before.saved)
    return (after.added_loss - loss) / (after.saved - saved)
