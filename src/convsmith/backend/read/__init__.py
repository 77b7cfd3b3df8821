"""Other people's networks as ours: any image-classifying `nn.Module` or ONNX file -> network and weights."""

from __future__ import annotations

from convsmith.backend.read.draft import Read

__all__ = ["Read"]
