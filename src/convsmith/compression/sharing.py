"""Weight sharing: few different values in each layer, found by k-means and fine-tuned (Han et al. 2016, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor, nn

from convsmith.compression.outcome import Outcome, Touched
from convsmith.compression.pruning.magnitude import Pruning, candidates
from convsmith.errors import UnknownNameError, UsageError
from convsmith.model import Model
from convsmith.network.storage import CodebookStorage, Storage, with_storage

Start = Literal["linear", "density", "random"]
STARTS = ("linear", "density", "random")
ROUNDS = 100
"""Of k-means, at most; a round that changes nothing is the last."""


@dataclass(frozen=True)
class Sharing:
    """How many values a layer has, and where k-means starts (arXiv 1510.00149, section 3.2).

    - `bits` of an index, 1 to 8: a layer has up to 2^bits values. Layers in `layer_bits`, by name, have their own.
    - `start`: "linear" spreads the first values evenly from the smallest weight to the largest, "density" over the
      weights' ranks, "random" takes weights at random, by `seed`. The paper finds linear best: few large weights count.
    - `spared` are layers, by name, that are not touched.

    Weights that are zero stay zero; zero is then one of the values. Raises UsageError for bits out of range,
    UnknownNameError for a start that is not known.
    """

    bits: int = 5
    start: Start = "linear"
    layer_bits: Mapping[str, int] = field(default_factory=dict)
    spared: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for bits in (self.bits, *self.layer_bits.values()):
            if not 1 <= bits <= 8:
                raise UsageError(f"weights are shared in 1 to 8 bits, not in {bits}", settings="bits")
        if self.start not in STARTS:
            raise UnknownNameError("start of k-means", self.start, STARTS)


def share(model: Model, settings: Sharing) -> Outcome:
    """The model with the weights of each convolution and dense layer at few values; its file holds them entropy coded.

    Norms stay as they are: fold them away before (`fuse_norm`), or they take more than the weights. Raises
    UnknownNameError for a layer that there is not.
    """
    keys, untouched = candidates(model.network, Pruning(spared=settings.spared))
    names = [node.name for node in model.network]
    for layer in settings.layer_bits:
        if layer not in names:
            raise UnknownNameError(f"layer of {model.network.name}", layer, names)
    weights, touched = dict(model.weights), []
    for key in keys:
        layer = key.rpartition(".")[0]
        bits = settings.layer_bits.get(layer, settings.bits)
        weights[key] = shared(weights[key], 2**bits, settings.start, settings.seed)
        before, after = (len(torch.unique(values)) for values in (model.weights[key], weights[key]))
        touched.append(Touched(layer, "different values", before, after))
    found = with_codebooks(replace(model, weights=weights, metrics={}), keys)
    return Outcome(found, tuple(touched), untouched)


def shared(values: Tensor, count: int, start: Start = "linear", seed: int = 0) -> Tensor:
    """The tensor with at most `count` different values: those that k-means finds, and 0 where it was 0."""
    flat = values.detach().flatten()
    kept = flat[flat != 0]
    some_zero = len(kept) < len(flat)
    codes = kmeans(kept, count - some_zero, start, seed) if len(kept) else kept
    if not len(codes):
        return torch.zeros_like(values)
    nearest = codes[assigned(flat, codes)]
    return torch.where(flat == 0, torch.zeros_like(nearest), nearest).view_as(values)


def kmeans(values: Tensor, count: int, start: Start, seed: int) -> Tensor:
    """At most `count` values, float32 and ascending, each the mean of those nearest to it. Deterministic."""
    if count < 1:
        return values.new_empty(0)
    ordered = values.double().sort().values
    sums = torch.cat([ordered.new_zeros(1), ordered.cumsum(0)])
    codes = _start(ordered, count, start, seed)
    for _ in range(ROUNDS):
        bounds = torch.searchsorted(ordered, (codes[1:] + codes[:-1]) / 2)
        ends = torch.cat([bounds.new_zeros(1), bounds, bounds.new_full((1,), len(ordered))])
        sizes = ends.diff()
        means = sums[ends].diff() / sizes.clamp(min=1)
        moved = _distinct(torch.where(sizes > 0, means, codes))
        if len(moved) == len(codes) and torch.equal(moved, codes):
            break
        codes = moved
    return _distinct(codes.float())


def _start(ordered: Tensor, count: int, start: Start, seed: int) -> Tensor:
    if start == "linear":
        low, high = float(ordered[0]), float(ordered[-1])
        return _distinct(torch.linspace(low, high, count, dtype=ordered.dtype))
    if start == "density":
        ranks = (torch.arange(count) + 0.5) / count * len(ordered)
        return _distinct(ordered[ranks.long()])
    drawn = torch.randperm(len(ordered), generator=torch.Generator().manual_seed(seed))[:count]
    return _distinct(ordered[drawn])


def _distinct(values: Tensor) -> Tensor:
    found: Tensor = torch.unique(values)
    return found


def assigned(values: Tensor, codes: Tensor) -> Tensor:
    """The index of the nearest of ascending codes, int64."""
    return torch.searchsorted((codes[1:] + codes[:-1]) / 2, values.contiguous())


def with_codebooks(model: Model, keys: tuple[str, ...]) -> Model:
    """The model with these parameters, by key, kept as indices into a codebook of the values that they have."""
    storage: dict[str, Storage] = dict(model.network.storage)
    weights, grids = dict(model.weights), dict(model.grids)
    for key in keys:
        weights[key] = weights[key].float() + 0.0  # no negative zero
        codebook = _distinct(weights[key])
        storage[key], grids[key] = CodebookStorage(len(codebook)), {"codebook": codebook}
    network = with_storage(model.network, storage)
    return replace(model, network=network, weights=weights, grids=grids, packing="coded")


class Tuned:
    """Moves shared values by the gradient in training, as `after_update`.

    A value moves by the sum of what its weights move by (section 3.3), and they all with it; zeros stay. Training's
    learning rate is then to be small, for many weights pull at one value; with `step="mean"` it is that of a weight.
    """

    def __init__(self, model: Model, step: Literal["sum", "mean"] = "sum") -> None:
        self._last, self._step = -1, step
        self._codes: dict[str, Tensor] = {}
        self._indices: dict[str, Tensor] = {}
        for key, grid in model.grids.items():
            if "codebook" in grid:
                self._codes[key] = grid["codebook"].clone()
                self._indices[key] = torch.searchsorted(grid["codebook"], model.weights[key].flatten().contiguous())

    def __call__(self, module: nn.Module, number: int) -> None:
        """After the update itself values move; if called again for it, with averaged weights, these are only shared."""
        parameters = dict(module.named_parameters())
        for key, codes in self._codes.items():
            values = parameters[key].data
            if codes.device != values.device:
                codes = codes.to(values.device)
                self._indices[key] = self._indices[key].to(values.device)
            indices = self._indices[key]
            moved = self._moved(values, codes, indices, averaged=number == self._last)
            if number != self._last:
                self._codes[key] = moved
            values.copy_(moved[indices].view_as(values))
        self._last = number

    def _moved(self, values: Tensor, codes: Tensor, indices: Tensor, *, averaged: bool) -> Tensor:
        """The codes moved by the sum, or the mean, of what their weights moved by; zero is not moved."""
        # In float64: the sum of many small steps from one value would drown in its rounding.
        steps = values.flatten().double() - codes.double()[indices]
        sums = torch.zeros(len(codes), dtype=steps.dtype, device=steps.device).index_add_(0, indices, steps)
        if averaged or self._step == "mean":
            sums /= torch.bincount(indices, minlength=len(codes)).clamp(min=1)
        return torch.where(codes != 0, (codes.double() + sums).to(codes.dtype), codes)


def tuned(model: Model, step: Literal["sum", "mean"] = "sum") -> Tuned:
    """An `after_update` that fine-tunes the values of a shared model. Afterwards, `with_codebooks` finds them again."""
    return Tuned(model, step)
