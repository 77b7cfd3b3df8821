"""What a value of the ONNX graph is, as far as it has been read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np

from convsmith.backend.read.onnx.graph import Array, OnnxNode
from convsmith.errors import ReadError
from convsmith.network.dims import Shape
from convsmith.network.ops import Op

NETWORK_INPUT = -1
"""The step that features come from which no step has made."""


@dataclass(frozen=True, eq=False)
class Constant:
    """Known numbers. `origin` is the name of the tensor in the file that they are, rearranged perhaps."""

    array: Array
    origin: str = ""


@dataclass(frozen=True)
class Feature:
    """What a step puts out, as the graph sees it.

    `shape` is the step's, without the batch axis. The graph's axis i is axis `axes[i]` of (batch, *shape): a transposed
    value is no new step until an op needs its order in memory, so that transposes cancel.
    """

    step: int
    shape: Shape
    axes: tuple[int, ...]

    @classmethod
    def plain(cls, step: int, shape: Shape) -> Feature:
        return cls(step, shape, tuple(range(len(shape) + 1)))

    @property
    def is_plain(self) -> bool:
        return self.axes == tuple(range(len(self.axes)))

    @property
    def rank(self) -> int:
        """How many axes the graph sees, the batch's included."""
        return len(self.axes)

    def sizes(self, batch: int) -> tuple[int, ...]:
        """The shape that the graph sees."""
        whole = (batch, *self.shape)
        return tuple(whole[axis] for axis in self.axes)

    def axis(self, seen: int) -> int:
        """The axis of `shape` that the graph's axis `seen` is. Raises ReadError for the batch's or none at all."""
        if not -self.rank <= seen < self.rank:
            raise ReadError(f"works along axis {seen} of a value of {self.rank} axes")
        axis = self.axes[seen]
        if axis == 0:
            raise ReadError("works across the images of a batch", advice="a network treats each image by itself")
        return axis - 1


@dataclass(frozen=True, eq=False)
class Unread:
    """A value that no rule could read. The error is raised if the network turns out to need it."""

    error: ReadError


Value: TypeAlias = Constant | Feature | Unread


@dataclass(frozen=True, eq=False)
class Step:
    """A layer of the network: an op, the steps it takes, its parameters, and the node that it was read from."""

    op: Op
    inputs: tuple[int, ...]
    weights: Mapping[str, Constant]
    node: OnnxNode
    shape: Shape


def aligned(array: Array, feature: Feature) -> Array:
    """A constant that meets `feature` in an elementwise op, with the axes of the feature's shape, each full or 1.

    Raises ReadError where the two do not broadcast, or images of a batch would be treated differently.
    """
    if array.ndim > feature.rank:
        raise ReadError(f"a constant of {array.ndim} axes meets a value of {feature.rank}")
    seen = array.reshape((1,) * (feature.rank - array.ndim) + array.shape)
    whole = seen.transpose(np.argsort(feature.axes).tolist())
    if whole.shape[0] != 1:
        raise ReadError("has a constant for each image of a batch")
    sizes = whole.shape[1:]
    if any(size not in (1, full) for size, full in zip(sizes, feature.shape, strict=True)):
        raise ReadError(f"a constant {sizes} does not fit a value {feature.shape}")
    shared: Array = whole[0]
    return shared


def only_channels(array: Array) -> bool:
    """Whether an aligned constant has a number for each channel, alike at every position."""
    return array.ndim > 0 and prod(array.shape[1:]) == 1
