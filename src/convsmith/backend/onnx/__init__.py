"""Network and weights -> ONNX, written node by node from the graph: what is exported is what is described."""

from __future__ import annotations

from convsmith.backend.onnx import (  # noqa: F401  (they add their rules)
    arrange,
    convolution,
    merge,
    norm,
    pointwise,
    pool,
    quantize,
    resample,
)
from convsmith.backend.onnx.emit import emit
from convsmith.backend.onnx.form import OPSET, Form
from convsmith.backend.onnx.model import to_onnx

__all__ = ["OPSET", "Form", "emit", "to_onnx"]
