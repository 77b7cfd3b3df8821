"""Images as people have them in a program: paths, arrays, Pillow's images, or a data set's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convsmith.data.dataset import Images, Split
from convsmith.data.decode.image import SUFFIXES, rgb_of
from convsmith.data.images import ArrayImages, numbered
from convsmith.data.unlabelled import gather
from convsmith.errors import DataError, UsageError

Pixels: TypeAlias = NDArray[np.uint8]

GivenImage: TypeAlias = str | Path | Pixels | Image.Image
GivenImages: TypeAlias = GivenImage | Sequence[GivenImage] | Images | Split
"""One image or several. A path may also be a folder or shards; an array, many images at once."""

NAME = "image"
"""What images without a file are called: `image[0]`, `image[1]` and so on."""


@dataclass(frozen=True, eq=False)
class ImageList:
    """Images of any sizes in memory: uint8 RGB (H, W, 3) each."""

    pixels: tuple[Pixels, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Pixels:
        return self.pixels[index]

    def name(self, index: int) -> str:
        return self.names[index]


def images_of(source: GivenImages) -> Images:
    """The images that are meant, in the order given.

    Paths are files, folders and shards, of which every image counts (see `gather`); no file is opened yet. Arrays are
    uint8: (H, W) or (H, W, C) for one image, (N, H, W, C) for many, C being 1 (grey) or 3 (RGB). Pillow's images are
    turned and converted as files are.

    Raises DataError for a folder without images and an array of another type or shape, UsageError for what is not an
    image and for paths and pixels in one list.
    """
    if isinstance(source, Split):
        return source.images
    if isinstance(source, Images):
        return source
    if isinstance(source, np.ndarray):
        return _array(source)
    several = [source] if isinstance(source, (str, Path, Image.Image)) else list(source)
    paths = [Path(one) for one in several if isinstance(one, (str, Path))]
    if len(paths) == len(several):
        return gather(paths)
    if paths:
        raise UsageError("images are either all paths or all in memory, not some of each")
    names = tuple(_name(one, number) for number, one in enumerate(several))
    return ImageList(tuple(_pixels(one, name) for one, name in zip(several, names, strict=True)), names)


def is_data(source: object) -> bool:
    """Whether one word is meant as a data set by path or name: it is not if it is the path of an image file."""
    if not isinstance(source, (str, Path)):
        return False
    path = Path(source)
    return not (path.is_file() and path.suffix.lower() in SUFFIXES)


def _array(array: Pixels) -> ArrayImages:
    """One image or many, by the number of axes."""
    _check(array, NAME)
    many = array if array.ndim == 4 else _channelled(array)[None]
    return ArrayImages(many, numbered(NAME, len(many)))


def _pixels(image: object, name: str) -> Pixels:
    if isinstance(image, Image.Image):
        return rgb_of(image, name)
    if not isinstance(image, np.ndarray):
        raise UsageError(f"{name} is a {type(image).__name__}; an image is a path, a uint8 array or a Pillow image")
    _check(image, name)
    if image.ndim == 4:
        raise DataError(f"{name} holds {len(image)} images; in a list, each array is one: (height, width, channels)")
    grey_or_rgb = _channelled(image)
    return np.ascontiguousarray(np.broadcast_to(grey_or_rgb, (*grey_or_rgb.shape[:2], 3)))


def _channelled(image: Pixels) -> Pixels:
    """(H, W, C) of an image that may lack the last axis."""
    return image[..., None] if image.ndim == 2 else image


def _check(array: Pixels, name: str) -> None:
    if array.dtype != np.uint8:
        raise DataError(f"{name}: pixels are uint8 from 0 to 255, not {array.dtype}")
    if array.ndim not in (2, 3, 4) or (array.ndim > 2 and array.shape[-1] not in (1, 3)):
        raise DataError(
            f"{name}: shape {array.shape} is not (height, width, channels), nor with a number of images before it; "
            "the channels are 1 (grey) or 3 (RGB), last"
        )
    if not all(array.shape[-3:]):
        raise DataError(f"{name}: shape {array.shape} has no pixels")


def _name(image: object, number: int) -> str:
    file = getattr(image, "filename", "") if isinstance(image, Image.Image) else ""
    return os.fspath(file) or f"{NAME}[{number}]"
