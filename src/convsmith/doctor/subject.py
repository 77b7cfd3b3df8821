"""What is inspected: every usable image of a data set, whether or not it could be trained on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.checks.examine import Examination, Progress, examine
from convsmith.data.checks.visible import decoding_for
from convsmith.data.dataset import Dataset, Finding
from convsmith.data.decode.check import MANY_COLOURS
from convsmith.data.given import GivenImages, images_of, is_data
from convsmith.data.images import WHOLE, AnyImages, ArrayImages, FileImages, ListImages, StoredImages
from convsmith.data.sources.detect import read_source
from convsmith.data.sources.imagenet.ilsvrc import is_ilsvrc
from convsmith.data.sources.layouts.recognise import is_published
from convsmith.data.sources.listing import Listing
from convsmith.data.sources.shards import is_shards
from convsmith.data.split import complete
from convsmith.data.unlabelled import GatheredImages, gather
from convsmith.errors import DataError, UsageError

UNSPLIT = "all"
"""The one split of images without labels."""


@dataclass(frozen=True, eq=False)
class Subject:
    """The usable images of a data set, (N,), and what is known of each before it is looked at.

    `labels` int64 (N,), indices into `classes`; None for images without labels, of which `why_unlabelled` says why.
    `split` int64 (N,), indices into `splits`. `sizes` int32 (N, 2), height and width; `content` int64 (N,), alike for
    images of the same bytes (of files) or pixels (of arrays); `constant` bool (N,), of images whose pixels are all of
    one colour. `unreadable` are the files that are not usable. `made_splits` were made here by `seed`; where the images
    do not allow that, `why_unsplit` says why.
    """

    name: str
    images: GatheredImages
    classes: tuple[str, ...]
    labels: NDArray[np.int64] | None
    splits: tuple[str, ...]
    split: NDArray[np.int64]
    sizes: NDArray[np.int32]
    content: NDArray[np.int64]
    constant: NDArray[np.bool_]
    unreadable: tuple[Finding, ...] = ()
    left_out: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    made_splits: tuple[str, ...] = ()
    seed: int | None = None
    why_unsplit: str = ""
    why_unlabelled: str = ""
    root: Path | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    def file(self, row: int) -> Path | None:
        """The file that an image is; None if it is something else, such as a place in an array or an archive."""
        part, place = self.images.place(row)
        if isinstance(part, FileImages):
            return part.path(place) if not isinstance(part, StoredImages) or part.size[place] == WHOLE else None
        path = Path(os.fsdecode(part.names[place]))  # small files are brought into one array under their paths
        return path if path.is_file() else None

    def name_of(self, row: int) -> str:
        return self.images.name(row)

    def class_of(self, row: int) -> str:
        """The class that an image is said to be of; nothing where there are no labels."""
        return "" if self.labels is None else self.classes[int(self.labels[row])]


def subject_of(
    data: Dataset | str | Path | GivenImages,
    *,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Subject:
    """Whatever is given, as far as it can be inspected: also one class, a class without images, images without labels.

    Raises UnknownNameError if there is no such name or path, DataError where no image is usable.
    """
    if isinstance(data, Dataset):
        return _of_dataset(data, progress)
    if not is_data(data):
        return _of_images(images_of(data), "images", "they were given without labels", progress)
    assert isinstance(data, str | Path)
    try:
        listing = read_source(data, progress)
    except UsageError:
        raise
    except DataError as error:
        return _unlabelled(Path(data).expanduser(), error, progress)
    return _of_listing(listing, seed, progress)


def _unlabelled(path: Path, error: DataError, progress: Progress) -> Subject:
    """The images of a folder that is no data set. Raises the error that says so if it holds none."""
    if not path.is_dir() or is_ilsvrc(path) or is_published(path):
        raise error
    try:
        images = gather([path])
    except DataError:
        raise error from None
    if not is_shards(path) and not all(type(part) is FileImages for part in images.parts):
        raise error  # a data set of another kind, of which something is wrong
    return _of_images(images, path.resolve().name, str(error), progress)


def _of_images(images: object, name: str, why: str, progress: Progress) -> Subject:
    parts = images.parts if isinstance(images, GatheredImages) else (images,)
    findings = images.findings if isinstance(images, GatheredImages) else ()
    known = [part for part in parts if isinstance(part, ArrayImages | ListImages | FileImages)]
    looked = [_Part(part, examine(part, progress)) for part in known]
    whole = _joined(name, looked, [np.zeros(len(part.images), np.int64) for part in looked], (UNSPLIT,))
    return replace(whole, left_out=findings, why_unlabelled=why)


def _of_dataset(dataset: Dataset, progress: Progress) -> Subject:
    looked, splits, labels = [], [], []
    for number, split in enumerate(dataset.splits.values()):
        if not isinstance(split.images, ArrayImages | ListImages | FileImages):
            raise UsageError(f"holds {type(split.images).__name__}, which are no images", settings="data")
        found = examine(split.images, progress)
        if split.content is not None:  # of the files, which are in memory by now
            found = replace(found, content=split.content)
        usable = np.array([row not in found.reasons for row in range(len(split))], np.bool_)
        looked.append(_Part(split.images, found))
        splits.append(np.full(len(split), number))
        labels.append(split.labels[usable])
    whole = _joined(dataset.name, looked, splits, tuple(dataset.splits))
    unreadable = {finding for split in dataset.splits.values() for finding in split.unreadable}
    return replace(
        whole,
        classes=dataset.classes,
        labels=np.concatenate(labels),
        unreadable=(*(f for f in dataset.skipped if f in unreadable), *whole.unreadable),
        left_out=tuple(f for f in dataset.skipped if f not in unreadable),
        notes=dataset.notes,
        made_splits=dataset.made_splits,
        seed=dataset.seed,
        root=dataset.root,
    )


def _of_listing(listing: Listing, seed: int, progress: Progress) -> Subject:
    found = examine(listing.images, progress)
    images, notes = listing.images, listing.notes
    usable = np.ones(len(listing.labels), np.bool_)
    usable[list(found.reasons)] = False
    if isinstance(images, FileImages) and usable.any():
        decoding, more = decoding_for(found, np.flatnonzero(usable), listing.name)
        images, notes = replace(images, decoding=decoding), (*notes, *more)
    rows = {name: members[usable[members]] for name, members in listing.rows.items()}
    done, why = _completed(listing, rows, seed)
    splits = tuple(done)
    split = np.full(len(listing.labels), -1)
    for number, members in enumerate(done.values()):
        split[members] = number
    whole = _joined(listing.name, [_Part(images, found)], [split], splits)
    made = tuple(name for name in splits if name not in listing.rows)
    return replace(
        whole,
        classes=listing.classes,
        labels=listing.labels[usable],
        left_out=listing.findings,
        notes=(*notes, *(Finding(images.name(row), note) for row, note in sorted(found.notes.items()))),
        made_splits=made,
        seed=seed if made else None,
        why_unsplit=why,
        root=listing.root,
    )


def _completed(
    listing: Listing, rows: Mapping[str, NDArray[np.int64]], seed: int
) -> tuple[Mapping[str, NDArray[np.int64]], str]:
    """The splits as training has them; or those that there are, and why training refuses them."""
    if len(listing.classes) < 2 or not any(map(len, rows.values())):
        return rows, ""
    try:
        return complete(rows, listing.labels, listing.classes, seed, listing.name), ""
    except DataError as error:
        return rows, str(error)


@dataclass(frozen=True, eq=False)
class _Part:
    images: AnyImages
    found: Examination


def _joined(name: str, parts: list[_Part], splits: list[NDArray[np.int64]], names: tuple[str, ...]) -> Subject:
    """The usable images of all parts. Raises DataError if there are none."""
    kept = []
    for part in parts:
        usable = np.ones(len(part.images), np.bool_)
        usable[list(part.found.reasons)] = False
        kept.append(np.flatnonzero(usable))
    unreadable = tuple(
        Finding(part.images.name(row), reason) for part in parts for row, reason in sorted(part.found.reasons.items())
    )
    count = sum(map(len, kept))
    if not count:
        first = f"; the first is {unreadable[0]}" if unreadable else ""
        raise DataError(f"{name}: none of its {len(unreadable):,} files is a usable image{first}")

    def gathered(field: Callable[[Examination], NDArray[np.generic]]) -> NDArray[np.generic]:
        return np.concatenate([field(part.found)[rows] for part, rows in zip(parts, kept, strict=True)])

    return Subject(
        name=name,
        images=GatheredImages(tuple(part.images.take(rows) for part, rows in zip(parts, kept, strict=True))),
        classes=(),
        labels=None,
        splits=names,
        split=np.concatenate([split[rows] for split, rows in zip(splits, kept, strict=True)]),
        sizes=gathered(lambda found: found.sizes).astype(np.int32),
        content=gathered(lambda found: found.content).astype(np.int64),
        constant=gathered(lambda found: found.colour).astype(np.int64) != MANY_COLOURS,
        unreadable=unreadable,
    )
