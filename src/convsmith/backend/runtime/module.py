"""A network in ONNX Runtime, as a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convsmith.backend.onnx.graph import Weights
from convsmith.backend.onnx.model import LOGITS, to_onnx
from convsmith.backend.runtime.session import Session
from convsmith.network import INPUT, Network


class OnnxModule(nn.Module):
    """What `network` computes with `weights`, arrays by state-dict key, on the CPU; it cannot be trained.

    Its norms are fused into its convolutions there, and depthwise ones are quick: EfficientNet-Lite0 at 128 pixels runs
    five times as fast as in PyTorch (`benchmarks/features.py`). Raises ExportError as `to_onnx` does.
    """

    def __init__(self, network: Network, weights: Weights) -> None:
        super().__init__()
        self._session = Session(to_onnx(network, weights).SerializeToString(), torch.get_num_threads())

    def forward(self, images: Tensor) -> Tensor:
        """The network's output, float32 (N, ...), for prepared images, float32 (N, C, H, W)."""
        return torch.from_numpy(self._session.run(LOGITS, INPUT, images.contiguous().numpy()))
