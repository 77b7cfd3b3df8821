"""How much the answers depend on each weight: the diagonal of the Fisher information."""

from __future__ import annotations

import torch
from torch import Tensor

from convsmith.compression.sample import Sample
from convsmith.evaluation.inference import main_output
from convsmith.model import Model

BATCH = 8
"""Images whose gradients are squared together. Their mean is about 0, so its square times 8 is that of one image."""
SHARE_OF_LAYER = 0.5
"""How much of a weight's importance is its layer's: a weight that did not matter on the sample may matter elsewhere."""


def fisher(model: Model, sample: Sample, *, seed: int = 0) -> dict[str, Tensor]:
    """For each parameter, float32 of its shape: half of it times a small change squared is about the change's KL
    divergence, per image. Classes are drawn from the model's own answers, so a model without errors has one too.
    """
    module = model.module(model.network.inference)
    draw = torch.Generator().manual_seed(seed)
    found = {name: torch.zeros_like(parameter) for name, parameter in module.named_parameters()}
    batches = 0
    for images in torch.split(sample.images, BATCH):
        logits = main_output(module(images))
        drawn = torch.multinomial(logits.detach().softmax(1), 1, generator=draw).squeeze(1)
        loss = torch.nn.functional.cross_entropy(logits, drawn)
        gradients = torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)
        for total, gradient in zip(found.values(), gradients, strict=True):
            if gradient is not None:
                total += len(images) * gradient**2
        batches += 1
    return {name: _smoothed(total / batches) for name, total in found.items()}


def _smoothed(values: Tensor) -> Tensor:
    mean = values.mean() if values.numel() else values.sum()
    return SHARE_OF_LAYER * mean + (1 - SHARE_OF_LAYER) * values
