"""Sizes: plain ints, or NumPy integer arrays when many candidates are costed in one pass.

Only arithmetic that ints and arrays share is used on them, so that NumPy need not be imported here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from convsmith.errors import UsageError

Dim: TypeAlias = Any
"""An int, or an integer array with one entry for each candidate network."""

Shape: TypeAlias = tuple[Dim, ...]
"""(C, H, W) of a feature map or (F,) of a vector, without the batch axis."""

Pair: TypeAlias = tuple[int, int]
"""(height, width)."""


def pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else value


def always(condition: Any) -> bool:
    """Whether a comparison holds, for every candidate when the sizes are arrays."""
    return condition if isinstance(condition, bool) else bool(condition.all())


def equal(a: Shape, b: Shape) -> bool:
    """Whether two shapes are the same, for every candidate.

    Raises UsageError where they are for some candidates only: a shortcut that only some of them have makes
    different networks of them, which one pass would cost wrongly.
    """
    if len(a) != len(b):
        return False
    same = True
    for x, y in zip(a, b, strict=True):
        if x is y or always(x == y):
            continue
        if not always(x != y):
            raise UsageError(
                "these candidates differ in more than their sizes (shapes equal in some only): cost them apart"
            )
        same = False
    return same


def maximum(a: Dim, b: Dim) -> Dim:
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else (a + b + abs(a - b)) // 2


def elements(shape: Shape) -> Dim:
    count = 1
    for dim in shape:
        count = count * dim
    return count


def divisible(channels: Any, divisor: int = 8) -> Dim:
    """The multiple of `divisor` nearest to `channels`, never below 90% of it (MobileNet's rule for scaled widths)."""
    rounded = (channels + divisor / 2) // divisor
    rounded = rounded + (rounded < 1)
    rounded = rounded + (rounded * divisor < 0.9 * channels)
    whole = rounded * divisor
    return int(whole) if isinstance(whole, (int, float)) else whole.astype(int)


def text(shape: Shape) -> str:
    return "x".join(str(dim) for dim in shape)
