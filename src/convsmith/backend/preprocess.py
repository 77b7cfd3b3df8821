"""Evaluation preprocessing as a torch module: the one implementation that training, evaluation and prediction run."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsmith.backend.window import resize_nearest, resize_window
from convsmith.errors import UsageError
from convsmith.network.preprocess import Interpolation, Preprocess

LONG = 4
"""Times the crop's pixels: of images that would become larger, only the crop is computed. Photographs become 1.3 to 2.3
times as large; a picture of 1x6000 would take gigabytes."""

LUMA = (0.299, 0.587, 0.114)
"""ITU-R 601 weights of red, green and blue, as in Pillow's conversion to "L"."""


class PreprocessModule(nn.Module):
    """Runs a `Preprocess`: decoded uint8 images in, what the network's first layer takes out.

    Training puts its random changes between the steps, so each is a method of its own; `forward` is all of them.
    The resize works on floats and is antialiased; `backend/onnx/image` gives the same values, to 0.005 of 255.

    Raises UsageError for a description that contradicts itself: a crop larger than the resize, a mean or standard
    deviation for another number of channels.
    """

    shift: Tensor
    factor: Tensor
    luma: Tensor
    rgb_ground: Tensor
    ground: Tensor

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        _check(preprocess)
        self.preprocess = preprocess
        mean, std = torch.tensor(preprocess.mean).view(-1, 1, 1), torch.tensor(preprocess.std).view(-1, 1, 1)
        self.register_buffer("shift", 255 * mean, persistent=False)
        self.register_buffer("factor", 1 / (255 * std), persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA).view(3, 1, 1), persistent=False)
        ground = 255 * torch.tensor(preprocess.pad or (0.0, 0.0, 0.0)).view(1, 1, 3)
        self.register_buffer("rgb_ground", ground.permute(2, 0, 1), persistent=False)
        self.register_buffer("ground", self.to_channels(ground)[0], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """From uint8 (H, W, 3) or (N, H, W, 1 or 3) to float32 (N, C, h, w) of the crop's size, normalized."""
        return self.normalize(self.resize_and_crop(self.to_channels(images)))

    def to_channels(self, images: Tensor) -> Tensor:
        """From uint8 (H, W, 3) or (N, H, W, 1 or 3) to float32 (N, C, H, W) in 0..255, C as the network takes it."""
        batch = images if images.ndim == 4 else images[None]
        floats = batch.permute(0, 3, 1, 2).float()
        if self.preprocess.channels == 1 and floats.shape[1] == 3:
            return (floats * self.luma).sum(dim=1, keepdim=True)
        if self.preprocess.order == "BGR":
            floats = floats.flip(1)
        if floats.shape[1] == self.preprocess.channels:
            return floats
        return floats.repeat(1, self.preprocess.channels, 1, 1)

    def resize_and_crop(self, images: Tensor, ground: Tensor | None = None) -> Tensor:
        """From float32 (N, C, H, W) in 0..255 to (N, C, h, w) of the crop's size, still in 0..255.

        `ground` is the colour (C, 1, 1) of the border of padded images; None: `self.ground`, as the network takes it.
        Images that are still RGB need `self.rgb_ground`.
        """
        height, width = images.shape[-2:]
        size = self.preprocess.resized(height, width)
        crop, interpolation = self.preprocess.crop, self.preprocess.interpolation
        if self.preprocess.pad is not None:
            fitted = resize(images, size, interpolation)
            return centre_crop(on_ground(fitted, self.preprocess.box, self.ground if ground is None else ground), crop)
        if size == (height, width):
            return centre_crop(images, crop)
        if interpolation != "nearest" and size[0] * size[1] > LONG * crop[0] * crop[1]:
            window = resize_window(images, size, (*_corner(size, crop), *crop), interpolation)
            return window.clamp(0, 255) if interpolation == "bicubic" else window
        return centre_crop(resize(images, size, interpolation), crop)

    def normalize(self, images: Tensor) -> Tensor:
        """From float32 (N, C, h, w) in 0..255 to what the first layer takes: (value / 255 - mean) / std. In place."""
        n, c, h, w = images.shape
        if c == 1 or not images.is_contiguous(memory_format=torch.channels_last):
            return images.sub_(self.shift).mul_(self.factor)
        # Whole rows of pixels at a time: over an innermost side of three channels nothing is vectorised.
        rows = images.permute(0, 2, 3, 1).view(n * h, w * c)
        rows.sub_(self.shift.flatten().repeat(w)).mul_(self.factor.flatten().repeat(w))
        return images


def resize(images: Tensor, size: tuple[int, int], interpolation: Interpolation) -> Tensor:
    """Antialiased resize of (N, C, H, W) in 0..255 to `size` (height, width), as Pillow does it."""
    if interpolation == "nearest":
        return resize_nearest(images, size)
    if size[1] == 1 < size[0]:
        # torch 2.13 repeats the first row of images that become one pixel wide; high, it gets right.
        return resize(images.transpose(2, 3), (1, size[0]), interpolation).transpose(2, 3)
    resized = F.interpolate(images, size=size, mode=interpolation, antialias=True, align_corners=False)
    # The cubic kernel overshoots at edges; pixels do not.
    return resized.clamp(0, 255) if interpolation == "bicubic" else resized


def on_ground(images: Tensor, size: tuple[int, int], ground: Tensor) -> Tensor:
    """Images (N, C, H, W) in the middle of a `ground` (C, 1, 1) of this (height, width), which is no smaller."""
    count, channels, height, width = images.shape
    if (height, width) == size:
        return images
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    padded = ground.to(images.dtype).expand(count, channels, *size).clone()
    padded[..., top : top + height, left : left + width] = images
    return padded


def centre_crop(images: Tensor, crop: tuple[int, int]) -> Tensor:
    """The middle (height, width) of (N, C, H, W), half a pixel rounded to the even side, as torchvision does it."""
    top, left = _corner((images.shape[-2], images.shape[-1]), crop)
    return images[..., top : top + crop[0], left : left + crop[1]]


def _corner(size: tuple[int, int], crop: tuple[int, int]) -> tuple[int, int]:
    return round((size[0] - crop[0]) / 2), round((size[1] - crop[1]) / 2)


def _check(preprocess: Preprocess) -> None:
    smallest = preprocess.box
    if preprocess.crop[0] > smallest[0] or preprocess.crop[1] > smallest[1]:
        raise UsageError(f"preprocessing crops {preprocess.crop} out of {smallest}; resize must be at least the crop")
    if not len(preprocess.mean) == len(preprocess.std) == preprocess.channels:
        raise UsageError(f"preprocessing needs a mean and a std for each of {preprocess.channels} channels")
