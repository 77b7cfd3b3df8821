"""Evaluation preprocessing as ONNX nodes: the same steps as `convsmith.backend.preprocess.PreprocessModule`.

Engines make different things of ONNX's Resize: OpenVINO and OpenCV ignore its `antialias`. So the graph has none, and
otherwise only ops that every engine computes alike.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from convsmith.backend.onnx.graph import Graph, Scope
from convsmith.backend.onnx.image.arithmetic import Value
from convsmith.backend.onnx.image.resize import Side, band, mix, nearest, take
from convsmith.backend.preprocess import LUMA
from convsmith.errors import ExportError
from convsmith.network.preprocess import Preprocess

FLOAT = int(TensorProto.FLOAT)


def emit_preprocess(
    graph: Graph, preprocess: Preprocess, image: str, *, batch: bool = False, size: tuple[int, int] | None = None
) -> str:
    """Adds the nodes that make of `image`, uint8 (H, W, 3) of any size, the network's input, float32 (1, C, h, w).

    With `batch`, `image` is (N, H, W, 3), images of one size, and the input (N, C, h, w). Where all images have one
    `size` (H, W), the graph has constants in place of what depends on it. Returns the name of the network's input.
    Raises ExportError for a network whose input is neither grey nor colour.
    """
    if preprocess.channels not in (1, 3):
        raise ExportError(f"an image has 1 or 3 channels, the network takes {preprocess.channels}")
    scope = Scope(graph, "preprocess")
    images = image if batch else scope.step("Unsqueeze", [image, scope.ints("batch", [0])])
    rows, columns = _sides(scope, preprocess, images, size)
    pixels = (_nearest if preprocess.interpolation == "nearest" else _smooth)(scope, preprocess, images, rows, columns)
    if preprocess.pad is not None:
        pixels = _on_ground(scope, preprocess, pixels, rows, columns)
    if preprocess.order == "BGR":
        pixels = scope.step("Gather", [pixels, scope.ints("blue_first", [2, 1, 0])], {"axis": 1})
    return _normalize(scope, preprocess, pixels)


def _sides(scope: Scope, preprocess: Preprocess, images: str, size: tuple[int, int] | None) -> tuple[Side, Side]:
    """Height and width on their way through resize and crop: `Preprocess.resized`, and the middle."""
    if size is None:
        shape = Value(scope, scope.step("Shape", [images]), np.int64)
        lengths = shape.at([1]), shape.at([2])
    else:
        lengths = Value(scope, size[:1], np.int64), Value(scope, size[1:], np.int64)
    if preprocess.pad is not None:
        height, width = (
            _padded(length, other, box, other_box, crop)
            for length, other, box, other_box, crop in zip(
                lengths, lengths[::-1], preprocess.box, preprocess.box[::-1], preprocess.crop, strict=True
            )
        )
        return height, width
    if isinstance(preprocess.resize, tuple):
        resized = tuple(Value(scope, [side], np.int64) for side in preprocess.resize)
    else:
        shorter = lengths[0].at_most(lengths[1])
        resized = tuple(length * preprocess.resize // shorter for length in lengths)
    height, width = (
        Side(length, new, crop, _shift(new - crop))
        for length, new, crop in zip(lengths, resized, preprocess.crop, strict=True)
    )
    return height, width


def _padded(length: Value, other: Value, box: int, other_box: int, crop: int) -> Side:
    """A side of an image that fits into a box, whose other side may be what limits it."""
    fitting = (length * other_box // other).at_most(box).at_least(1)
    spare = fitting * -1 + box
    # Before the image there may be half a pixel less than behind it; so, too, before the crop in the box.
    shift = spare - spare // 2 * 2 + (2 * round((box - crop) / 2) - (box - crop))
    return Side(length, fitting, crop, shift, padded=True)


def _on_ground(scope: Scope, preprocess: Preprocess, pixels: str, rows: Side, columns: Side) -> str:
    """Pixels (N, 1 or 3, h, w), still red first, with the ground's colour where they are of the border."""
    colour = np.multiply(preprocess.pad or (), 255)
    values = colour if preprocess.channels == 3 else [np.dot(LUMA, colour)]
    ground = scope.floats("ground", np.reshape(values, (-1, 1, 1)))
    over = scope.step("Sub", [pixels, ground])
    for side, axis in ((rows, 1), (columns, 0)):
        over = scope.step("Mul", [over, side.covered().with_axis(axis).name])
    return scope.step("Add", [over, ground])


def _shift(spare: Value) -> Value:
    """Twice how far the crop's middle is behind the image's: where the spare pixels are odd, one side gets one more."""
    return (spare.to(np.float32) * 0.5).round().to(np.int64) * 2 - spare


def _nearest(scope: Scope, preprocess: Preprocess, images: str, rows: Side, columns: Side) -> str:
    for axis, side in ((1, rows), (2, columns)):
        images = scope.step("Gather", [images, nearest(side).name], {"axis": axis})
    planes = scope.step("Transpose", [scope.step("Cast", [images], {"to": FLOAT})], {"perm": (0, 3, 1, 2)})
    return _channels(scope, preprocess, planes, axis=1)


def _smooth(scope: Scope, preprocess: Preprocess, images: str, rows: Side, columns: Side) -> str:
    assert preprocess.interpolation != "nearest"
    down, across = (band(side, preprocess.interpolation) for side in (rows, columns))
    cut: Value | float = 0
    if preprocess.resize != preprocess.crop:
        # Of a long image much is cut off: columns that nothing is made of are not looked at.
        cut, end = across.start.at([0]), across.start.at([-1]) + across.count
        images = scope.step("Slice", [images, cut.to(np.int64).name, end.to(np.int64).name, scope.ints("axis", [2])])
    taken = scope.step("Cast", [take(scope, images, down.index())], {"to": FLOAT})
    short = _channels(scope, preprocess, mix(scope, taken, down, 3), axis=2)
    pixels = mix(scope, take(scope, short, across.index(cut)), across, preprocess.crop[0])
    if preprocess.interpolation == "bilinear":
        return pixels
    # The cubic kernel overshoots at edges; pixels do not.
    return scope.step("Clip", [pixels, scope.floats("black", 0), scope.floats("white", 255)])


def _channels(scope: Scope, preprocess: Preprocess, images: str, axis: int) -> str:
    """Of float32 with four axes, of which `axis` is that of red, green and blue: grey, where the network wants it."""
    if preprocess.channels == 3:
        return images
    luma = np.reshape(LUMA, (3, *(1,) * (3 - axis)))
    weighted = scope.step("Mul", [images, scope.floats("luma", luma)])
    return scope.step("ReduceSum", [weighted, scope.ints("colour", [axis])])


def _normalize(scope: Scope, preprocess: Preprocess, image: str) -> str:
    mean, std = (np.asarray(values, np.float32).reshape(-1, 1, 1) for values in (preprocess.mean, preprocess.std))
    shifted = scope.step("Sub", [image, scope.floats("mean", 255 * mean)])
    return scope.step("Mul", [shifted, scope.floats("factor", 1 / (255 * std))])
