"""Comparisons and choices, as arithmetic: a mask is 1 where something holds and 0 elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convsmith.backend.read.onnx.graph import OnnxNode
from convsmith.backend.read.onnx.reader import Reader, base, rule
from convsmith.backend.read.onnx.rules.activation import rounded
from convsmith.backend.read.onnx.rules.arithmetic import constant, together
from convsmith.backend.read.onnx.values import Constant, Feature, aligned
from convsmith.errors import ReadError
from convsmith.network import ops


@rule("Greater", "Less", "GreaterOrEqual", "LessOrEqual")
def _(node: OnnxNode, reader: Reader) -> Feature:
    """a > b is relu(sign(a - b)); a >= b is what b > a is not."""
    difference = _difference(node, reader)
    if node.kind in ("Less", "GreaterOrEqual"):
        difference = _like(difference, reader.emit(node, ops.Activation("neg"), base(difference)))
    sign = reader.emit(node, ops.Activation("sign"), base(difference))
    mask = _like(difference, reader.emit(node, ops.Activation("relu"), sign))
    return _not(node, reader, mask) if node.kind.endswith("OrEqual") else mask


def _difference(node: OnnxNode, reader: Reader) -> Feature:
    """The first input minus the second, one of which may be a number."""
    first, second = (reader.constant(name) for name in node.inputs)
    if first is None and second is None:
        names = list(node.inputs)
        a, b = together(node, reader, names, [reader.feature(name) for name in names])
        return _like(a, reader.emit(node, ops.Subtract(), base(a), base(b)))
    known = first or second
    x = reader.feature(node.inputs[0 if first is None else 1])
    if known is None or known.array.size != 1:
        raise ReadError("compares with more than one number", advice="compare with one number, or with another value")
    number = rounded(float(known.array.reshape(())))
    op = ops.Scale(1.0, -number) if first is None else ops.Scale(-1.0, number)
    return _like(x, reader.emit(node, op, base(x)))


@rule("Not")
def _(node: OnnxNode, reader: Reader) -> Feature:
    return _not(node, reader, reader.feature(node.input(0)))


def _not(node: OnnxNode, reader: Reader, mask: Feature) -> Feature:
    return _like(mask, reader.emit(node, ops.Scale(-1.0, 1.0), base(mask)))


@rule("Where")
def _(node: OnnxNode, reader: Reader) -> Feature:
    """mask * x + (1 - mask) * y, where each of the three may be known, but not all."""
    names = [name for name in node.inputs if reader.constant(name) is None]
    given = dict(zip(names, together(node, reader, names, [reader.feature(name) for name in names]), strict=True))
    like = next(iter(given.values()))
    parts = [_factor(node, reader, like, given, name) for name in node.inputs]
    mask, yes, no = parts
    if isinstance(mask, Constant):
        other: Constant | Feature = Constant(1 - mask.array.astype(np.float32))
    else:
        other = _not(node, reader, mask)
    terms = [_product(node, reader, mask, yes), _product(node, reader, other, no)]
    kept = [term for term in terms if term is not None]
    return _like(like, reader.emit(node, ops.Add(), *kept) if len(kept) > 1 else kept[0])


def _factor(node: OnnxNode, reader: Reader, like: Feature, given: dict[str, Feature], name: str) -> Constant | Feature:
    known = reader.constant(name)
    if known is None:
        return given[name]
    if not np.isfinite(known.array).all():
        raise ReadError("chooses infinite numbers", place=node.place, advice="choose large ones")
    return Constant(aligned(known.array, like), known.origin)


def _product(node: OnnxNode, reader: Reader, a: Constant | Feature, b: Constant | Feature) -> Feature | None:
    """The product of two of which one may be known; None if it is zero everywhere."""
    if isinstance(a, Constant) and isinstance(b, Constant):
        product = a.array.astype(np.float32) * b.array.astype(np.float32)
        return constant(node, reader, Constant(product), False) if product.any() else None
    if isinstance(a, Constant):
        a, b = b, a
    assert isinstance(a, Feature)
    if isinstance(b, Feature):
        return reader.emit(node, ops.Multiply(), base(a), base(b))
    if b.array.size == 1:
        factor = float(b.array.reshape(()))
        return reader.emit(node, ops.Scale(rounded(factor)), base(a)) if factor else None
    return reader.emit(node, ops.Multiply(), base(a), constant(node, reader, b, False))


def _like(x: Feature, y: Feature) -> Feature:
    """A feature as the graph sees another one."""
    return replace(y, axes=x.axes)
