"""Which changes to an image keep its class?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.data.checks.exchange import exchanged_classes
from convsmith.data.dataset import Dataset
from convsmith.design.evidence.probe import Probe, gain
from convsmith.design.evidence.sample import Sample
from convsmith.design.evidence.values import Change, Symmetry

TURN, SHIFT = 12.0, 0.1
"""Degrees, and the share of the side: what each image is turned and shifted by, at random to either side."""


def symmetry_of(dataset: Dataset, sample: Sample, images: Tensor, probe: Probe) -> Symmetry:
    """Measured on `images` (N, C, S, S) of the sample, which `probe` has looked at."""
    start = time.monotonic()
    changes = []
    for name, change in CHANGES.items():
        changed = change(images)
        learned = probe.taught(changed)
        found = gain(learned.right, probe.answer.right)
        changes.append(Change(name, probe.answer.accuracy, probe.asked(changed).accuracy, found))
    exchanged = exchanged_classes(dataset, "mirror")
    return Symmetry(
        tuple(changes),
        "" if exchanged is None else f"{exchanged.one} and {exchanged.other}",
        len(sample),
        time.monotonic() - start,
    )


def turned(images: Tensor, degrees: float = TURN) -> Tensor:
    """Each image turned by so many degrees to the one or the other side."""
    angle = math.radians(degrees) * torch.from_numpy(_either_side(len(images))).float()
    zero = torch.zeros_like(angle)
    rows = [torch.stack([angle.cos(), -angle.sin(), zero], 1), torch.stack([angle.sin(), angle.cos(), zero], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def shifted(images: Tensor, share: float = SHIFT) -> Tensor:
    """Each image moved by this share of its side, across or down, the one way or the other; borders are repeated."""
    step = max(1, round(share * images.shape[2]))
    padded, side = F.pad(images, (step,) * 4, mode="replicate"), images.shape[2]
    moves = _either_side(len(images)) * step
    across = np.arange(len(images)) % 2 == 0
    return torch.stack([
        image[:, step + (0 if flat else move) :, step + (move if flat else 0) :][:, :side, :side]
        for image, move, flat in zip(padded, moves.tolist(), across.tolist(), strict=True)
    ])  # fmt: skip


def _either_side(count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.random.default_rng(0).choice(np.array([-1, 1]), count)


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "mirror": lambda images: images.flip(3),
    "upside down": lambda images: images.flip(2),
    "quarter turn": lambda images: images.rot90(1, (2, 3)),
    "turn": turned,
    "shift": shifted,
}
