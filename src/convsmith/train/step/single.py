"""Batch norm where a batch is one image, and a map one pixel: a single value a channel has no variance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn import functional as F


class _Single1d(nn.BatchNorm1d):
    def forward(self, input: Tensor) -> Tensor:
        return _normalised(self, input) if input.numel() == self.num_features else super().forward(input)


class _Single2d(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        return _normalised(self, input) if input.numel() == self.num_features else super().forward(input)


SINGLE: dict[type[nn.Module], type[nn.Module]] = {nn.BatchNorm1d: _Single1d, nn.BatchNorm2d: _Single2d}


@contextmanager
def single_values_allowed(module: nn.Module) -> Iterator[None]:
    """Within this, batch norms in training mode normalise single values by their running statistics; torch refuses
    them."""
    changed = [(layer, type(layer)) for layer in module.modules() if type(layer) in SINGLE]
    for layer, kind in changed:
        layer.__class__ = SINGLE[kind]
    try:
        yield
    finally:
        for layer, kind in changed:
            layer.__class__ = kind


def _normalised(norm: nn.BatchNorm1d | nn.BatchNorm2d, input: Tensor) -> Tensor:
    return F.batch_norm(input, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)
