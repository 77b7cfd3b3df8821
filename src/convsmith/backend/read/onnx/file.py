"""An ONNX file as a protocol buffer: checked to be one, its tensors found, nothing taken from outside its folder."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import TensorProto, helper, inliner, numpy_helper

from convsmith.errors import ReadError

OLDEST_OPSET = 7
"""The first whose elementwise ops broadcast as NumPy does."""

LARGEST_BYTES = 2**31
"""A protocol buffer ends here; tensors that need more lie in files beside it."""

HALVES = frozenset((TensorProto.FLOAT16, TensorProto.BFLOAT16))
LOW_PRECISION = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16), np.dtype(np.float64))


def load(path: Path) -> onnx.ModelProto:
    """The model of this file, without the tensors that lie beside it. Raises ReadError for anything else."""
    if not path.is_file():
        raise ReadError("no such file", place=str(path))
    if path.stat().st_size > LARGEST_BYTES:
        raise ReadError("is over 2 GiB, which no ONNX file is", place=str(path))
    return parse(path.read_bytes(), str(path))


def parse(data: bytes, place: str) -> onnx.ModelProto:
    """The model that these bytes hold. `place` names them in errors."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise ReadError("is not an ONNX file, or is cut short", place=place) from None
    if not model.ir_version or not model.graph.node or not model.opset_import:
        raise ReadError("is not an ONNX file: it has no graph", place=place)
    if opset_of(model) < OLDEST_OPSET:
        raise ReadError(
            f"is written in opset {opset_of(model)}, before {OLDEST_OPSET}",
            place=place,
            advice="convert it with onnx.version_converter",
        )
    return _inlined(model, place) if model.functions else model


def _inlined(model: onnx.ModelProto, place: str) -> onnx.ModelProto:
    """The model with its own functions written out where they are called."""
    calls = {
        (text(function.domain), text(function.name)): {
            (text(node.domain), text(node.op_type)) for node in function.node
        }
        for function in model.functions
    }
    try:
        tuple(TopologicalSorter(calls).static_order())
    except CycleError:
        raise ReadError("has functions that call themselves", place=place) from None
    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # onnx raises its C++ library's errors as they come
        raise ReadError(
            f"has functions that cannot be written out: {str(error).splitlines()[0]}", place=place
        ) from None


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that the model is written in; 0 if it does not say."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def properties(model: onnx.ModelProto) -> Mapping[str, str]:
    """What the exporter noted: `network` and `classes` in convsmith's own files."""
    return {text(entry.key): text(entry.value) for entry in model.metadata_props}


def is_rough(model: onnx.ModelProto) -> bool:
    """Whether some of the model computes with fewer bits than float32 has, or rounds to integers."""
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    kinds.update(value.type.tensor_type.elem_type for value in model.graph.input)
    for attribute in (attribute for node in model.graph.node for attribute in node.attribute):
        kinds.add(attribute.i if attribute.name == "to" else attribute.t.data_type)
    return bool(kinds & HALVES) or any(node.op_type == "QuantizeLinear" for node in model.graph.node)


def text(value: str | bytes) -> str:
    """A name in the file. Raises ReadError for one that is no text, which protocol buffers hand over as bytes."""
    try:
        return value if isinstance(value, str) else value.decode()
    except UnicodeDecodeError:
        raise ReadError("is damaged: a name in it is no text") from None


def to_array(tensor: TensorProto, folder: Path | None) -> NDArray[Any]:
    """A tensor's numbers, floats as float32. Those of external tensors are looked for in `folder` and nowhere else.

    Raises ReadError for a tensor whose numbers are missing, too few or of a kind that networks do not compute with.
    """
    name = text(tensor.name) or "a constant"
    if any(size < 0 for size in tensor.dims):
        raise ReadError(f"tensor {name!r} has the shape {list(tensor.dims)}")
    if tensor.data_type in (TensorProto.UNDEFINED, TensorProto.STRING) or tensor.data_type not in DATA_TYPES:
        raise ReadError(f"tensor {name!r} holds no numbers")
    if tensor.data_location == TensorProto.EXTERNAL:
        array = _external(tensor, name, folder)
    else:
        try:
            array = numpy_helper.to_array(tensor)
        except (TypeError, ValueError, ArithmeticError):
            raise ReadError(f"tensor {name!r} does not hold the {prod(tensor.dims)} numbers that it should") from None
    return array.astype(np.float32) if array.dtype in LOW_PRECISION else array


DATA_TYPES = frozenset(TensorProto.DataType.values())


def _external(tensor: TensorProto, name: str, folder: Path | None) -> NDArray[Any]:
    entries = {text(entry.key): text(entry.value) for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None or not location:
        raise ReadError(f"tensor {name!r} lies in another file, and the model does not say which")
    root = folder.resolve()
    path = (root / location).resolve()
    if not path.is_relative_to(root):
        raise ReadError(f"tensor {name!r} lies in {location!r}, outside the model's folder", advice="it is not opened")
    if not path.is_file():
        raise ReadError(f"tensor {name!r} lies in {location!r}, which is missing beside the model")
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    count = prod(tensor.dims)
    start, length = (_whole(entries.get(key) or "0", name) for key in ("offset", "length"))
    wanted = count * dtype.itemsize
    if start < 0 or length not in (0, wanted) or start + wanted > path.stat().st_size:
        raise ReadError(f"tensor {name!r} needs {wanted} bytes at {start} of {location!r}, which does not have them")
    return np.fromfile(path, dtype, count, offset=start).reshape(tuple(tensor.dims))


def _whole(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ReadError(f"tensor {name!r} lies in another file, but its offset or length is no number") from None
