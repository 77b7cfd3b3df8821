"""Images without labels, to predict on: single files, folders of them, shards."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Finding
from convsmith.data.decode.decoding import USUAL, Decoding
from convsmith.data.decode.image import FORMATS
from convsmith.data.images import AnyImages, FileImages, packed
from convsmith.data.sources.detect import READERS, read_source
from convsmith.data.sources.shards import is_shards, read_unlabelled
from convsmith.data.sources.walk import Walk
from convsmith.errors import DataError

SHARD = ".tar"

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class GatheredImages:
    """The images of several places, one place after another: a path's bytes for each, and nothing of the image.

    `findings` are what was left out or passed over.
    """

    parts: tuple[AnyImages, ...]
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return self._ends[-1] if self.parts else 0

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """uint8 RGB (H, W, 3). Raises DataError if the file is not, or no longer, an image."""
        part, row = self.place(index)
        return part[row]

    def name(self, index: int) -> str:
        part, row = self.place(index)
        return part.name(row)

    def between(self, start: int, stop: int) -> GatheredImages:
        """The images `start` to `stop`, without the last."""
        bounds = zip(self.parts, [0, *self._ends], self._ends, strict=False)
        taken = [(part, np.arange(max(start, first), min(stop, end)) - first) for part, first, end in bounds]
        return GatheredImages(tuple(part.take(rows) for part, rows in taken if len(rows)))

    def absolute(self) -> GatheredImages:
        """The same images for a process with another working directory."""
        return replace(
            self,
            parts=tuple(
                replace(part, root=part.root.absolute()) if isinstance(part, FileImages) else part
                for part in self.parts
            ),
        )

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(len(part) for part in self.parts))

    def place(self, index: int) -> tuple[AnyImages, int]:
        """The part that an image is in, and its row there."""
        number = bisect_right(self._ends, index)
        return self.parts[number], index - (self._ends[number - 1] if number else 0)


def gather(sources: Sequence[Path], decoding: Decoding = USUAL) -> GatheredImages:
    """The images that are meant, in the order given, files within a folder by name; none is decoded.

    `decoding` is that of the data which the model was trained on.

    A source is a file, whatever its name and whether it is there or not; a folder, of which every file below counts
    that counts in training (see `Walk`); a shard (`.tar`) or a folder of shards; any other
    file or folder of many images that training takes. Raises DataError for a folder without
    images or that cannot be listed, and for a damaged shard.
    """
    for source in sources:
        if ADDRESS.match(str(source)) and not source.exists():
            address = str(source).replace(":/", "://", 1)  # a path has lost one of them
            raise DataError(f"{address} is an address; download the image, and give its file")
    findings: list[Finding] = []
    parts: list[AnyImages] = []
    for single, group in groupby(sources, key=_is_one_image):
        if single:
            parts.append(FileImages(Path(), packed(str(source) for source in group)))
        else:
            parts += [_below(source, findings) for source in group]
    decoded = (replace(part, decoding=decoding) if isinstance(part, FileImages) else part for part in parts)
    return GatheredImages(tuple(decoded), tuple(findings))


def _is_one_image(source: Path) -> bool:
    """Whether a path is that of an image, or of nothing, and not of many images."""
    return source.suffix.lower() not in READERS and not source.is_dir()


def _below(source: Path, findings: list[Finding]) -> AnyImages:
    images: AnyImages
    if source.is_dir() and not is_shards(source):
        walk = Walk()
        images = FileImages(source, packed(walk.images_below(source, ".")))
        findings += (*walk.findings, *walk.account(source))
        if not len(images):
            images = _of_data_set(source)
    elif source.is_dir() or source.suffix.lower() == SHARD:
        images = read_unlabelled(source)
    else:
        images = read_source(source).images
    if not len(images):
        raise DataError(f"{source} holds no images ({', '.join(FORMATS)})")
    return images


def _of_data_set(folder: Path) -> AnyImages:
    """The images of a folder that holds them in other files: of Parquet, IDX, ImageNet's archives."""
    try:
        return read_source(folder).images
    except DataError:
        return FileImages(folder, packed([]))
