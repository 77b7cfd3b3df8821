"""One rule for each op: which ONNX nodes say the same. The rules stand in the files of their kind of op."""

from __future__ import annotations

from functools import singledispatch

from convsmith.backend.onnx.graph import Layer
from convsmith.errors import ExportError
from convsmith.network.ops import Op


@singledispatch
def emit(op: Op, layer: Layer) -> None:
    """Adds the ONNX nodes of one layer, the last by `layer.result`. Raises ExportError for an op without a rule."""
    raise ExportError(f"{layer.name}: op {type(op).__name__} has no rule for ONNX")
