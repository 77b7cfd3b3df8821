"""Rules for ops that join branches or take a part of one."""

from __future__ import annotations

from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.graph import Layer
from convsmith.network.ops import Add, ChannelShuffle, Concat, Multiply, Pad, Slice, Upsample


@emit.register
def _(op: Add, layer: Layer) -> None:
    layer.result("Add" if len(layer.inputs) == 2 else "Sum", layer.inputs)


@emit.register
def _(op: Multiply, layer: Layer) -> None:
    layer.result("Mul", layer.inputs)


@emit.register
def _(op: Concat, layer: Layer) -> None:
    layer.result("Concat", layer.inputs, {"axis": 1})


@emit.register
def _(op: Slice, layer: Layer) -> None:
    bounds = [layer.ints("start", [op.start]), layer.ints("stop", [op.stop]), layer.ints("axis", [1])]
    layer.result("Slice", [layer.inputs[0], *bounds])


@emit.register
def _(op: ChannelShuffle, layer: Layer) -> None:
    channels, height, width = layer.shape
    grouped = layer.ints("groups", [-1, op.groups, channels // op.groups, height, width])
    split = layer.step("Reshape", [layer.inputs[0], grouped])
    mixed = layer.step("Transpose", [split], {"perm": (0, 2, 1, 3, 4)})
    layer.result("Reshape", [mixed, layer.ints("map", [-1, channels, height, width])])


@emit.register
def _(op: Pad, layer: Layer) -> None:
    top, bottom, left, right = op.padding
    before, after = op.channels
    layer.result("Pad", [layer.inputs[0], layer.ints("pads", [0, before, top, left, 0, after, bottom, right])])


@emit.register
def _(op: Upsample, layer: Layer) -> None:
    # Whole factors: output position i repeats input position i // factor.
    attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    layer.result("Resize", [layer.inputs[0], "", layer.floats("scales", [1, 1, *op.factor])], attributes)
