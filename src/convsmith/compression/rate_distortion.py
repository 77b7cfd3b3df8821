"""Quantization by rate and distortion: every weight where accuracy per bit is best, until the file has its size.

Distortion is what the Fisher information says of the answers' change; rate is what the file's own coder takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from convsmith.compression.importance import fisher
from convsmith.compression.outcome import Outcome, Touched, Untouched
from convsmith.compression.pruning.magnitude import PRUNED
from convsmith.compression.sample import Sample
from convsmith.errors import UsageError
from convsmith.model import Model, fuse_norm
from convsmith.model.coding.stream import coded_bytes
from convsmith.model.file import size_in_bytes
from convsmith.network.storage import FloatStorage, IntegerStorage, Storage, with_storage

STEPS = (0.5, 0.71, 1.0, 1.41, 2.0)
"""What is tried of the step that would be best at high rates."""
MOST = 2**15 - 1
"""An integer's magnitude, in 16 bits."""
ROUNDS = 2
"""Of rounding, each by the rates of the one before."""
CHEAP, DEAR = 1e-10, 1e2
"""Prices between which any file's size lies: 16 bits a weight, and next to none."""
MOST_TRIES = 20
SAME_PRICE = 1.02
"""Times another: between such prices the size may still jump, where a layer goes to zero, but it is not met nearer."""
TOLERANCE = 0.01
"""The share of its bytes by which a file may end up below the target before more is tried."""
REALLY_CODED = 2**16
"""Weights of a layer whose candidates are coded to know their rate; of larger ones it is the entropy."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A model ready to be quantized, and the importance of its parameters. Measured once for any number of sizes."""

    model: Model
    importance: Mapping[str, Tensor]

    @property
    def keys(self) -> tuple[str, ...]:
        """The parameters that become integers: weights and biases of convolutions and dense layers."""
        net = self.model.network
        layers = [node for node in net if isinstance(node.op, PRUNED) and not node.shares]
        return tuple(f"{node.name}.{one.name}" for node in layers for one in net.parameters_of(node))


def measure(model: Model, sample: Sample) -> Measured:
    """The model with its norms folded away, and how much its answers on the sample depend on each weight."""
    fused = fuse_norm(model.inference)
    return Measured(fused, fisher(fused, sample))


def quantize_to(measured: Measured, target_bytes: int, *, tolerance: float = TOLERANCE) -> Outcome:
    """The best model of at most so many bytes of file, everything included: the price of a bit is searched, until the
    file has at least all but the share `tolerance` of them.

    Raises UsageError if even next to nothing of the weights does not fit.
    """
    low, high = _Tried.at(measured, CHEAP), _Tried.at(measured, DEAR)
    if high.size > target_bytes:
        raise UsageError(f"{target_bytes:,} bytes are too few; the least is {high.size:,}", settings="target_bytes")
    if low.size <= target_bytes:
        return low.outcome
    for _ in range(MOST_TRIES):
        if high.size > (1 - tolerance) * target_bytes or high.price < SAME_PRICE * low.price:
            break
        # The size falls about as the logarithm of the price grows.
        share = (low.size - target_bytes) / (low.size - high.size)
        share = min(max(share, 0.1), 0.9)
        tried = _Tried.at(measured, exp(log(low.price) + share * (log(high.price) - log(low.price))))
        low, high = (tried, high) if tried.size > target_bytes else (low, tried)
    return high.outcome


class _Tried(NamedTuple):
    price: float
    size: int
    outcome: Outcome

    @classmethod
    def at(cls, measured: Measured, price: float) -> _Tried:
        outcome = quantize_at(measured, price)
        return cls(price, size_in_bytes(outcome.model), outcome)


def quantize_at(measured: Measured, price: float) -> Outcome:
    """The model where a bit is worth `price` of KL divergence per image (nats): the larger, the smaller the file."""
    model = measured.model
    storage: dict[str, Storage] = {}
    weights, grids, touched = dict(model.weights), dict(model.grids), []
    for key in measured.keys:
        integers, step = quantized(weights[key], measured.importance[key], price)
        storage[key], grids[key] = IntegerStorage(_bits(integers)), {"scale": torch.tensor(step)}
        weights[key] = integers.float() * grids[key]["scale"]
        before, after = (int(values[key].count_nonzero()) for values in (model.weights, weights))
        touched.append(Touched(key, "weights that are not zero", before, after))
    kept = [key for key in weights if key not in storage]
    for key in kept:
        weights[key], storage[key] = _halved(weights[key])
    network = with_storage(replace(model.network, storage=()), storage)
    found = replace(model, network=network, weights=weights, grids=grids, metrics={}, packing="coded")
    return Outcome(found, tuple(touched), tuple(Untouched(key, "kept as floats") for key in kept))


def quantized(values: Tensor, importance: Tensor, price: float) -> tuple[Tensor, float]:
    """Integers, int32 of the shape of `values`, and the step whose multiples they count, which are the best trade."""
    usual = sqrt(12 * price / (max(float(importance.mean()), 1e-30) * log(2)))
    largest = max(float(values.abs().max()), 1e-30) if values.numel() else 1.0
    best: tuple[float, Tensor, float] | None = None
    for factor in STEPS:
        step = float(np.float32(min(max(factor * usual, largest / MOST), 4 * largest)))
        integers = rounded(values, importance, step, price)
        distortion = float((importance * (values - integers * step) ** 2).sum(dtype=torch.float64)) / 2
        cost = distortion + price * _bits_of(integers)
        if best is None or cost < best[0]:
            best = cost, integers, step
    assert best is not None
    return best[1], best[2]


def rounded(values: Tensor, importance: Tensor, step: float, price: float) -> Tensor:
    """Each weight's integer: the nearest, the next nearer to zero, or zero, whichever costs least.

    What an integer takes is estimated from how often each occurs, as it was rounded the round before.
    """
    nearest = torch.round(values / step).clamp(-MOST, MOST).to(torch.int32)
    choices = torch.stack([nearest, nearest - nearest.sign(), torch.zeros_like(nearest)])
    distortion = importance / 2 * (values - choices * step) ** 2
    found = nearest
    for _ in range(ROUNDS if values.numel() else 0):
        low = int(found.min())
        counts = torch.bincount((found - low).flatten()).double() + 0.5
        bits = (counts.sum().log2() - counts.log2()).float()
        rate = bits[(choices - low).clamp(0, len(bits) - 1).long()]
        best = (distortion + price * rate).argmin(dim=0, keepdim=True)
        found = choices.gather(0, best)[0]
    return found


def _bits_of(integers: Tensor) -> float:
    """What a layer's integers take."""
    if integers.numel() <= REALLY_CODED:
        return 8.0 * coded_bytes([integers.numpy()])
    counts = torch.unique(integers, return_counts=True)[1].double()
    return float((counts * (counts.sum().log2() - counts.log2())).sum())


def _bits(integers: Tensor) -> int:
    largest = int(integers.abs().max()) if integers.numel() else 0
    return max(2, largest.bit_length() + 1)


def _halved(values: Tensor) -> tuple[Tensor, Storage]:
    """In 16-bit floats, or as they are where these cannot hold them."""
    half = values.half().float()
    if bool(torch.isfinite(half).all()) and torch.equal(half == 0, values == 0):
        return half, FloatStorage("float16")
    return values, FloatStorage()
