"""Evaluation preprocessing as ONNX nodes: the same steps as `convsmith.backend.preprocess.PreprocessModule`."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from convsmith.backend.onnx.graph import Attributes, Graph, Scope
from convsmith.backend.preprocess import LUMA
from convsmith.errors import ExportError
from convsmith.network.preprocess import Interpolation, Preprocess

FLOAT, INT64 = int(TensorProto.FLOAT), int(TensorProto.INT64)

ANTIALIASED: dict[Interpolation, Attributes] = {
    "bilinear": {"mode": "linear", "antialias": 1, "exclude_outside": 1},
    "bicubic": {"mode": "cubic", "antialias": 1, "exclude_outside": 1, "cubic_coeff_a": -0.5},
}


def emit_preprocess(graph: Graph, preprocess: Preprocess, image: str) -> str:
    """Adds the nodes that make of `image`, uint8 (H, W, 3) of any size, the network's input, float32 (1, C, h, w).

    Returns the name of that value. Raises ExportError for a network whose input is neither grey nor colour.
    """
    scope = Scope(graph, "preprocess")
    # Bytes are moved before they become four times as many.
    planes = scope.step("Transpose", [image], {"perm": (2, 0, 1)})
    floats = scope.step("Cast", [planes], {"to": FLOAT})
    batch = scope.step("Unsqueeze", [floats, scope.ints("batch", [0])])
    original = scope.step("Shape", [image], {"start": 0, "end": 2})
    size = _size(scope, preprocess, original)
    resized = _resize(scope, preprocess, _channels(scope, preprocess, batch), original, size)
    return _normalize(scope, preprocess, _centre_crop(scope, preprocess, resized, size))


def _channels(scope: Scope, preprocess: Preprocess, image: str) -> str:
    if preprocess.channels == 3:
        blue_first = scope.ints("blue_first", [2, 1, 0])
        return scope.step("Gather", [image, blue_first], {"axis": 1}) if preprocess.order == "BGR" else image
    if preprocess.channels != 1:
        raise ExportError(f"an image has 1 or 3 channels, the network takes {preprocess.channels}")
    weighted = scope.step("Mul", [image, scope.floats("luma", np.reshape(LUMA, (3, 1, 1)))])
    return scope.step("ReduceSum", [weighted, scope.ints("colour", [1])])


def _size(scope: Scope, preprocess: Preprocess, original: str) -> str:
    """The (height, width) after the resize, from that of the image: `Preprocess.resized` in whole numbers."""
    if isinstance(preprocess.resize, tuple):
        return scope.ints("resize", preprocess.resize)
    target = scope.step("Mul", [original, scope.ints("resize", [preprocess.resize])])
    return scope.step("Div", [target, scope.step("ReduceMin", [original])])


def _resize(scope: Scope, preprocess: Preprocess, image: str, original: str, size: str) -> str:
    if preprocess.interpolation == "nearest":
        return _nearest(scope, image, original, size)
    whole = scope.step("Concat", [scope.ints("planes", [1, preprocess.channels]), size], {"axis": 0})
    resized = scope.step("Resize", [image, "", "", whole], ANTIALIASED[preprocess.interpolation])
    if preprocess.interpolation == "bilinear":
        return resized
    # The cubic kernel overshoots at edges; pixels do not.
    return scope.step("Clip", [resized, scope.floats("black", 0), scope.floats("white", 255)])


def _nearest(scope: Scope, image: str, original: str, size: str) -> str:
    """Rows and columns by index: ONNX Runtime's own Resize takes the other neighbour where two are equally near."""
    half = scope.floats("half_pixel", 0.5)
    for axis in (0, 1):
        which = scope.ints("axis", axis)
        have, want = (scope.step("Gather", [side, which], {"axis": 0}) for side in (original, size))
        have, want = (scope.step("Cast", [side], {"to": FLOAT}) for side in (have, want))
        places = scope.step("Range", [scope.floats("first", 0), want, scope.floats("step", 1)])
        scale = scope.step("Div", [have, want])
        source = scope.step("Floor", [scope.step("Mul", [scope.step("Add", [places, half]), scale])])
        last = scope.step("Sub", [have, scope.floats("one", 1)])
        index = scope.step("Cast", [scope.step("Min", [source, last])], {"to": INT64})
        image = scope.step("Gather", [image, index], {"axis": 2 + axis})
    return image


def _centre_crop(scope: Scope, preprocess: Preprocess, image: str, size: str) -> str:
    if preprocess.crop == preprocess.resize:
        return image
    crop = scope.ints("crop", preprocess.crop)
    spare = scope.step("Cast", [scope.step("Sub", [size, crop])], {"to": FLOAT})
    # ONNX rounds half to even, as Python does.
    middle = scope.step("Round", [scope.step("Mul", [spare, scope.floats("half", 0.5)])])
    start = scope.step("Cast", [middle], {"to": INT64})
    stop = scope.step("Add", [start, crop])
    return scope.step("Slice", [image, start, stop, scope.ints("axes", [2, 3])])


def _normalize(scope: Scope, preprocess: Preprocess, image: str) -> str:
    mean, std = (np.asarray(values, np.float32).reshape(-1, 1, 1) for values in (preprocess.mean, preprocess.std))
    shifted = scope.step("Sub", [image, scope.floats("mean", 255 * mean)])
    return scope.step("Mul", [shifted, scope.floats("factor", 1 / (255 * std))])
