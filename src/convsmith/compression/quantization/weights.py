"""Rules that put weights on few integers: which step suits them, and ternary and binary weights."""

from __future__ import annotations

import torch
from torch import Tensor

from convsmith.model.codecs.integers import nearest, on_grid
from convsmith.model.rounding import Rounded, absmax_grid
from convsmith.network.storage import IntegerStorage

SHARES = [share / 100 for share in range(30, 101, 2)]
"""How much of the way to the largest weight the largest integer may be."""


def least_error(storage: IntegerStorage, values: Tensor) -> Rounded:
    """The step, for each channel, at which the sum of the squared changes is smallest."""
    whole = absmax_grid(storage, values)
    errors = torch.stack([_errors(storage, values, _scaled(whole, share)) for share in SHARES])
    best = torch.tensor(SHARES)[errors.argmin(0)]
    grid = {**whole, "scale": (whole["scale"] * best).float()}
    return Rounded(nearest(storage, values, grid), grid)


def ternary(storage: IntegerStorage, values: Tensor) -> Rounded:
    """-a, 0 or a: 0 below 0.7 of the mean magnitude, a the mean of the others (Li and Liu 2016, equations 5 and 6).

    `storage` is symmetric, of 2 bits.
    """
    rows = _rows(storage, values).abs()
    threshold = 0.7 * rows.mean(1, keepdim=True)
    large = rows > threshold
    scale = (rows * large).sum(1) / large.sum(1).clamp(min=1)
    signs = values.sign() * (values.abs() > _along(storage, values, threshold.flatten()))
    return _with_scale(storage, signs, scale)


def binary(storage: IntegerStorage, values: Tensor) -> Rounded:
    """-a or a, a the mean magnitude (Rastegari et al. 2016, XNOR-Net, equation 6). `storage` is symmetric."""
    signs = torch.where(values < 0, -1.0, 1.0)
    return _with_scale(storage, signs, _rows(storage, values).abs().mean(1))


def _with_scale(storage: IntegerStorage, signs: Tensor, scale: Tensor) -> Rounded:
    scale = torch.where(scale > 0, scale, torch.ones_like(scale)).float()
    return Rounded(signs.to(torch.int8), {"scale": scale[0] if storage.axis is None else scale})


def _errors(storage: IntegerStorage, values: Tensor, grid: dict[str, Tensor]) -> Tensor:
    """The sum of squares for each channel; one number where there is one scale."""
    errors = _rows(storage, values - on_grid(storage, nearest(storage, values, grid), grid)).square().sum(1)
    return errors[0] if storage.axis is None else errors


def _scaled(grid: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    return {**grid, "scale": grid["scale"] * share}


def _rows(storage: IntegerStorage, values: Tensor) -> Tensor:
    """(scales, weights of each)."""
    return values.reshape(1, -1) if storage.axis is None else values.movedim(storage.axis, 0).flatten(1)


def _along(storage: IntegerStorage, values: Tensor, numbers: Tensor) -> Tensor:
    """A number for each scale, shaped to be broadcast over the values."""
    if storage.axis is None:
        return numbers[0]
    shape = [1] * values.ndim
    shape[storage.axis] = -1
    return numbers.view(shape)
