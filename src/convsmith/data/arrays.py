"""Images and labels that a program holds: NumPy arrays, torch tensors, lists of arrays or of Pillow's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convsmith.data.checks.visible import bits_for
from convsmith.data.dataset import Finding
from convsmith.data.decode.decoding import USUAL, Decoding
from convsmith.data.decode.image import rgb_of
from convsmith.data.images import ArrayImages, ListImages, numbered
from convsmith.data.sources.listing import Listing, rows_by_split
from convsmith.data.sources.naming.class_names import class_order
from convsmith.data.sources.naming.split_names import SPLITS
from convsmith.data.split import check_classes
from convsmith.errors import UsageError

CHANNELS = (1, 3)


class Arrays(NamedTuple):
    """The images and labels of a split, as they are given, and what each is called where it does not fit."""

    images: Any
    labels: Any
    images_name: str = "images"
    labels_name: str = "labels"


class _Given(NamedTuple):
    """One split: uint8 images (H, W, 1 or 3), and a label each, numbers or names."""

    images: NDArray[np.uint8] | list[NDArray[np.uint8]]
    labels: NDArray[Any]


def images_from_arrays(images: Any, name: str = "images", decoding: Decoding = USUAL) -> ArrayImages | ListImages:
    """Images without labels, to predict on; see `list_arrays` for what is taken and raised."""
    return _joined([_pixels(images, name, decoding)], [name])


def list_arrays(
    images: Any, labels: Any, classes: Sequence[str] | None, splits: Mapping[str, tuple[Any, Any]], name: str
) -> Listing:
    """What `Dataset.from_arrays` was given, listed as every source is. `splits` are those besides train.

    Raises UsageError naming the argument that does not fit.
    """
    parts = {"train": Arrays(images, labels)}
    for split, pair in splits.items():
        parts[split] = Arrays(*pair, f"splits[{split!r}] images", f"splits[{split!r}] labels")
    listing = list_parts(parts, classes, name, [f"{name}:{split}" for split in parts])
    check_classes(listing.classes, name)
    return listing


def list_parts(
    parts: Mapping[str, Arrays], classes: Sequence[str] | None, name: str, origins: Sequence[str]
) -> Listing:
    """What arrays of these splits hold; an image is called after its split's origin and its place in there.

    Raises UsageError naming the array that does not fit.
    """
    bits, note = bits_for(max(_peak(part.images) for part in parts.values()))
    decoding = Decoding(bits=bits)
    given = {split: _given(part, decoding) for split, part in parts.items()}
    known, numbers = _classes([part.labels for part in given.values()], classes)
    names = [split for split, part in given.items() for _ in range(len(part.images))]
    joined = _joined([part.images for part in given.values()], origins)
    notes = (Finding(name, note),) if note else ()
    return Listing(name, known, joined, numbers, rows_by_split(names, name), notes=notes, decoding=decoding)


def split_name(name: str) -> str:
    """Our name of a split. Raises UsageError for an unknown one, and for train, which is the images themselves."""
    if SPLITS.get(name, "train") == "train":
        others = ", ".join(other for other in SPLITS if SPLITS[other] != "train")
        raise UsageError(f"{name!r} is not one of {others}; images and labels are the train split", settings="splits")
    return SPLITS[name]


def _given(part: Arrays, decoding: Decoding) -> _Given:
    pixels = _pixels(part.images, part.images_name, decoding)
    return _Given(pixels, _labels(part.labels, len(pixels), part.labels_name))


def _peak(images: Any) -> int:
    """The highest value of 16-bit images; 0 if there are none."""
    if isinstance(images, (list, tuple)):
        return max(map(_peak, images), default=0)
    if isinstance(images, Image.Image) and not images.mode.startswith("I"):
        return 0
    array = _array(images)
    wide = array.dtype == np.uint16 or isinstance(images, Image.Image)
    return int(array.max()) if wide and array.size else 0


def _pixels(images: Any, where: str, decoding: Decoding) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
    """uint8 (N, H, W, 1 or 3), or a list of (H, W, 1 or 3) if the sizes differ."""
    if isinstance(images, (list, tuple)):
        return _pixels_of_list(images, where, decoding)
    whole = _array(images)
    torch_order = _is_tensor(images)
    if whole.ndim not in (3, 4) or not whole.size:
        raise UsageError(f"{_described(whole)}; expected (N, H, W), (N, H, W, C) or a list of images", settings=where)
    if whole.ndim == 3:
        whole = whole[..., None]
    return np.ascontiguousarray(_eight_bits([_channels_last(whole, torch_order, where)], decoding, where)[0])


def _pixels_of_list(
    images: Sequence[Any], where: str, decoding: Decoding
) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
    if not images:
        raise UsageError("an empty list", settings=where)
    arrays = []
    for number, item in enumerate(images):
        array = rgb_of(item, decoding) if isinstance(item, Image.Image) else _array(item)
        if array.ndim not in (2, 3) or not array.size:
            raise UsageError(f"{_described(array)}; expected (H, W) or (H, W, C)", settings=f"{where}[{number}]")
        array = array[..., None] if array.ndim == 2 else array
        arrays.append(_channels_last(array, _is_tensor(item), f"{where}[{number}]"))
    if len({array.dtype for array in arrays}) > 1:
        found = ", ".join(sorted({str(array.dtype) for array in arrays}))
        raise UsageError(f"the images differ in type ({found}); expected one type, best uint8", settings=where)
    pixels = _eight_bits(arrays, decoding, where)
    return np.stack(pixels) if len({array.shape for array in pixels}) == 1 else pixels


def _array(values: Any) -> NDArray[Any]:
    """As a NumPy array. Tensors are recognised by their methods, so that arrays need no torch."""
    if _is_tensor(values):
        tensor = values.detach().cpu()
        return np.asarray(tensor.float() if tensor.is_floating_point() else tensor)
    return np.asarray(values)


def _is_tensor(values: Any) -> bool:
    return hasattr(values, "detach") and hasattr(values, "cpu")


def _described(array: NDArray[Any]) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _channels_last(array: NDArray[Any], torch_order: bool, where: str) -> NDArray[Any]:
    """(..., H, W, C) of that or of (..., C, H, W).

    Arrays have their channels last where that is possible; of tensors both are in use, so it must be certain.
    """
    last, first = array.shape[-1] in CHANNELS, array.shape[-3] in CHANNELS
    if last and first and torch_order and array.shape[-3:] != (1, 1, 1):
        raise UsageError(f"{_described(array)} may be (H, W, C) or (C, H, W); give it as a NumPy array", settings=where)
    if last:
        return array
    if first:
        return np.moveaxis(array, -3, -1)
    raise UsageError(
        f"{_described(array)}; expected 1 channel (grey) or 3 (RGB), last or before the height", settings=where
    )


def _eight_bits(arrays: list[NDArray[Any]], decoding: Decoding, where: str) -> list[NDArray[np.uint8]]:
    """uint8 in 0..255 of arrays of one type, which have one range together. Raises UsageError where it is unclear."""
    kind, dtype = arrays[0].dtype.kind, arrays[0].dtype
    if dtype == np.uint8:
        return arrays
    if kind == "b":
        return [array.astype(np.uint8) * np.uint8(255) for array in arrays]
    if kind not in "iuf":
        raise UsageError(f"{dtype}; expected uint8, or floats from 0 to 1", settings=where)
    if kind == "f" and not all(np.isfinite(array).all() for array in arrays):
        raise UsageError("some values are not finite numbers", settings=where)
    low, high = min(array.min() for array in arrays), max(array.max() for array in arrays)
    if low >= 0 and kind == "f" and high <= 1:
        return [(array * 255).round().astype(np.uint8) for array in arrays]
    if dtype == np.uint16:
        return [(array * (255 / decoding.highest)).round().clip(0, 255).astype(np.uint8) for array in arrays]
    whole = kind in "iu" or all((array == np.floor(array)).all() for array in arrays)
    if whole and low >= 0 and 1 < high <= 255:
        return [array.astype(np.uint8) for array in arrays]
    raise UsageError(
        f"{dtype} with values from {low:g} to {high:g}; expected uint8, or floats from 0 to 1 that are not "
        "normalized yet",
        settings=where,
    )


def _labels(labels: Any, count: int, where: str) -> NDArray[Any]:
    """(N,) of int64 or of strings."""
    if isinstance(labels, (list, tuple)) and any(hasattr(label, "item") for label in labels):
        labels = [label.item() if hasattr(label, "item") else label for label in labels]
    array = _array(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    elif array.ndim == 2 and array.dtype.kind in "biuf" and _is_one_hot(array):
        array = array.argmax(axis=1)
    if array.ndim != 1 or len(array) != count:
        raise UsageError(f"{_described(array)} for {count:,} images; expected one label for each image", settings=where)
    if array.dtype.kind == "O" and all(isinstance(label, str) for label in array.tolist()):
        array = array.astype(np.str_)
    if array.dtype.kind == "U":
        return array
    if array.dtype.kind in "biu" or (array.dtype.kind == "f" and bool((array == np.floor(array)).all())):
        return array.astype(np.int64)
    raise UsageError(f"{array.dtype}; expected whole numbers or class names", settings=where)


def _is_one_hot(array: NDArray[Any]) -> bool:
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())


def _classes(labels: list[NDArray[Any]], classes: Sequence[str] | None) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Class names in order, and the number of each image's class."""
    if len({array.dtype.kind for array in labels}) > 1:
        raise UsageError("numbers in one split and names in another", settings="labels")
    values = np.concatenate(labels)
    if classes is None:
        return _found_classes(values)
    known = tuple(classes)
    if isinstance(classes, str) or not all(isinstance(name, str) and name for name in known):
        raise UsageError(f"{classes!r}; expected a sequence of names", settings="classes")
    twice = next((name for name in known if known.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"names {twice!r} twice", settings="classes")
    if values.dtype.kind == "U":
        index = {name: number for number, name in enumerate(known)}
        unknown = next((name for name in values.tolist() if name not in index), None)
        if unknown is not None:
            raise UsageError(f"{unknown!r} is not one of the classes: {', '.join(known[:10])}", settings="labels")
        return known, np.array([index[name] for name in values.tolist()], np.int64)
    if values.min() < 0 or values.max() >= len(known):
        outside = values.min() if values.min() < 0 else values.max()
        raise UsageError(
            f"{outside} is not from 0 to {len(known) - 1}: there are {len(known)} classes", settings="labels"
        )
    return known, values


def _found_classes(values: NDArray[Any]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if values.dtype.kind != "U" and values.min() < 0:
        raise UsageError(f"{values.min()} is negative; leave out images without a label", settings="labels")
    names = [str(value) for value in values.tolist()]
    known = class_order(names)
    if "" in known:
        raise UsageError("a class has an empty name", settings="labels")
    index = {name: number for number, name in enumerate(known)}
    return known, np.array([index[name] for name in names], np.int64)


def _joined(
    parts: Sequence[NDArray[np.uint8] | list[NDArray[np.uint8]]], origins: Sequence[str]
) -> ArrayImages | ListImages:
    """One array where all images have one size, grey ones repeated if others have colour."""
    names = np.concatenate([numbered(origin, len(part)) for origin, part in zip(origins, parts, strict=True)])
    whole = [part for part in parts if isinstance(part, np.ndarray)]
    if len(whole) < len(parts) or len({part.shape[1:3] for part in whole}) > 1:
        return ListImages(tuple(np.array(image) for part in parts for image in part), names)
    channels = max(part.shape[3] for part in whole)
    spread = [np.broadcast_to(part, (*part.shape[:3], channels)) for part in whole]
    return ArrayImages(np.concatenate(spread), names)
