"""The boxes that Stanford Dogs and CUB-200-2011 have around the one thing that an image shows.

Stanford Dogs has an XML file for each image, as Pascal VOC does; where it has several boxes, the largest counts. The
files are untrusted: they are small, and one that declares a document type, as entity bombs do, is not parsed.
CUB's `bounding_boxes.txt` has an image's id, left, top, width and height on each line.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from convsmith.data.decode.image import Box
from convsmith.data.images import FileImages
from convsmith.data.sources.layouts.cub import paths_by_id
from convsmith.data.sources.layouts.listed import rows_of
from convsmith.data.sources.listing import Listing
from convsmith.errors import DataError, UsageError

ANNOTATIONS = "Annotation"
CUB_BOXES = "bounding_boxes.txt"
MAX_XML_BYTES = 1 << 20


def boxes_of(listing: Listing) -> list[Box]:
    """The box of each image of a listing, in its order.

    Raises UsageError for a data set that has no boxes, DataError naming the file or line whose box is missing or none.
    """
    images, root = listing.images, listing.root
    box_of: Callable[[str], Box] | None = None
    if root is not None and isinstance(images, FileImages):
        if (root / CUB_BOXES).is_file():
            box_of = _of_cub(root)
        elif (root / ANNOTATIONS).is_dir():
            box_of = _of_dogs(root)
    if box_of is None or not isinstance(images, FileImages):
        raise UsageError(f"{listing.name} has no boxes; Stanford Dogs and CUB-200-2011 have them", settings="boxes")
    return [box_of(os.fsdecode(name)) for name in images.names.tolist()]


def _of_cub(root: Path) -> Callable[[str], Box]:
    paths, boxes = paths_by_id(root), {}
    for where, (image, left, top, width, height) in rows_of(root / CUB_BOXES, 5, "an image's id and its box"):
        if image not in paths:
            raise DataError(f"{where} is of image {image}, which images.txt does not have")
        boxes[paths[image]] = _box(where, left, top, width, height)

    def found(file: str) -> Box:
        if file not in boxes:
            raise DataError(f"{root / CUB_BOXES} has no line for {file}")
        return boxes[file]

    return found


def _of_dogs(root: Path) -> Callable[[str], Box]:
    def found(file: str) -> Box:
        path = (root / ANNOTATIONS / Path(*Path(file).parts[1:])).with_suffix("")
        boxes = [
            _box(str(path), low[0], low[1], str(float(high[0]) - float(low[0])), str(float(high[1]) - float(low[1])))
            for low, high in _corners(path)
        ]
        if not boxes:
            raise DataError(f"{path} has no box")
        return max(boxes, key=lambda box: box.height * box.width)

    return found


def _corners(path: Path) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """The least and the greatest (x, y) of each box in an annotation."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_XML_BYTES + 1)
        if len(content) > MAX_XML_BYTES or b"<!" in content:
            raise ValueError("it is too long, or declares a document type")
        found = []
        for box in ElementTree.fromstring(content).iter("bndbox"):
            left, top, right, bottom = (str(float(box.findtext(key, ""))) for key in ("xmin", "ymin", "xmax", "ymax"))
            found.append(((left, top), (right, bottom)))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, ElementTree.ParseError) as error:
        raise DataError(f"{path} cannot be read as an annotation: {' '.join(str(error).split())}") from None
    return found


def _box(where: str, left: str, top: str, width: str, height: str) -> Box:
    """Whole pixels, from the corner that counts from 0 or 1: which, the files do not say, and it is one pixel."""
    try:
        numbers = [round(float(word)) for word in (top, left, height, width)]
    except (ValueError, OverflowError):
        numbers = []
    if len(numbers) != 4 or min(numbers[:2]) < 0 or min(numbers[2:]) < 1:
        raise DataError(f"{where}: left {left}, top {top}, width {width}, height {height} is not a box")
    return Box(*numbers)
