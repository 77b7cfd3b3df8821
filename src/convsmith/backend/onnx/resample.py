"""Rules for enlarging and shrinking feature maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.graph import Attributes, Layer
from convsmith.network.ops import Resize, Upsample
from convsmith.network.ops.resample import Interpolation

CUBIC = -0.75
"""PyTorch's coefficient of bicubic interpolation."""


@emit.register
def _(op: Upsample, layer: Layer) -> None:
    before, after = layer.shapes[0][1:], layer.shape[1:]
    if all(factor == int(factor) for factor in op.factor):
        scales = layer.floats("scales", [1, 1, *op.factor])
        layer.result("Resize", [layer.inputs[0], "", scales], _interpolation(op))
    elif op.align_corners or all(a == b * f for a, b, f in zip(after, before, op.factor, strict=True)):
        _to_size(op, layer)
    else:
        # ONNX and its runtimes disagree about sizes that a factor does not hit: matrix products say it exactly.
        rows = layer.floats("rows", interpolating(before[0], after[0], op.factor[0], op.mode))
        columns = layer.floats("columns", interpolating(before[1], after[1], op.factor[1], op.mode).T)
        layer.result("MatMul", [layer.step("MatMul", [rows, layer.inputs[0]]), columns])


@emit.register
def _(op: Resize, layer: Layer) -> None:
    _to_size(op, layer)


def _to_size(op: Upsample | Resize, layer: Layer) -> None:
    sizes = layer.ints("sizes", layer.shape[1:])
    layer.result("Resize", [layer.inputs[0], "", "", sizes], {**_interpolation(op), "axes": (2, 3)})


def _interpolation(op: Upsample | Resize) -> Attributes:
    match op.mode:
        case "nearest":
            return {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        case "nearest_exact":
            rounding = "round_prefer_ceil"
            return {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": rounding}
    positions = "align_corners" if op.align_corners else "half_pixel"
    mode = "linear" if op.mode == "bilinear" else "cubic"
    return {"mode": mode, "coordinate_transformation_mode": positions, "cubic_coeff_a": CUBIC}


def interpolating(before: int, after: int, factor: float, mode: Interpolation) -> NDArray[np.float32]:
    """The matrix (after, before) by which PyTorch interpolates along one axis, corners not aligned."""
    step, index = np.float32(1 / factor), np.arange(after, dtype=np.float32)
    match mode:
        case "nearest":
            # PyTorch copies a map whose size the factor does not change.
            return _taps(before, [(np.floor(index * step) if after != before else index, np.ones(after))])
        case "nearest_exact":
            return _taps(before, [(np.floor((index + 0.5) * step), np.ones(after))])
        case "bilinear":
            place = np.maximum((index + 0.5) * step - 0.5, 0)
            first, share = np.floor(place), place % 1
            return _taps(before, [(first, 1 - share), (first + 1, share)])
        case "bicubic":
            place = (index + 0.5) * step - 0.5
            first = np.floor(place)
            return _taps(before, [(first + i, _cubic(abs(place - first - i))) for i in (-1, 0, 1, 2)])


def _taps(before: int, taps: list[tuple[NDArray[np.float32], NDArray[np.floating]]]) -> NDArray[np.float32]:
    """The sum of inputs at these positions by these weights; beyond the edge is the edge."""
    matrix = np.zeros((len(taps[0][0]), before), np.float32)
    for place, weight in taps:
        columns = np.clip(place, 0, before - 1).astype(int)
        np.add.at(matrix, (np.arange(len(matrix)), columns), weight)
    return matrix


def _cubic(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keys' kernel, for distances up to 2."""
    near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
    far = CUBIC * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, far)
