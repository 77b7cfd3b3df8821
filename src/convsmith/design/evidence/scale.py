"""Which spatial frequencies and which patch sizes carry the class: local detail or a global pattern?"""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.design.evidence.probe import Eye, Probe, gain
from convsmith.design.evidence.sample import Sample
from convsmith.design.evidence.values import Level, Scale

LEFT = (1, 2, 4, 8)
"""The side of what is left of an image after blurring is the whole one's divided by these."""

PATCH_SHARES = (0.0, 0.18, 0.32, 0.54)
"""Of the side; 0 stands for the smallest patch, 3 pixels."""

WIDEST = 9
"""Pixels of a patch that a probe sees; for larger patches images are made smaller."""

SAME = 0.01
"""The share of the images' variance below which a pixel hardly varies between them."""


def scale_of(sample: Sample, images: Tensor, sharp: Probe) -> Scale:
    """Measured on `images` (N, C, S, S) of the sample, in the network's channels; `sharp` is of them."""
    start = time.monotonic()
    blur = tuple(_blurred(sample, images, sharp, left) for left in LEFT if left == 1 or sample.side // left >= 4)
    local = Probe(images, sample.labels, sample.folds, Eye(grid=1))
    return Scale(
        blur,
        _patches(sample, images),
        gain(sharp.answer.right, local.answer.right),
        sample.side,
        border_of(images),
        len(sample),
        time.monotonic() - start,
    )


def _blurred(sample: Sample, images: Tensor, sharp: Probe, left: int) -> Level:
    side = sample.side // left
    answer = sharp.answer
    if left > 1:
        small = F.interpolate(images, (side, side), mode="area")
        again = F.interpolate(small, images.shape[2:], mode="bilinear")
        answer = Probe(again, sample.labels, sample.folds).answer
    return Level(side, side / sample.side, answer.accuracy, gain(answer.right, sharp.answer.right))


def _patches(sample: Sample, images: Tensor) -> tuple[Level, ...]:
    """Accuracy of patches from 3 pixels to half the side, wherever they are."""
    sizes = sorted({max(3, round(share * sample.side)) for share in PATCH_SHARES})
    answers = []
    for size in sizes:
        seen = min(size, WIDEST)
        side = max(seen, round(sample.side * seen / size))
        small = images if side >= sample.side else F.interpolate(images, (side, side), mode="area")
        answers.append(Probe(small, sample.labels, sample.folds, Eye(patch=seen, grid=1)).answer)
    return tuple(
        Level(size, size / sample.side, answer.accuracy, gain(answer.right, answers[0].right))
        for size, answer in zip(sizes, answers, strict=True)
    )


def border_of(images: Tensor) -> int:
    """How many pixels wide the margin is that hardly varies between images."""
    variance = images.var(dim=0).mean(0)
    varies = variance > SAME * variance.mean()
    rows, columns = torch.nonzero(varies.any(1)), torch.nonzero(varies.any(0))
    if not len(rows):
        return 0
    height, width = varies.shape
    return int(min(rows[0], columns[0], height - 1 - rows[-1], width - 1 - columns[-1]))
