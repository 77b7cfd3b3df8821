"""Rules for activations held to a grid of integers. Weights in integers are constants, and are computed as such."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from convsmith.backend.read.onnx.graph import OnnxNode
from convsmith.backend.read.onnx.reader import Reader, base, rule
from convsmith.backend.read.onnx.values import Feature
from convsmith.errors import ReadError
from convsmith.network import ops

ADVICE = "read the float model that this one was quantized from"


@rule("DequantizeLinear")
def _(node: OnnxNode, reader: Reader) -> Feature:
    """A pair of QuantizeLinear and DequantizeLinear at one scale: rounding to a grid."""
    rounding = reader.maker(node.input(0))
    if rounding is None or rounding.kind != "QuantizeLinear":
        raise ReadError("takes integers that no QuantizeLinear makes", advice=ADVICE)
    x = reader.feature(rounding.input(0))
    scales, zeros = zip(*(_grid(each, reader) for each in (rounding, node)), strict=True)
    if scales[0] != scales[1] or zeros[0] != zeros[1]:
        raise ReadError("has another scale or zero point than its QuantizeLinear", advice=ADVICE)
    zero = zeros[0]
    symmetric = zero.dtype == np.int8
    if zero.dtype not in (np.int8, np.uint8) or (symmetric and zero):
        raise ReadError("rounds to integers other than uint8, or int8 around 0", advice=ADVICE)
    op = ops.Quantize(float(scales[0]), int(zero), symmetric=symmetric)
    return replace(reader.emit(node, op, base(x)), axes=x.axes)


def _grid(node: OnnxNode, reader: Reader) -> tuple[Any, Any]:
    """The scale and the zero point of a whole value."""
    scale, zero = reader.weight(node, 1).array, reader.array(node, 2)
    if scale.size != 1 or (zero is not None and zero.size != 1):
        raise ReadError("has a scale for each channel of an activation", place=node.place, advice=ADVICE)
    return scale.reshape(())[()], np.uint8(0) if zero is None else zero.reshape(())[()]
