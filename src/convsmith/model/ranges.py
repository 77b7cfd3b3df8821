"""What every feature map holds on given images: its range, and how its values are spread over that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, fx

from convsmith.errors import UsageError
from convsmith.model.model import Model
from convsmith.network import INPUT
from convsmith.transform.quantize import Range

Noting = Callable[[str, Tensor], None]
"""Told the name of a layer, or of the input, and its values on some images."""


def observe(model: Model, batches: Iterable[Tensor]) -> dict[str, Range]:
    """The smallest and largest value of the input and of each layer, as the network runs after training.

    `batches` are prepared images, float32 (N, C, H, W). Raises UsageError if there are none, or if values are not
    finite.
    """
    ranges: dict[str, Range] = {}

    def note(name: str, values: Tensor) -> None:
        low, high = (float(end) for end in torch.aminmax(values))
        before = ranges.get(name, Range(low, high))
        ranges[name] = Range(min(before.low, low), max(before.high, high))

    visit(model, batches, note)
    if not ranges:
        raise UsageError("no images to observe the feature maps on")
    for name, found in ranges.items():
        if not found.high - found.low < float("inf"):
            raise UsageError(f"{name}: its values on these images are not finite")
    return ranges


def histograms(
    model: Model, batches: Iterable[Tensor], ranges: Mapping[str, Range], bins: int = 2048
) -> dict[str, Tensor]:
    """How many values of the input and of each layer lie in each of `bins` equal parts of its range, float64 (bins,).

    Zeros are left out: every grid has an exact 0, and behind rectifiers they would outweigh all else.
    """
    counts = {name: torch.zeros(bins, dtype=torch.float64) for name in ranges}

    def note(name: str, values: Tensor) -> None:
        kept = values[values != 0].float()
        low, high = ranges[name]
        if kept.numel() and high > low:
            counts[name] += torch.histc(kept, bins, low, high).double()

    visit(model, batches, note)
    return counts


def visit(model: Model, batches: Iterable[Tensor], note: Noting) -> None:
    """Runs the network as after training, and hands over each batch and what each layer makes of it."""
    net = model.network.inference
    visitor = _Visitor(model.module(net), [node.name for node in net], note)
    with torch.inference_mode():
        for images in batches:
            note(INPUT, images)
            visitor.run(images)


class _Visitor(fx.Interpreter):
    """Runs a built network node by node; its graph has one node for each layer, in their order."""

    def __init__(self, module: fx.GraphModule, layers: list[str], note: Noting) -> None:
        super().__init__(module)
        computing = [node for node in module.graph.nodes if node.op.startswith("call_")]
        self.names = dict(zip(computing, layers, strict=True))
        self.note = note

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n in self.names:
            self.note(self.names[n], result)
        return result
