"""Rules for ops that move, drop, repeat or add elements."""

from __future__ import annotations

from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.graph import Layer
from convsmith.network.ops import (
    ChannelShuffle,
    Expand,
    Flatten,
    Pad,
    Permute,
    PixelShuffle,
    PixelUnshuffle,
    Repeat,
    Reshape,
    Slice,
)


@emit.register
def _(op: Flatten, layer: Layer) -> None:
    if op.start == 0:
        layer.result("Flatten", layer.inputs, {"axis": 1})
    else:
        layer.result("Reshape", [layer.inputs[0], layer.ints("shape", [-1, *layer.shape])])


@emit.register
def _(op: Reshape, layer: Layer) -> None:
    layer.result("Reshape", [layer.inputs[0], layer.ints("shape", [-1, *layer.shape])])


@emit.register
def _(op: Permute, layer: Layer) -> None:
    layer.result("Transpose", layer.inputs, {"perm": (0, *(axis + 1 for axis in op.axes))})


@emit.register
def _(op: Expand, layer: Layer) -> None:
    layer.result("Expand", [layer.inputs[0], layer.ints("size", [1, *op.size])])


@emit.register
def _(op: Repeat, layer: Layer) -> None:
    layer.result("Tile", [layer.inputs[0], layer.ints("times", [1, *op.times])])


@emit.register
def _(op: Slice, layer: Layer) -> None:
    bounds = [layer.ints("start", [op.start]), layer.ints("stop", [op.stop]), layer.ints("axis", [op.axis + 1])]
    step = [layer.ints("step", [op.step])] if op.step > 1 else []
    layer.result("Slice", [layer.inputs[0], *bounds, *step])


@emit.register
def _(op: ChannelShuffle, layer: Layer) -> None:
    channels, height, width = layer.shape
    grouped = layer.ints("groups", [-1, op.groups, channels // op.groups, height, width])
    split = layer.step("Reshape", [layer.inputs[0], grouped])
    mixed = layer.step("Transpose", [split], {"perm": (0, 2, 1, 3, 4)})
    layer.result("Reshape", [mixed, layer.ints("map", [-1, channels, height, width])])


PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@emit.register
def _(op: Pad, layer: Layer) -> None:
    top, bottom, left, right = op.padding
    before, after = op.channels
    pads = layer.ints("pads", [0, before, top, left, 0, after, bottom, right])
    value = [layer.floats("value", op.value)] if op.value else []
    attributes = {} if op.mode == "constant" else {"mode": PAD_MODES[op.mode]}
    layer.result("Pad", [layer.inputs[0], pads, *value], attributes)


@emit.register
def _(op: PixelShuffle, layer: Layer) -> None:
    layer.result("DepthToSpace", layer.inputs, {"blocksize": op.factor, "mode": "CRD"})


@emit.register
def _(op: PixelUnshuffle, layer: Layer) -> None:
    # ONNX's SpaceToDepth puts the squares' positions before the channels, PyTorch the channels before them.
    channels, height, width = layer.shapes[0]
    f = op.factor
    squares = layer.ints("squares", [-1, channels, height // f, f, width // f, f])
    split = layer.step("Reshape", [layer.inputs[0], squares])
    mixed = layer.step("Transpose", [split], {"perm": (0, 1, 3, 5, 2, 4)})
    layer.result("Reshape", [mixed, layer.ints("map", [-1, *layer.shape])])
