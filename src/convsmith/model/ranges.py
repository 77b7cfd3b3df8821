"""The range of every feature map on given images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, fx

from convsmith.errors import UsageError
from convsmith.model.model import Model
from convsmith.network import INPUT
from convsmith.transform.quantize import Range


def observe(model: Model, batches: Iterable[Tensor]) -> dict[str, Range]:
    """The smallest and largest value of the input and of each layer, as the network runs after training.

    `batches` are prepared images, float32 (N, C, H, W). Raises UsageError if there are none, or if values are not
    finite.
    """
    net = model.network.inference
    observer = _Observer(model.module(net), [node.name for node in net])
    with torch.inference_mode():
        for images in batches:
            observer.note(INPUT, images)
            observer.run(images)
    if not observer.ranges:
        raise UsageError("no images to observe the feature maps on")
    for name, found in observer.ranges.items():
        if not found.high - found.low < float("inf"):
            raise UsageError(f"{name}: its values on these images are not finite")
    return observer.ranges


class _Observer(fx.Interpreter):
    """Runs a built network node by node; its graph has one node for each layer, in their order."""

    def __init__(self, module: fx.GraphModule, layers: list[str]) -> None:
        super().__init__(module)
        computing = [node for node in module.graph.nodes if node.op.startswith("call_")]
        self.names = dict(zip(computing, layers, strict=True))
        self.ranges: dict[str, Range] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n in self.names:
            self.note(self.names[n], result)
        return result

    def note(self, name: str, values: Tensor) -> None:
        low, high = (float(end) for end in torch.aminmax(values))
        before = self.ranges.get(name, Range(low, high))
        self.ranges[name] = Range(min(before.low, low), max(before.high, high))
