"""Where the grid of a feature map ends: what lies beyond is held at the end, what lies within gets finer steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from convsmith.compression.sample import Sample
from convsmith.model import Model, observe
from convsmith.model.ranges import histograms
from convsmith.transform.quantize import Range

Calibration = Literal["minmax", "percentile", "mse", "entropy"]

SHARES = torch.arange(20, 101).double() / 100
"""How much of its range a grid may span."""


def calibrated(model: Model, sample: Sample, how: Calibration, percentile: float, bits: int) -> dict[str, Range]:
    """The range of the grid of the input and of each layer, by name.

    Raises UsageError as `observe` does.
    """
    images = [batch for batch, _ in sample.batches()]
    ranges = observe(model, images)
    if how == "minmax":
        return ranges
    # 0 belongs to every grid.
    whole = {name: Range(min(found.low, 0.0), max(found.high, 0.0)) for name, found in ranges.items()}
    counts = histograms(model, images, whole)
    if how == "percentile":
        return {name: between(counts[name], found, percentile) for name, found in whole.items()}
    error = squared_error if how == "mse" else divergence
    return {name: narrowed(counts[name], found, bits, error) for name, found in whole.items()}


def between(counts: Tensor, whole: Range, percentile: float) -> Range:
    """The range without the values that are beyond a percentile, at each end that is not 0."""
    total = float(counts.sum())
    if not total:
        return whole
    left = 1 - percentile / 100
    below = counts.cumsum(0) / total
    edges = _edges(counts, whole)
    low = edges[int((below < left).sum())] if whole.low < 0 else edges[0]
    high = edges[int((below < 1 - left).sum()) + 1] if whole.high > 0 else edges[-1]
    return Range(min(float(low), 0.0), max(float(high), 0.0))


def narrowed(counts: Tensor, whole: Range, bits: int, error: Callable[[Tensor, Tensor, Tensor, float], float]) -> Range:
    """The range times the share at which an error of the histogram is smallest."""
    if not float(counts.sum()):
        return whole
    edges = _edges(counts, whole)
    centres = (edges[1:] + edges[:-1]) / 2
    errors = []
    for share in SHARES.tolist():
        low, high = whole.low * share, whole.high * share
        scale = (high - low) / (2**bits - 1)
        levels = torch.round((centres.clamp(low, high) - low) / scale)
        errors.append(error(counts, centres - low, levels, scale))
    # The widest of equals: nothing is held at an end for nothing.
    best = len(errors) - 1 - int(torch.tensor(errors).flip(0).argmin())
    return Range(whole.low * float(SHARES[best]), whole.high * float(SHARES[best]))


def squared_error(counts: Tensor, values: Tensor, levels: Tensor, scale: float) -> float:
    """The mean square of what rounding and holding change. Values count from the grid's lower end."""
    return float((counts * (values - levels * scale) ** 2).sum() / counts.sum())


def divergence(counts: Tensor, values: Tensor, levels: Tensor, scale: float) -> float:
    """The Kullback-Leibler divergence of the rounded values from the values (Migacz 2017, "8-bit inference with
    TensorRT"): parts of the histogram that become one level share its count; what is held counts in the last part.
    """
    inside = (values >= -scale / 2) & (values <= (levels.max() + 0.5) * scale)
    found = torch.nonzero(inside).flatten()
    first, last = int(found[0]), int(found[-1])
    reference = counts[first : last + 1].clone()
    reference[0] += counts[:first].sum()
    reference[-1] += counts[last + 1 :].sum()
    own, index = counts[first : last + 1], levels[first : last + 1].long()
    filled = (reference > 0).double()
    size = int(levels.max()) + 1
    sums = torch.zeros(size, dtype=torch.float64).index_add_(0, index, own)
    parts = torch.zeros(size, dtype=torch.float64).index_add_(0, index, filled)
    spread = filled * (sums / parts.clamp(min=1))[index]
    p, q = reference / reference.sum(), spread / spread.sum().clamp(min=1e-12)
    return float((p * ((p + 1e-12) / (q + 1e-12)).log()).sum())


def _edges(counts: Tensor, whole: Range) -> Tensor:
    return torch.linspace(whole.low, whole.high, len(counts) + 1, dtype=torch.float64)
