"""Images as people have them in a program: paths, arrays, Pillow's images, or a data set's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convsmith.data.arrays import CHANNELS, images_from_arrays
from convsmith.data.dataset import Images, Split
from convsmith.data.decode.decoding import USUAL, Decoding
from convsmith.data.decode.image import SUFFIXES
from convsmith.data.unlabelled import gather
from convsmith.errors import UsageError

GivenImage: TypeAlias = str | Path | NDArray[Any] | Image.Image
GivenImages: TypeAlias = GivenImage | Sequence[GivenImage] | Images | Split
"""One image or several. A path may also be a folder or shards; an array, many images at once."""


def images_of(source: GivenImages, decoding: Decoding = USUAL) -> Images:
    """The images that are meant, in the order given; files are decoded by `decoding`.

    Paths are files, folders and shards, of which every image counts (see `gather`); no file is opened yet. An array is
    one image, uint8 (H, W) or (H, W, C), or many, (N, H, W) or (N, H, W, C), C being 1 (grey) or 3 (RGB); a list holds
    one image in each place, as arrays, torch tensors or Pillow's images (see `Dataset.from_arrays` for types and axes).

    Raises DataError for a folder without images, UsageError for what is not an image and for paths and pixels in one
    list.
    """
    if isinstance(source, Split):
        return source.images
    if isinstance(source, (str, Path)):
        return gather([Path(source)], decoding)
    if isinstance(source, Image.Image) or _is_one_image(source):
        return images_from_arrays([source])
    if hasattr(source, "ndim"):
        return images_from_arrays(source)
    if isinstance(source, Images):
        return source
    if not isinstance(source, (list, tuple)):
        raise UsageError(f"paths, arrays or Pillow's images, not {type(source).__name__}", settings="images")
    paths = [Path(one) for one in source if isinstance(one, (str, Path))]
    if len(paths) == len(source):
        return gather(paths, decoding)
    if paths:
        raise UsageError("images are either all paths or all in memory, not some of each", settings="images")
    return images_from_arrays(source)


def is_data(source: object) -> TypeGuard[str | Path]:
    """Whether one word is meant as a data set by path or name: it is not if it is the path of an image file."""
    if not isinstance(source, (str, Path)):
        return False
    path = Path(source)
    return not (path.is_file() and path.suffix.lower() in SUFFIXES)


def _is_one_image(source: Any) -> bool:
    """Whether an array is one image. Of three axes, NumPy's has its channels last, torch's has them first."""
    axes = getattr(source, "ndim", None)
    if axes != 3:
        return axes == 2
    return bool(source.shape[-1 if isinstance(source, np.ndarray) else 0] in CHANNELS)
