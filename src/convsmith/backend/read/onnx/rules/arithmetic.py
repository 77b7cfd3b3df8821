"""Rules for sums, products and what else joins two values element by element, one of which may be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from convsmith.backend.read.onnx.graph import Array, OnnxNode
from convsmith.backend.read.onnx.reader import Reader, base, rule
from convsmith.backend.read.onnx.rules.absorb import absorb_factor, absorb_shift
from convsmith.backend.read.onnx.rules.activation import clip, rounded
from convsmith.backend.read.onnx.values import Constant, Feature, aligned
from convsmith.errors import ReadError
from convsmith.network import ops
from convsmith.network.ops import Op

JOINTS: Mapping[str, Op] = {
    "Add": ops.Add(),
    "Sum": ops.Add(),
    "Sub": ops.Subtract(),
    "Mul": ops.Multiply(),
    "Div": ops.Divide(),
    "Max": ops.Maximum(),
    "Min": ops.Minimum(),
    "Pow": ops.Power(),
}


@rule(*JOINTS)
def _(node: OnnxNode, reader: Reader) -> Feature:
    names = [name for name in node.inputs if name]
    known = [reader.constant(name) for name in names]
    if len(names) == 2 and known[1] is not None:
        return _with_constant(node, reader, names[0], known[1])
    if len(names) == 2 and known[0] is not None:
        return _after_constant(node, reader, known[0], names[1])
    if any(known):
        raise ReadError("joins more than two values, some of them constants", advice="join two at a time")
    features = [reader.feature(name) for name in names]
    if len(features) == 1:
        return features[0]
    features = together(node, reader, names, features)
    total = features[0]
    op = JOINTS[node.kind]
    if op.arity is None:
        return _joined(node, reader, op, features)
    for other in features[1:]:
        total = _joined(node, reader, op, [total, other])
    return total


def _joined(node: OnnxNode, reader: Reader, op: Op, features: list[Feature]) -> Feature:
    return replace(reader.emit(node, op, *map(base, features)), axes=features[0].axes)


def together(node: OnnxNode, reader: Reader, names: list[str], features: list[Feature]) -> list[Feature]:
    """The features with their axes in one order, and as many of each."""
    if len({feature.axes for feature in features}) == 1:
        return features
    plain = [reader.plain(name) for name in names]
    rank = max(len(feature.shape) for feature in plain)
    if any(len(feature.shape) < rank for feature in plain):
        raise ReadError(
            f"joins values of {' and '.join(str(len(feature.shape) + 1) for feature in plain)} axes",
            advice="a batch would be taken for channels: reshape both to as many",
        )
    return plain


def _with_constant(node: OnnxNode, reader: Reader, name: str, known: Constant) -> Feature:
    """x + c, x - c, x * c, x / c, max(x, c), min(x, c), x ** c."""
    x = reader.feature(name)
    array = aligned(known.array, x)
    trained = reader.is_parameter(known)
    single = array.size == 1 and not trained
    if node.kind in ("Max", "Min") and single:
        bound = rounded(float(array.reshape(())))
        op = clip(bound, None) if node.kind == "Max" else clip(None, bound)
        return replace(reader.emit(node, op, base(x)), axes=x.axes)
    kind = node.kind
    if kind in ("Sub", "Div") and (single or array.size > 1):
        inverse = -array if kind == "Sub" else _inverse(array)
    else:
        inverse = array
    if kind in ("Add", "Sum", "Sub"):
        absorbed = absorb_shift(node, reader, name, x, Constant(inverse, known.origin))
        if absorbed is not None:
            return absorbed
        if single:
            return _scaled(node, reader, x, 1.0, float(inverse.reshape(())))
    if kind in ("Mul", "Div"):
        absorbed = absorb_factor(node, reader, name, x, Constant(inverse, known.origin))
        if absorbed is not None:
            return absorbed
        if single:
            return _scaled(node, reader, x, float(inverse.reshape(())), 0.0)
        if array.size == 1 and kind == "Mul":
            weights = {"skipinit_gain": Constant(array.reshape(()), known.origin)}
            return replace(reader.emit(node, ops.SkipInit(), base(x), weights=weights), axes=x.axes)
    other = constant(node, reader, Constant(array, known.origin), trained)
    return replace(reader.emit(node, JOINTS[kind], base(x), other), axes=x.axes)


def _after_constant(node: OnnxNode, reader: Reader, known: Constant, name: str) -> Feature:
    """c + x, c - x, c * x, c / x, max(c, x), min(c, x), c ** x."""
    if node.kind not in ("Sub", "Div", "Pow"):
        return _with_constant(node, reader, name, known)
    x = reader.feature(name)
    array = aligned(known.array, x)
    if node.kind == "Sub" and array.size == 1:
        return _scaled(node, reader, x, -1.0, float(array.reshape(())))
    if node.kind == "Div" and array.size == 1:
        inverse = replace(reader.emit(node, ops.Activation("reciprocal"), base(x)), axes=x.axes)
        factor = float(array.reshape(()))
        return inverse if factor == 1 else _scaled(node, reader, inverse, factor, 0.0)
    other = constant(node, reader, Constant(array, known.origin), reader.is_parameter(known))
    return replace(reader.emit(node, JOINTS[node.kind], other, base(x)), axes=x.axes)


def _scaled(node: OnnxNode, reader: Reader, x: Feature, factor: float, shift: float) -> Feature:
    return replace(reader.emit(node, ops.Scale(rounded(factor), rounded(shift)), base(x)), axes=x.axes)


def _inverse(array: Array) -> Array:
    if not np.all(array):
        raise ReadError("divides by zero")
    return (1 / array.astype(np.float64)).astype(np.float32)


def constant(node: OnnxNode, reader: Reader, known: Constant, trained: bool) -> Feature:
    """A known value as a node of its own, its axes those of the feature that it meets."""
    weights = {"value": Constant(known.array.astype(np.float32, copy=False), known.origin)}
    return reader.emit(node, ops.Constant(known.array.shape, trained), weights=weights)
