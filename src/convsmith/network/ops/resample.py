"""Enlarging and shrinking feature maps."""

from __future__ import annotations

from typing import ClassVar, Literal

from convsmith.errors import ShapeError
from convsmith.network.dims import Dim, Pair, Shape, always, elements
from convsmith.network.ops.base import Op, Saved, Window, feature_map, operation

Interpolation = Literal["nearest", "nearest_exact", "bilinear", "bicubic"]

OPERATIONS: dict[Interpolation, int] = {"nearest": 0, "nearest_exact": 0, "bilinear": 7, "bicubic": 31}
"""Multiplications and additions for each output element: 2 x 2 taps, 4 x 4 taps."""
TAPS: dict[Interpolation, int] = {"nearest": 1, "nearest_exact": 1, "bilinear": 2, "bicubic": 4}


class _Resampling(Op):
    """Base of ops that read a map at positions between its own.

    Position i reads the input at (i + 1/2) / factor - 1/2; with `align_corners` the first and last positions of both
    are the same; `nearest` reads position floor(i / factor).
    """

    __slots__ = ()
    saved: ClassVar[Saved] = "nothing"
    mode: Interpolation
    align_corners: bool

    def macs(self, output: Shape, *inputs: Shape) -> Dim:
        return 0

    def elementwise(self, output: Shape, *inputs: Shape) -> Dim:
        return OPERATIONS[self.mode] * elements(output)

    def _check(self) -> None:
        if self.align_corners and self.mode.startswith("nearest"):
            raise ShapeError("align_corners is for bilinear and bicubic interpolation")

    def _window(self, before: Dim, after: Dim, factor: float | None) -> Window:
        """Along one axis, for a map enlarged from `before` to `after` by `factor`."""
        step: Dim = 1 / factor if factor else before / after
        first: Dim = 0
        if self.mode == "nearest":
            return Window(1, step)
        if self.align_corners:
            step = (before - 1) / (after - 1) if always(after > 1) else 1.0
        else:
            first = (step / 2 - (0 if self.mode == "nearest_exact" else 1 / 2)) // 1
        taps = TAPS[self.mode]
        return Window(taps, step, max(0, taps // 2 - 1) - first)


@operation
class Upsample(_Resampling):
    """The map enlarged (vertically, horizontally) by `factor`, or shrunk by one below 1; sizes are rounded down."""

    kind: ClassVar[str] = "upsample"

    factor: tuple[float, float] = (2, 2)
    mode: Interpolation = "nearest"
    align_corners: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        self._check()
        channels, height, width = feature_map(inputs[0])
        if min(self.factor) <= 0:
            raise ShapeError(f"factor {self.factor} must be above 0")
        return (channels, _times(height, self.factor[0]), _times(width, self.factor[1]))

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        before, after = inputs[0][1:], output[1:]
        return (
            self._window(before[0], after[0], self.factor[0]),
            self._window(before[1], after[1], self.factor[1]),
        )


@operation
class Resize(_Resampling):
    """The map brought to a `size` (height, width), whatever its own is."""

    kind: ClassVar[str] = "resize"

    size: Pair
    mode: Interpolation = "nearest"
    align_corners: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        self._check()
        return (feature_map(inputs[0])[0], *self.size)

    def windows(self, output: Shape, *inputs: Shape) -> tuple[Window, Window]:
        before, after = inputs[0][1:], output[1:]
        return self._window(before[0], after[0], None), self._window(before[1], after[1], None)


def _times(side: Dim, factor: float) -> Dim:
    if factor == int(factor):
        return side * int(factor)
    return int(side * factor) if isinstance(side, int) else (side * factor).astype(int)
