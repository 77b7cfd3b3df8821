"""Arithmetic of an ONNX graph, written as that of NumPy's arrays is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto

from convsmith.backend.onnx.graph import Attributes, Scope

Array: TypeAlias = NDArray[Any]
Number: TypeAlias = "Value | Array | float"
TYPES = {np.dtype(np.float32): int(TensorProto.FLOAT), np.dtype(np.int64): int(TensorProto.INT64)}


class Value:
    """An array that a graph computes, float32 or int64; or a constant, where nothing in it depends on the image.

    What is made of constants alone is computed at once, so that an image of known size costs the graph nothing.
    """

    def __init__(self, scope: Scope, source: str | ArrayLike, dtype: type = np.float32) -> None:
        """`source` is the name of a value of the graph, or a constant array; `dtype` is float32 or int64."""
        self._scope = scope
        self._name = source if isinstance(source, str) else None
        self.constant: Array | None = None if isinstance(source, str) else np.asarray(source, dtype)
        self.dtype = np.dtype(dtype)

    @property
    def name(self) -> str:
        """The name by which nodes of the graph take it."""
        if self._name is None:
            assert self.constant is not None
            self._name = self._scope.graph.constant(f"{self._scope.name}/constant", self.constant)
        return self._name

    def __add__(self, other: Number) -> Value:
        return self._with("Add", np.add, other)

    def __sub__(self, other: Number) -> Value:
        return self._with("Sub", np.subtract, other)

    def __mul__(self, other: Number) -> Value:
        return self._with("Mul", np.multiply, other)

    def __truediv__(self, other: Number) -> Value:
        return self._with("Div", np.divide, other)

    def __floordiv__(self, other: Number) -> Value:
        """Of whole numbers, towards minus infinity, by a positive one.

        Engines differ below zero, and OpenVINO keeps the fraction where it fuses a division with what comes after it.
        So the quotient is found in floats, which may be one off, and put right by the rest.
        """
        divisor = other if isinstance(other, Value) else Value(self._scope, np.atleast_1d(other), np.int64)
        guess = (self.to(np.float32) / divisor.to(np.float32)).floor().to(np.int64)
        rest = self - guess * divisor
        return guess + rest.at_least(-1).at_most(0) + (rest - divisor + 1).at_least(0).at_most(1)

    def at_least(self, other: Number) -> Value:
        return self._with("Max", np.maximum, other)

    def at_most(self, other: Number) -> Value:
        return self._with("Min", np.minimum, other)

    def floor(self) -> Value:
        return self._alone("Floor", np.floor)

    def round(self) -> Value:
        """To whole numbers, half to even, as Python does it."""
        return self._alone("Round", np.round)

    def magnitude(self) -> Value:
        return self._alone("Abs", np.abs)

    def to(self, dtype: type) -> Value:
        """As float32 or int64."""
        if self.constant is not None:
            return Value(self._scope, self.constant, dtype)
        name = self._scope.step("Cast", [self.name], {"to": TYPES[np.dtype(dtype)]})
        return Value(self._scope, name, dtype)

    def at(self, positions: Sequence[int]) -> Value:
        """What lies at these positions of the first axis."""
        return self._alone("Gather", lambda array: array[list(positions)], positions, {"axis": 0})

    def with_axis(self, axis: int) -> Value:
        """With one more axis, of one element."""
        return self._alone("Unsqueeze", lambda array: np.expand_dims(array, axis), [axis])

    def total(self, axis: int) -> Value:
        """The sum over an axis, which stays, of one element."""
        return self._alone("ReduceSum", lambda array: array.sum(axis, keepdims=True), [axis], {"keepdims": 1})

    def count_up(self) -> Value:
        """Of one number n, shape (1,): 0, 1, ... n - 1."""
        if self.constant is not None:
            return Value(self._scope, np.arange(self.constant.item()), self.dtype.type)
        zero, one = (Value(self._scope, n, self.dtype.type).name for n in (0, 1))
        number = self._scope.step("Squeeze", [self.name, self._scope.ints("axis", [0])])
        return Value(self._scope, self._scope.step("Range", [zero, number, one]), self.dtype.type)

    def _with(self, kind: str, numpy: Callable[[Array, Array], Array], other: Number) -> Value:
        second = other if isinstance(other, Value) else Value(self._scope, np.atleast_1d(other), self.dtype.type)
        if self.constant is not None and second.constant is not None:
            return Value(self._scope, numpy(self.constant, second.constant), self.dtype.type)
        return Value(self._scope, self._scope.step(kind, [self.name, second.name]), self.dtype.type)

    def _alone(
        self,
        kind: str,
        numpy: Callable[[Array], Array],
        positions: Sequence[int] = (),
        attributes: Attributes | None = None,
    ) -> Value:
        if self.constant is not None:
            return Value(self._scope, numpy(self.constant), self.dtype.type)
        inputs = [self.name, self._scope.ints("positions", positions)] if positions else [self.name]
        return Value(self._scope, self._scope.step(kind, inputs, attributes), self.dtype.type)
