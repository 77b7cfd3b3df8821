"""Activations on a grid of few integers."""

from __future__ import annotations

from math import isfinite
from typing import ClassVar

from convsmith.errors import ShapeError
from convsmith.network.dims import Shape
from convsmith.network.ops.base import Elementwise, operation


@operation
class Quantize(Elementwise):
    """Each element at the nearest value of a grid, ties to even: (q - zero_point) * scale for whole q.

    q = round(x / scale) + zero_point, held within `lowest` and `highest`: 0 to 2^bits - 1, or if `symmetric`
    -2^(bits-1) to 2^(bits-1) - 1 with zero point 0. Values stay floats, as in ONNX's QuantizeLinear followed by
    DequantizeLinear; an engine that knows that pair computes in integers between two of them (Jacob et al. 2017,
    arXiv 1712.05877). Gradients pass as if nothing were rounded, and are 0 where values were held at an end.

    Counts one operation for each element, the rounding. Engines fold the rest into the layer before.
    """

    kind: ClassVar[str] = "quantize"

    scale: float
    zero_point: int = 0
    bits: int = 8
    symmetric: bool = False

    @property
    def lowest(self) -> int:
        return -(1 << (self.bits - 1)) if self.symmetric else 0

    @property
    def highest(self) -> int:
        return (1 << (self.bits - 1)) - 1 if self.symmetric else (1 << self.bits) - 1

    def shape(self, *inputs: Shape) -> Shape:
        if not 2 <= self.bits <= 8:
            raise ShapeError(f"integers have 2 to 8 bits, not {self.bits}")
        if not (isfinite(self.scale) and self.scale > 0):
            raise ShapeError(f"a scale is above 0 and finite, not {self.scale}")
        if not self.lowest <= self.zero_point <= self.highest or (self.symmetric and self.zero_point):
            right = "0" if self.symmetric else f"{self.lowest} to {self.highest}"
            raise ShapeError(f"the zero point is {right}, not {self.zero_point}")
        return inputs[0]
