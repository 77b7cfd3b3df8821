"""The smallest weights set to zero: over the whole network, layer by layer, or so many of every few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from convsmith.compression.outcome import Outcome, Touched, Untouched
from convsmith.errors import UnknownNameError, UsageError
from convsmith.model import Model
from convsmith.network import Network, Node, ops

Masks: TypeAlias = Mapping[str, Tensor]
"""Which weights are left, by state-dict key: bool, of the parameter's shape."""

PRUNED = (ops.Conv, ops.ConvTranspose, ops.Linear, ops.TableConv)
"""Layers whose weights are products with activations: at zero they do nothing."""


@dataclass(frozen=True)
class Pruning:
    """Which weights are set to zero.

    - `sparsity` is the share of the weights that are pruned, of convolutions and dense layers.
    - `scope`: "global" ranks the weights of all layers together, "layer" prunes the same share of each.
    - `pattern` (n, m): in every m neighbours along the input channels n are left, which some hardware runs faster
      (2:4: Mishra et al. 2021, arXiv 2104.08378). It stands for a sparsity, 1 - n / m, and needs none.
    - `spared` are layers, by name, that are not touched.

    Raises UsageError for a value out of range, UnknownNameError for a scope that is not known.
    """

    sparsity: float = 0.0
    scope: Literal["global", "layer"] = "global"
    pattern: tuple[int, int] | None = None
    spared: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise UsageError(f"must be from 0 to below 1, not {self.sparsity}", settings="sparsity")
        if self.scope not in ("global", "layer"):
            raise UnknownNameError("scope", self.scope, ("global", "layer"))
        if self.pattern is not None:
            some, of = self.pattern
            if not 0 < some < of:
                raise UsageError(f"{some} of {of} weights cannot be left", settings="pattern")
            if self.sparsity not in (0.0, 1 - some / of):
                raise UsageError(f"the pattern {some}:{of} has a sparsity of its own", settings=("sparsity", "pattern"))


def prune(model: Model, settings: Pruning) -> Outcome:
    """The model with its smallest weights at zero (Han et al. 2015, arXiv 1506.02626, section 3.1).

    Weights that are zero already count as pruned. Biases, norms and all that is one number a channel are not touched,
    nor are parameters that are not trained. Hold the zeros while training goes on: `retrained` with
    `after_update=held(masks_of(model))`. Raises UnknownNameError for a spared layer that there is not.
    """
    chosen, untouched = candidates(model.network, settings)
    masks = masks_for({key: model.weights[key] for key in chosen}, settings)
    weights = {
        key: torch.where(masks[key], value, 0.0) if key in masks else value for key, value in model.weights.items()
    }
    touched = []
    for key in masks:
        before, after = int(model.weights[key].count_nonzero()), int(weights[key].count_nonzero())
        if after < before:
            touched.append(Touched(key.rpartition(".")[0], "weights that are not zero", before, after))
    network = replace(model.network, storage=tuple(s for s in model.network.storage if s.parameter not in masks))
    return Outcome(replace(model, network=network, weights=weights, metrics={}), tuple(touched), untouched)


def candidates(net: Network, settings: Pruning) -> tuple[tuple[str, ...], tuple[Untouched, ...]]:
    """The keys of the parameters that are pruned, and the layers with weights that are not, each with its reason."""
    names = {node.name for node in net}
    for layer in settings.spared:
        if layer not in names:
            raise UnknownNameError(f"layer of {net.name}", layer, names)
    chosen, untouched = [], []
    for node in net:
        if not net.parameters_of(node):
            continue
        reason = _reason(net, node, settings)
        if reason:
            untouched.append(Untouched(node.name, reason))
        else:
            chosen.append(f"{node.name}.weight")
    return tuple(chosen), tuple(untouched)


def _reason(net: Network, node: Node, settings: Pruning) -> str:
    """Why a layer is not pruned; empty if it is."""
    if isinstance(node.op, ops.StandardizedConv):
        return "standardises its filters, and would make something else of a zero"
    if not isinstance(node.op, PRUNED):
        return f"{node.op.kind} has only a few numbers for each channel"
    if node.name in settings.spared:
        return "spared"
    if settings.pattern is None:
        return ""
    if not isinstance(node.op, ops.Conv | ops.Linear):
        return f"{node.op.kind} has its input channels along another axis than the pattern needs"
    inputs, of = net.parameters[f"{node.name}.weight"].shape[1], settings.pattern[1]
    return f"{inputs} input channels do not divide into groups of {of}" if inputs % of else ""


def masks_for(weights: Mapping[str, Tensor], settings: Pruning) -> dict[str, Tensor]:
    """The masks that leave the largest weights; what is zero is not left, unless sparsity needs no more zeros."""
    if settings.pattern is not None:
        return {key: _of_every(value, settings.pattern) for key, value in weights.items()}
    if settings.scope == "layer":
        return {key: _largest({key: value}, settings.sparsity)[key] for key, value in weights.items()}
    return _largest(weights, settings.sparsity)


def _largest(weights: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    if not weights:
        return {}
    magnitudes = torch.cat([value.abs().flatten() for value in weights.values()])
    pruned = round(sparsity * len(magnitudes))
    left = torch.ones(len(magnitudes), dtype=torch.bool)
    left[torch.argsort(magnitudes, stable=True)[:pruned]] = False
    left &= magnitudes > 0
    parts = torch.split(left, [value.numel() for value in weights.values()])
    return {key: part.view(value.shape) for (key, value), part in zip(weights.items(), parts, strict=True)}


def _of_every(weight: Tensor, pattern: tuple[int, int]) -> Tensor:
    """The largest n of every m neighbours along axis 1."""
    some, of = pattern
    last = weight.movedim(1, -1).abs()
    groups = last.reshape(-1, of)
    left = torch.zeros_like(groups, dtype=torch.bool)
    left.scatter_(1, groups.argsort(stable=True, dim=1, descending=True)[:, :some], True)
    return (left & (groups > 0)).view(last.shape).movedim(-1, 1)


def masks_of(model: Model) -> dict[str, Tensor]:
    """The masks of a pruned model: False where a convolution or dense layer has a weight of zero."""
    chosen, _ = candidates(model.network, Pruning())
    return {key: model.weights[key] != 0 for key in chosen}


def sparsity_of(masks: Masks) -> float:
    """The share of weights that is pruned."""
    total = sum(mask.numel() for mask in masks.values())
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / max(1, total)


class Held:
    """Keeps masks in training, as `after_update`: what they prune stays zero."""

    def __init__(self, masks: Masks) -> None:
        self.masks = dict(masks)

    def __call__(self, module: nn.Module, number: int) -> None:
        parameters = dict(module.named_parameters())
        for key, mask in self.masks.items():
            values = parameters[key].data
            if mask.device != values.device:
                self.masks[key] = mask = mask.to(values.device)
            values.masked_fill_(~mask, 0.0)


def held(masks: Masks) -> Held:
    """An `after_update` that keeps these masks."""
    return Held(masks)
