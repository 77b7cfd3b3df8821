"""From a name or path to a data set that training can rely on: listed, checked, split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.checks.cache import stamps
from convsmith.data.checks.examine import Examination, Progress, examine, in_memory
from convsmith.data.dataset import Dataset, Finding, Split
from convsmith.data.images import ArrayImages, FileImages
from convsmith.data.sources.detect import read_source
from convsmith.data.sources.listing import Listing
from convsmith.data.split import check_classes, complete
from convsmith.errors import DataError

IN_MEMORY = 256 << 20
"""Bytes of decoded images up to which files of one size are kept as one array, and not decoded again in each epoch."""


def open_dataset(
    data: str | Path, *, seed: int = 0, strict: bool = False, progress: Progress = lambda done, total: None
) -> Dataset:
    """Opens, checks and splits a data set.

    `data` is a folder with a folder per class, of shards, of ImageNet's archives or of Parquet files with images; a CSV
    or Parquet manifest, IDX files, an npz file, or a known name.
    Splits that the source lacks are made from `seed`; see `convsmith.data.split.complete` for the rule. Every file is
    decoded once; what cannot be used is left out and listed in `skipped`, or refused if `strict`. `progress` is told
    how many files of how many have been checked, and before that, copied, where that is needed once.

    Raises UnknownNameError if there is no such name or path, and DataError for what cannot be trained on: fewer than
    two classes, a class that is missing in a split or too small for all of them, unusable files if `strict`.
    """
    listing = read_source(data, progress)
    check_classes(listing.classes, listing.name)
    examination = examine(listing.images, progress)
    skipped = (*listing.findings, *_unusable(listing, examination))
    if strict and skipped:
        raise DataError(_refusal(listing.name, skipped))
    rows = complete(_usable_rows(listing, examination), listing.labels, listing.classes, seed, listing.name)
    used = np.concatenate(list(rows.values()))
    channels = 1 if examination.grey[used].all() else 3
    height, width = np.median(examination.sizes[used], axis=0).astype(int).tolist()
    taken = {name: listing.images.take(members) for name, members in rows.items()}
    if _fits(examination.sizes[used], channels):
        taken = {name: in_memory(images, (height, width), channels) for name, images in taken.items()}
    splits = {name: Split(images, listing.labels[rows[name]]) for name, images in taken.items()}
    return Dataset(
        name=listing.name,
        classes=listing.classes,
        splits=splits,
        channels=channels,
        size=(height, width),
        fingerprint=_fingerprint(listing.classes, splits),
        skipped=skipped,
        root=listing.root,
    )


def _unusable(listing: Listing, examination: Examination) -> tuple[Finding, ...]:
    return tuple(Finding(listing.images.name(row), reason) for row, reason in sorted(examination.reasons.items()))


def _refusal(name: str, findings: Sequence[Finding]) -> str:
    first = "; ".join(map(str, findings[:3]))
    more = f"; and {len(findings) - 3:,} more" if len(findings) > 3 else ""
    return f"{name}: {len(findings):,} things cannot be used (without strict they are left out): {first}{more}"


def _usable_rows(listing: Listing, examination: Examination) -> dict[str, NDArray[np.int64]]:
    usable = np.ones(len(listing.labels), np.bool_)
    usable[list(examination.reasons)] = False
    if not usable.any():
        row, reason = min(examination.reasons.items())
        first = Finding(listing.images.name(row), reason)
        raise DataError(f"{listing.name}: none of its {len(usable):,} files is a usable image; the first: {first}")
    return {name: members[usable[members]] for name, members in listing.rows.items()}


def _fits(sizes: NDArray[np.int32], channels: int) -> bool:
    height, width = sizes[0].tolist()
    return bool((sizes == sizes[0]).all()) and len(sizes) * height * width * channels <= IN_MEMORY


def _fingerprint(classes: tuple[str, ...], splits: Mapping[str, Split]) -> str:
    digest = hashlib.sha256(json.dumps(classes).encode())
    for name, split in splits.items():
        digest.update(f"{name} {len(split)}".encode())
        digest.update(split.labels.astype("<i8").tobytes())
        if isinstance(split.images, FileImages):
            digest.update(b"\0".join(split.images.names.tolist()))
            digest.update(stamps(split.images)[:, 0].astype("<i8").tobytes())
        elif isinstance(split.images, ArrayImages):
            digest.update(str(split.images.array.shape).encode())
            digest.update(split.images.array.tobytes())
    return digest.hexdigest()
