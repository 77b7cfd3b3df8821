"""What a library does where a paper is silent: padding, epsilon, momentum, biases.

A family is written once, as its paper has it; `create("keras/ResNet50")` writes it in Keras' dialect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """Defaults of convolutions and norms while a network is written."""

    same_padding: bool = False
    """TensorFlow's "same" padding, which is uneven at stride 2, instead of (k - 1) / 2 on each side."""
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1
    bias_before_norm: bool = False
    """A bias in convolutions that a norm follows."""
    norm_scale: bool = True
    """A weight (gamma) in batch norms; Keras' Inception networks have none."""
    pool_counts_padding: bool = False
    """Average pooling counts the zeros of the padding, as PyTorch's does by default."""


PLAIN = Dialect()
"""What papers mean, and PyTorch does by default."""

_current: ContextVar[Dialect] = ContextVar("dialect", default=PLAIN)


def current() -> Dialect:
    return _current.get()


@contextmanager
def speaking(dialect: Dialect) -> Iterator[None]:
    token = _current.set(dialect)
    try:
        yield
    finally:
        _current.reset(token)
