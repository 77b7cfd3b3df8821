"""Which integers stored weights are, for engines that compute in integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convsmith.network import Network
from convsmith.network.ops import Quantize
from convsmith.network.storage import IntegerStorage

GridArrays: TypeAlias = Mapping[str, Mapping[str, NDArray[Any]]]
"""Scales and zero points by parameter and part, as `Model.grids` has them."""


class Integers(NamedTuple):
    """A parameter as (values - zero) * scale: int8 values, float32 scale and int8 zero point () or (C,), their axis."""

    values: NDArray[np.int8]
    scale: NDArray[np.float32]
    zero: NDArray[np.int8]
    axis: int | None


class Grids:
    """The grids of a network's parameters that are stored as integers, where it computes in integers.

    Of one that computes in floats there are none: ONNX Runtime would make floats of its weights anew for every image.
    """

    def __init__(self, network: Network, arrays: GridArrays) -> None:
        integers = any(isinstance(node.op, Quantize) for node in network)
        stored = network.storage if integers else ()
        self._storages = {key: value for key, value in stored if isinstance(value, IntegerStorage)}
        self._arrays = arrays

    def integers(self, key: str, values: NDArray[np.float32]) -> Integers | None:
        """The integers of a parameter; None for one that is not stored so, or that a layer uses in another form."""
        storage = self._storages.get(key)
        if storage is None or key not in self._arrays:
            return None
        scale = np.asarray(self._arrays[key]["scale"], np.float32)
        zero = np.asarray(self._arrays[key].get("zero_point", np.zeros(scale.shape)), np.int8)
        along = [1] * values.ndim
        if storage.axis is not None:
            along[storage.axis] = -1
        wide_scale, wide_zero = (array.reshape(along) if array.ndim else array for array in (scale, zero))
        nearest = np.rint(values / wide_scale.astype(np.float64)) + wide_zero
        integers = np.clip(nearest, storage.lowest, storage.highest).astype(np.int8)
        exact = (integers.astype(np.int16) - wide_zero).astype(np.float32) * wide_scale
        return Integers(integers, scale, zero, storage.axis) if np.array_equal(exact, values) else None
