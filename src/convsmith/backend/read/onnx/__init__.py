"""ONNX files -> network and weights: each node is read as the layer that it is, and the answers are compared."""

from __future__ import annotations

from convsmith.backend.read.onnx.read import read_onnx, told_in
from convsmith.backend.read.onnx.told import Told

__all__ = ["Told", "read_onnx", "told_in"]
