"""Expressions of ONNX operators, held against the graph: `Mul(X, Sigmoid(X))` is where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose
from typing import TypeAlias

from convsmith.backend.read.onnx.graph import OnnxNode
from convsmith.backend.read.onnx.reader import Reader

COMMUTATIVE = ("Add", "Mul")
DEFAULTS: Mapping[tuple[str, str], float] = {("HardSigmoid", "alpha"): 0.2, ("HardSigmoid", "beta"): 0.5}
Bindings: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Name:
    """Any value, the same one wherever the name stands."""

    name: str


@dataclass(frozen=True)
class Call:
    """An operator of expressions; numbers are constants of one element, or all of whose elements are alike."""

    kind: str
    inputs: tuple[Expression, ...]
    attributes: Mapping[str, float] = field(default_factory=dict)


Expression: TypeAlias = Name | Call | float


def call(kind: str, *inputs: Expression, **attributes: float) -> Call:
    return Call(kind, inputs, attributes)


def matches(expression: Expression, value: str, reader: Reader) -> Bindings | None:
    """What the expression's names stand for if this value is the expression; None if it is not."""
    return next(_each(expression, value, {}, reader), None)


def _each(expression: Expression, value: str, bound: Bindings, reader: Reader) -> Iterator[Bindings]:
    if isinstance(expression, Name):
        root = reader.root(value)
        if bound.get(expression.name, root) == root:
            yield {**bound, expression.name: root}
    elif isinstance(expression, Call):
        node = reader.maker(value)
        if node is not None:
            yield from _calls(expression, node, bound, reader)
    elif number(value, reader, expression):
        yield bound


def _calls(expression: Call, node: OnnxNode, bound: Bindings, reader: Reader) -> Iterator[Bindings]:
    if node.kind == expression.kind:
        if all(_has(node, name, number) for name, number in expression.attributes.items()):
            yield from _all(expression.inputs, node.inputs, bound, reader)
            if node.kind in COMMUTATIVE:
                yield from _all(expression.inputs, node.inputs[::-1], bound, reader)
    elif node.kind == "Div" and expression.kind == "Mul" and isinstance(expression.inputs[1], float):
        yield from _all((expression.inputs[0], 1 / expression.inputs[1]), node.inputs, bound, reader)


def _all(
    expressions: Sequence[Expression], values: Sequence[str], bound: Bindings, reader: Reader
) -> Iterator[Bindings]:
    if len(expressions) > len(values):
        return
    if not expressions:
        yield bound
        return
    for further in _each(expressions[0], values[0], bound, reader):
        yield from _all(expressions[1:], values[1:], further, reader)


def _has(node: OnnxNode, name: str, number: float) -> bool:
    return isclose(node.number(name, DEFAULTS.get((node.kind, name), 0.0)), number, rel_tol=1e-4)


def number(value: str, reader: Reader, expected: float) -> bool:
    """Whether a value is this number."""
    known = reader.constant(value)
    if known is None or known.array.size != 1:
        return False
    return isclose(float(known.array.reshape(())), expected, rel_tol=1e-4, abs_tol=1e-12)
