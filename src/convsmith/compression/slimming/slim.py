"""Channels removed for good: an ordinary smaller network, without masks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import torch

from convsmith.compression.outcome import Outcome, Touched, Untouched
from convsmith.compression.sample import Sample
from convsmith.compression.slimming.choice import Order, Removed, fewest, order_of, ranked_within_sets
from convsmith.compression.slimming.scores import CRITERIA, Criterion, scores_of
from convsmith.cost import cost_of
from convsmith.errors import LimitError, UnknownNameError, UsageError
from convsmith.model import Model, plain_filters
from convsmith.network import Network
from convsmith.transform.channels import Channels, channels_of, without

Measure = Literal["macs", "params", "channels"]
MEASURES: tuple[Measure, ...] = ("macs", "params", "channels")


@dataclass(frozen=True)
class Slimming:
    """How a model is slimmed.

    - `keep` is the share that is left at most, of `of`: multiply-adds, parameters, or channels that can be removed.
    - `criterion` says which channels matter least (see `scores_of`).
    - `scope`: "global" compares channels of all layers; "layer" takes the same share of every layer.
    - `divisor`: widths that were a multiple of it stay one; hardware likes 8.
    - `floor` is the share of its channels that every layer keeps.

    Raises UsageError for a value out of range, UnknownNameError for a name that is not known.
    """

    keep: float
    of: Measure = "macs"
    criterion: Criterion = "l2"
    scope: Literal["global", "layer"] = "global"
    divisor: int = 1
    floor: float = 0.1

    def __post_init__(self) -> None:
        for name, right, what in (
            ("keep", 0 < self.keep <= 1, "above 0, at most 1"),
            ("divisor", self.divisor >= 1, "at least 1"),
            ("floor", 0 <= self.floor <= 1, "from 0 to 1"),
        ):
            if not right:
                raise UsageError(f"must be {what}, not {getattr(self, name)}", settings=name)
        for kind, name, known in (
            ("measure", self.of, MEASURES),
            ("criterion", self.criterion, CRITERIA),
            ("scope", self.scope, ("global", "layer")),
        ):
            if name not in known:
                raise UnknownNameError(kind, name, known)


def slim(model: Model, settings: Slimming, sample: Sample | None = None) -> Outcome:
    """The model without its least important channels: at most `keep` is left, and one unit more would be too much.

    What is removed is removed in every layer that it reaches (see `channels_of`). The result computes what the model
    would compute with those channels at zero. Convolutions that standardise their filters become plain ones first,
    for their filters are no longer whole afterwards. Train it on: see `retrained`.

    Raises LimitError if that much cannot be removed, saying how far one can get; UsageError as `scores_of` does.
    """
    model = plain_filters(model)
    channels = channels_of(model.network)
    scores = scores_of(model, channels, settings.criterion, sample)
    if settings.scope == "layer":
        scores = ranked_within_sets(channels, scores)
    order = order_of(channels, scores, settings.floor, settings.divisor)
    removed = _budgeted(order, settings)
    unscored = frozenset(unit for unit in range(channels.units) if scores[unit] == float("inf"))
    return Outcome(cut(model, channels, removed), _touched(channels, removed), _untouched(channels, unscored, settings))


def cut(model: Model, channels: Channels, removed: Collection[int]) -> Model:
    """The model without these units, which are those of `channels_of(model.network)`."""
    if not removed:
        return model
    gone = frozenset(removed)
    left: dict[tuple[str, int], list[bool]] = {}
    for slot in channels.slots:
        rows = left.setdefault((slot.parameter, slot.axis), [True] * len(slot.units))
        left[slot.parameter, slot.axis] = [
            kept and unit not in gone for kept, unit in zip(rows, slot.units, strict=True)
        ]
    weights = dict(model.weights)
    for (parameter, axis), rows in left.items():
        if not all(rows):
            weights[parameter] = weights[parameter].index_select(axis, torch.tensor(rows).nonzero().flatten())
    return replace(model, network=without(channels, gone), weights=weights, metrics={})


def cost_in(network: Network, measure: Measure) -> int:
    """Multiply-adds or parameters, as a budget counts them."""
    cost = cost_of(network)
    return int(cost.macs if measure == "macs" else cost.params)


def _budgeted(order: Order, settings: Slimming) -> Removed:
    """The units to remove. Raises LimitError if all that may be removed is not enough."""
    if settings.keep == 1:
        return frozenset()
    channels, measure = order.channels, settings.of
    if measure == "channels":
        wanted = ceil((1 - settings.keep) * channels.units)
        removed = fewest(order, lambda gone: len(gone) >= wanted)
        if removed is None:
            left = 1 - len(order.first(len(order.units))) / max(1, channels.units)
            raise LimitError(_unreachable(channels, settings, left), settings="keep")
        return removed
    whole = cost_in(channels.network, measure)
    removed = fewest(order, lambda gone: cost_in(without(channels, gone), measure) <= settings.keep * whole)
    if removed is None:
        left = cost_in(without(channels, order.first(len(order.units))), measure) / whole
        raise LimitError(_unreachable(channels, settings, left), settings="keep")
    return removed


def _unreachable(channels: Channels, settings: Slimming, left: float) -> str:
    what = {"macs": "multiply-adds", "params": "parameters", "channels": "removable channels"}[settings.of]
    outputs = (channels.network.output, *(head.node for head in channels.network.auxiliary))
    inner = [kept for kept in channels.kept if not any(f"{name} is an output" in kept.reason for name in outputs)]
    why = f"; {inner[0]}" if inner else ""
    more = f" (and {len(inner) - 1} more layers keep channels)" if len(inner) > 1 else ""
    least = f"cannot be slimmed below {left:.1%} of its {what} at a floor of {settings.floor:g}"
    return f"{channels.network.name} {least}{why}{more}"


def _touched(channels: Channels, removed: Removed) -> tuple[Touched, ...]:
    before, after = channels.widths(), channels.widths(removed)
    return tuple(
        Touched(layer, "channels", width, after[layer]) for layer, width in before.items() if after[layer] < width
    )


def _untouched(channels: Channels, unscored: Collection[int], settings: Slimming) -> tuple[Untouched, ...]:
    found = [Untouched(kept.layer, f"{_share(kept.channels, kept.of)} kept: {kept.reason}") for kept in channels.kept]
    for slot in channels.slots:
        count = sum(unit in unscored for unit in slot.units)
        if slot.role == "output" and count:
            reason = f"{_share(count, len(slot.units))} kept: the criterion {settings.criterion} says nothing of them"
            found.append(Untouched(slot.node, reason))
    return tuple(found)


def _share(channels: int, of: int) -> str:
    return f"all {of:,} channels" if channels == of else f"{channels:,} of {of:,} channels"
