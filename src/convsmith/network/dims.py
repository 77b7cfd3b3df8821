"""Sizes: plain ints, or NumPy integer arrays when many candidates are costed in one pass.

Only arithmetic that ints and arrays share is used on them, so that NumPy need not be imported here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from convsmith.errors import ShapeError, UsageError

Dim: TypeAlias = Any
"""An int, or an integer array with one entry for each candidate network."""

Shape: TypeAlias = tuple[Dim, ...]
"""(C, H, W) of a feature map, (F,) of a vector, or any other axes, without the batch axis."""

Pair: TypeAlias = tuple[int, int]
"""(height, width)."""


def pair(value: Dim | Pair) -> Pair:
    return value if isinstance(value, tuple) else (value, value)


def always(condition: Any) -> bool:
    """Whether a comparison holds, for every candidate when the sizes are arrays."""
    return condition if isinstance(condition, bool) else bool(condition.all())


def at_least(bound: int, *sizes: Dim) -> bool:
    """Whether none of the sizes is smaller than `bound`, in any candidate."""
    for size in sizes:
        enough = size >= bound
        if enough is not True and not always(enough):
            return False
    return True


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


def broadcast(a: Shape, b: Shape) -> Shape | None:
    """The shape of both together, where a side of 1 is repeated as often as the other's; None if they do not fit.

    Shapes must have as many axes as one another, since each has a batch axis before them.
    """
    if len(a) != len(b):
        return None
    whole = []
    for x, y in zip(a, b, strict=True):
        if x is not y and not (always(x == 1) or always(y == 1) or equal((x,), (y,))):
            return None
        whole.append(y if always(x == 1) else x)
    return tuple(whole)


def check_axes(axes: tuple[int, ...], shape: Shape) -> None:
    """Raises ShapeError unless these are some of a shape's axes, in ascending order."""
    if not axes or list(axes) != sorted(set(axes)) or axes[0] < 0 or axes[-1] >= len(shape):
        raise ShapeError(f"axes {axes} of {text(shape)}: must be among 0 to {len(shape) - 1}, in ascending order")


def blocks(before: Shape, after: Shape) -> list[tuple[range, range]]:
    """The smallest groups of neighbouring axes that a reshaping turns into one another: (of before, of after)."""
    found: list[tuple[range, range]] = []
    i = j = 0
    while i < len(before) and j < len(after):
        first, second = i, j
        product, other = before[i], after[j]
        i, j = i + 1, j + 1
        while not always(product == other) and i + j < len(before) + len(after):
            if j == len(after) or (i < len(before) and always(product < other)):
                product, i = product * before[i], i + 1
            else:
                other, j = other * after[j], j + 1
        found.append((range(first, i), range(second, j)))
    if found:  # sides of 1 are left
        found[-1] = (range(found[-1][0].start, len(before)), range(found[-1][1].start, len(after)))
    return found


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
