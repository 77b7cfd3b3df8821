"""Rules for ops that join branches, and for constants."""

from __future__ import annotations

from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.graph import Layer
from convsmith.network.ops import Add, Concat, Constant, Divide, Maximum, Minimum, Multiply, Op, Power, Subtract

OF_TWO: dict[type[Op], str] = {
    Subtract: "Sub",
    Multiply: "Mul",
    Divide: "Div",
    Maximum: "Max",
    Minimum: "Min",
    Power: "Pow",
}


@emit.register
def _(op: Add, layer: Layer) -> None:
    layer.result("Add" if len(layer.inputs) == 2 else "Sum", layer.inputs)


@emit.register(Subtract)
@emit.register(Multiply)
@emit.register(Divide)
@emit.register(Maximum)
@emit.register(Minimum)
@emit.register(Power)
def _(op: Op, layer: Layer) -> None:
    layer.result(OF_TWO[type(op)], layer.inputs)


@emit.register
def _(op: Constant, layer: Layer) -> None:
    layer.result("Identity", [layer.parameter("value", layer.array("value")[None])])


@emit.register
def _(op: Concat, layer: Layer) -> None:
    # Other ops broadcast a constant over the batch by themselves.
    constant = layer.constant_inputs()
    inputs = list(layer.inputs)
    if not all(constant) and any(constant):
        batch = layer.step("Shape", [inputs[constant.index(False)]], {"start": 0, "end": 1})
        for i in (i for i, alone in enumerate(constant) if alone):
            size = layer.step("Concat", [batch, layer.ints("size", layer.shapes[i])], {"axis": 0})
            inputs[i] = layer.step("Expand", [inputs[i], size])
    layer.result("Concat", inputs, {"axis": op.axis + 1})
