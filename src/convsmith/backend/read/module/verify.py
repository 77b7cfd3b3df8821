"""The network that was read against its original."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convsmith.backend.read.draft import Read
from convsmith.backend.torch import build
from convsmith.errors import ReadError

TOLERANCE = 1e-4
"""The largest difference between outputs, in parts of the largest of them, that rounding explains."""
AUTOCAST_TOLERANCE = 0.05
"""The same where the original computes in bfloat16 or float16."""
SMALLEST = 1e-3
"""Outputs that are all smaller are compared as if one were as large as this."""


def verify(read: Read, images: Tensor, expected: Sequence[Tensor], tolerance: float = TOLERANCE) -> None:
    """Build the network and compare its outputs for these images (N, C, H, W), auxiliary heads' after the answer.

    Raises ReadError if they differ: the module does something that the graph does not show.
    """
    module = build(read.network)
    module.load_state_dict(read.weights)
    module.train(len(expected) > 1)
    for layer in module.children():
        layer.eval()
    with torch.no_grad():
        given = module(images)
    for ours, theirs in zip(given if len(expected) > 1 else [given], expected, strict=True):
        _compare(read.network.name, ours, theirs.reshape(ours.shape).float(), tolerance)


def _compare(name: str, given: Tensor, expected: Tensor, tolerance: float) -> None:
    if not torch.equal(expected.isfinite(), given.isfinite()):
        raise ReadError(f"{name} was read, but its outputs are not finite where the original's are")
    difference = (given - expected).nan_to_num().abs().max().item()
    if not difference <= tolerance * max(SMALLEST, expected.nan_to_num().abs().max().item()):
        raise ReadError(
            f"{name} was read, but its outputs differ from the original's by {difference:.2g}",
            advice="does it compute the same in evaluation mode every time?",
        )
