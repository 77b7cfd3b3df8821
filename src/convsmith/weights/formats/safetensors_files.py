"""Safetensors: the tensors of a file, of which only the header is read until their numbers are asked for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open

from convsmith.errors import ModelFileError
from convsmith.model.container import KEY
from convsmith.weights.formats.stored import StoredTensor

if TYPE_CHECKING:
    from torch import Tensor

TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""torch's names of types by the format's."""


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Raises ModelFileError for a model file of ours and one without tensors, and for damage as the library does."""
    found = {}
    with safe_open(path, "np") as file:
        if KEY in (file.metadata() or {}):
            raise ModelFileError("is already a model file of convsmith")
        for key in file.keys():  # noqa: SIM118, it is no mapping
            tensor = file.get_slice(key)
            dtype = tensor.get_dtype()
            found[key] = StoredTensor(TYPES.get(dtype, dtype), tuple(tensor.get_shape()), partial(_load, path, key))
    if not found:
        raise ModelFileError("holds no state dict")
    return found


def _load(path: Path, key: str) -> Tensor:
    with safe_open(path, "pt") as file:
        tensor: Tensor = file.get_tensor(key)
    return tensor
