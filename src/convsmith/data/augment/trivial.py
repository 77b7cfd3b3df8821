"""TrivialAugment for whole batches, on their device."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from convsmith.data.augment.batch_random import BatchRandom

LUMA = (0.299, 0.587, 0.114)
LEVELS = 31
GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")


TURNING = ("shear_x", "shear_y", "rotate")
"""Of the changes of shape, those that turn what is seen."""


def trivial_augment(images: Tensor, random: BatchRandom, *, turn: bool = True, colour: bool = True) -> Tensor:
    """One random change of random strength to each of float32 (N, C, H, W) in 0..255; returns the same shape.

    Without `turn` nothing is turned or sheared, without `colour` no values change: only what is left is drawn from.
    Müller and Hutter 2021 (arXiv 2103.10158), the "wide" strengths of its table 2, with two deviations: images move by
    a seventh of their side at most (its 32 pixels of 224), and what comes in from outside repeats the border.
    """
    kinds = _kinds(turn, colour)
    kind = kinds[random.integers(len(kinds))]
    strength = random.integers(LEVELS) / (LEVELS - 1)
    signed = strength * (2 * random.integers(2) - 1)
    changed = images.clone()
    moved = torch.nonzero(kind < len(GEOMETRIC))[:, 0]
    if len(moved):
        here = moved.to(images.device)
        changed[here] = _moved(images[here], kind[moved], signed[moved])
    for number, operation in enumerate(OPERATIONS, len(GEOMETRIC)):
        rows = torch.nonzero(kind == number)[:, 0]
        if len(rows):
            here = rows.to(images.device)
            amounts = (strength if operation in UNSIGNED else signed)[rows].to(images.device)[:, None, None, None]
            changed[here] = operation(images[here], amounts).clamp(0, 255)
    return changed


def _kinds(turn: bool, colour: bool) -> Tensor:
    """The numbers of the changes to draw from: of shape, of colour, and one that changes nothing."""
    shapes = [number for number, name in enumerate(GEOMETRIC) if turn or name not in TURNING]
    colours = range(len(GEOMETRIC), len(GEOMETRIC) + len(OPERATIONS)) if colour else ()
    return torch.tensor([*shapes, *colours, len(GEOMETRIC) + len(OPERATIONS)])


def _moved(images: Tensor, kind: Tensor, amount: Tensor) -> Tensor:
    """Sheared by up to 0.99, moved by up to a seventh of the side, or turned by up to 135 degrees."""
    height, width = images.shape[2:]
    own = {name: torch.where(kind == number, amount, 0.0) for number, name in enumerate(GEOMETRIC)}
    angle = own["rotate"] * math.radians(135)
    cosine, sine = angle.cos(), angle.sin()
    # Grid coordinates run from -1 to 1 over each side: turning must undo the aspect ratio, and 2 is the whole side.
    along_x = (cosine, (own["shear_x"] * 0.99 - sine) * height / width, own["translate_x"] * 2 / 7)
    along_y = ((own["shear_y"] * 0.99 + sine) * width / height, cosine, own["translate_y"] * 2 / 7)
    theta = torch.stack([torch.stack(along_x, 1), torch.stack(along_y, 1)], 1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False).to(images.device)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False).clamp(0, 255)


def _blended(images: Tensor, others: Tensor, amount: Tensor) -> Tensor:
    """Between the others (amount -1), the images (0) and beyond them (1), as Pillow's ImageEnhance does it."""
    return others + (images - others) * (1 + 0.99 * amount)


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] != len(LUMA):
        return images
    return (images * torch.tensor(LUMA, device=images.device).view(1, -1, 1, 1)).sum(1, keepdim=True)


def _brightness(images: Tensor, amount: Tensor) -> Tensor:
    return _blended(images, torch.zeros_like(images), amount)


def _colour(images: Tensor, amount: Tensor) -> Tensor:
    return _blended(images, _grey(images), amount)


def _contrast(images: Tensor, amount: Tensor) -> Tensor:
    return _blended(images, _grey(images).mean(dim=(1, 2, 3), keepdim=True), amount)


def _sharpness(images: Tensor, amount: Tensor) -> Tensor:
    channels = images.shape[1]
    kernel = torch.tensor([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]], device=images.device) / 13
    smooth = F.conv2d(F.pad(images, [1] * 4, mode="replicate"), kernel.expand(channels, 1, 3, 3), groups=channels)
    return _blended(images, smooth, amount)


def _posterize(images: Tensor, amount: Tensor) -> Tensor:
    """The highest 8 to 2 bits of each value."""
    step = 2 ** torch.round(6 * amount)
    return torch.floor(images.round() / step) * step


def _solarize(images: Tensor, amount: Tensor) -> Tensor:
    return torch.where(images >= 255 * (1 - amount) + 1, 255 - images, images)


def _autocontrast(images: Tensor, amount: Tensor) -> Tensor:
    """Each channel stretched to 0..255."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (images - low) * (255 / (high - low).clamp(min=1e-6)), images)


def _equalize(images: Tensor, amount: Tensor) -> Tensor:
    """Each channel's histogram flattened, as Pillow's ImageOps.equalize does it."""
    values = images.round().long().flatten(2)
    histogram = torch.zeros(*values.shape[:2], 256, device=images.device, dtype=torch.int64)
    histogram.scatter_add_(2, values, torch.ones_like(values))
    highest = histogram.gather(2, values.amax(2, keepdim=True))
    step = (values.shape[2] - highest) // 255
    table = ((histogram.cumsum(2) - histogram + step // 2) // step.clamp(min=1)).clamp(max=255)
    return torch.where(step[..., None] > 0, table.gather(2, values).view_as(images).to(images.dtype), images)


Operation = Callable[[Tensor, Tensor], Tensor]
OPERATIONS: tuple[Operation, ...] = (
    *(_brightness, _colour, _contrast, _sharpness),
    *(_posterize, _solarize, _autocontrast, _equalize),
)
UNSIGNED: tuple[Operation, ...] = (_posterize, _solarize, _autocontrast, _equalize)
