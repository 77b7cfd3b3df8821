"""From what a source lists to a data set that training can rely on: checked, split, in memory where it is small."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from convsmith.data.checks.cache import stamps
from convsmith.data.checks.examine import Examination, Progress, examine, in_memory
from convsmith.data.dataset import Dataset, Finding, Split
from convsmith.data.images import AnyImages, ArrayImages, FileImages, ListImages
from convsmith.data.sources.listing import Listing
from convsmith.data.split import check_classes, complete
from convsmith.errors import DataError

IN_MEMORY_BYTES = 256 << 20
"""Decoded images up to which files of one size are kept as one array, and not decoded again in each epoch."""


def assemble(
    listing: Listing,
    *,
    seed: int | None,
    fractions: Mapping[str, float] | None = None,
    strict: bool = False,
    progress: Progress = lambda done, total: None,
) -> Dataset:
    """Checks every image, completes the splits (see `convsmith.data.split.complete`) and makes the data set.

    Raises DataError for what cannot be trained on: see `open_dataset`.
    """
    check_classes(listing.classes, listing.name)
    examination = examine(listing.images, progress)
    skipped = (*listing.findings, *_unusable(listing, examination))
    if strict and skipped:
        raise DataError(_refusal(listing.name, skipped))
    usable = _usable_rows(listing, examination)
    rows = complete(usable, listing.labels, listing.classes, seed, listing.name, fractions)
    used = np.concatenate(list(rows.values()))
    channels = 1 if examination.grey[used].all() else 3
    height, width = np.median(examination.sizes[used], axis=0).astype(int).tolist()
    taken: dict[str, AnyImages] = {name: listing.images.take(members) for name, members in rows.items()}
    if _fits(listing.images, examination.sizes[used], channels):
        taken = {name: in_memory(images, (height, width), channels) for name, images in taken.items()}
    unreadable = _unreadable(listing, examination)
    splits = {
        name: Split(images, listing.labels[rows[name]], unreadable.get(name, unreadable.get("train", ())))
        for name, images in taken.items()
    }
    return Dataset(
        name=listing.name,
        classes=listing.classes,
        splits=splits,
        channels=channels,
        size=(height, width),
        fingerprint=_fingerprint(listing.classes, splits),
        skipped=skipped,
        root=listing.root,
        carved=() if seed is None else tuple(name for name in rows if name not in listing.rows),
        seed=seed or 0,
    )


def _unreadable(listing: Listing, examination: Examination) -> dict[str, tuple[Finding, ...]]:
    """The unusable files of each split that the source has."""
    unusable = np.array(sorted(examination.reasons), np.int64)
    return {
        split: tuple(
            Finding(listing.images.name(row), examination.reasons[row])
            for row in np.intersect1d(members, unusable).tolist()
        )
        for split, members in listing.rows.items()
    }


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


def _fits(images: AnyImages, sizes: NDArray[np.int32], channels: int) -> bool:
    height, width = sizes[0].tolist()
    small = len(sizes) * height * width * channels <= IN_MEMORY_BYTES
    return isinstance(images, FileImages) and small and bool((sizes == sizes[0]).all())


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
        elif isinstance(split.images, ListImages):
            for array in split.images.arrays:
                digest.update(str(array.shape).encode())
                digest.update(array.tobytes())
    return digest.hexdigest()
