"""The network that was read against its original."""

from __future__ import annotations

import torch
from torch import Tensor

from convsmith.backend.read.draft import Read
from convsmith.backend.torch import build
from convsmith.errors import ReadError

TOLERANCE = 1e-4
"""The largest difference between outputs, in parts of the largest output or of 1, that rounding explains."""


def verify(read: Read, images: Tensor, expected: Tensor) -> None:
    """Build the network and compare its outputs for these images (N, C, H, W).

    Raises ReadError if they differ: the module does something that the graph does not show.
    """
    module = build(read.network.inference).eval()
    module.load_state_dict({key: read.weights[key] for key in read.network.inference.parameters})
    with torch.no_grad():
        given = module(images)
    expected = expected.reshape(given.shape).float()
    if not torch.equal(expected.isfinite(), given.isfinite()):
        raise ReadError(f"{read.network.name} was read, but its outputs are not finite where the original's are")
    difference = (given - expected).abs().max().item()
    if not difference <= TOLERANCE * max(1.0, expected.abs().max().item()):
        raise ReadError(
            f"{read.network.name} was read, but its outputs differ from the original's by {difference:.2g}",
            advice="does it compute the same in evaluation mode every time?",
        )
