"""From what a source lists to a data set that training can rely on: checked, split, in memory where it is small."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from convsmith.data.checks.examine import Examination, Progress, examine, in_memory
from convsmith.data.checks.visible import check_visible, decoding_for
from convsmith.data.dataset import Dataset, Finding, Split
from convsmith.data.decode.decoding import USUAL, Decoding
from convsmith.data.images import AnyImages, FileImages
from convsmith.data.sources.listing import Listing
from convsmith.data.split import Rows, check_classes, complete
from convsmith.errors import DataError, UsageError

IN_MEMORY_BYTES = 256 << 20
"""Decoded images up to which files of one size are kept as one array, and not decoded again in each epoch."""


SHOWN_REFUSED = 20
"""Findings that a refusal names."""

SHOWN_REASONS = 3

MAX_UNUSABLE = 0.2
"""The share of files that may be unusable unless another is given: with more, not only the files are wrong."""


@dataclass(frozen=True)
class Demands:
    """What is asked of a data set: nothing may be left out if `strict`; at most the share `max_unusable` of the files
    may be unusable; `seed` makes the splits that are missing, or for None, none is made; `fractions` are what is taken
    of train for each split, None: the usual ones; `decoding` is a given one, None: what suits the images.

    Raises UsageError for a share or a seed that is none.
    """

    seed: int | None = 0
    strict: bool = False
    max_unusable: float = MAX_UNUSABLE
    fractions: Mapping[str, float] | None = None
    decoding: Decoding | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.max_unusable <= 1:
            raise UsageError(f"must be a share from 0 to 1, not {self.max_unusable}", settings="max_unusable")
        if self.seed is not None and self.seed < 0:
            raise UsageError(f"must be at least 0, not {self.seed}", settings="seed")


def assemble(listing: Listing, demands: Demands, progress: Progress = lambda done, total: None) -> Dataset:
    """Checks every image, completes the splits (see `convsmith.data.split.complete`) and makes the data set.

    Raises DataError for what cannot be trained on: see `open_dataset`.
    """
    check_classes(listing.classes, listing.name, 1 if demands.seed is None else 2, listing.findings)
    found = examine(listing.images, progress)
    skipped = (*listing.findings, *_by_row(listing, found.reasons))
    if demands.strict and skipped:
        raise DataError(_refusal(listing.name, skipped), settings="strict")
    _check_share(listing, found, demands.max_unusable)
    usable = _usable_rows(listing, found)
    rows = completed(
        usable, listing.labels, listing.classes, demands, listing.name, lambda label: _why_few(listing, found, label)
    )
    used = np.concatenate(list(rows.values()))
    images, notes = _decoded(listing, found, used, demands.decoding)
    channels = 1 if found.grey[used].all() else 3
    height, width = np.median(found.sizes[used], axis=0).astype(int).tolist()
    taken: dict[str, AnyImages] = {name: images.take(members) for name, members in rows.items()}
    if _fits(images, found.sizes[used], channels):
        taken = {
            name: in_memory(part, (height, width), channels)
            for name, part in taken.items()
            if isinstance(part, FileImages)
        }
    unreadable = _unreadable(listing, found)
    splits = {
        name: Split(
            part,
            listing.labels[rows[name]],
            found.content[rows[name]],
            unreadable.get(name, unreadable.get("train", ())),
        )
        for name, part in taken.items()
    }
    made = tuple(name for name in splits if name not in usable)
    return Dataset(
        name=listing.name,
        classes=listing.classes,
        splits=splits,
        channels=channels,
        size=(height, width),
        fingerprint=fingerprint(listing.classes, splits),
        skipped=skipped,
        root=listing.root,
        notes=(*listing.notes, *_by_row(listing, found.notes), *notes),
        unusable=len(found.reasons),
        made_splits=made,
        seed=demands.seed if made else None,
        decoding=images.decoding if isinstance(images, FileImages) else listing.decoding,
    )


def completed(
    rows: Rows,
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    demands: Demands,
    where: str,
    why_few: Callable[[int], str],
) -> Rows:
    """The splits that there are and those that are made; without a seed, those that there are."""
    if demands.seed is None:
        return {name: rows[name] for name in ("train", "val", "test") if name in rows and len(rows[name])}
    return complete(rows, labels, classes, demands.seed, where, demands.fractions, why_few)


def fingerprint(classes: tuple[str, ...], splits: Mapping[str, Split]) -> str:
    """SHA-256 over the classes, and each split's labels and contents of images, in order.

    Names of files do not count, nor where they are: a copy of a data set is the same data set.
    """
    digest = hashlib.sha256(json.dumps(classes).encode())
    for name, split in splits.items():
        digest.update(f"{name} {len(split)}".encode())
        digest.update(split.labels.astype("<i8").tobytes())
        if split.content is not None:
            digest.update(split.content.astype("<i8").tobytes())
    return digest.hexdigest()


def _decoded(
    listing: Listing, found: Examination, used: NDArray[np.int64], given: Decoding | None
) -> tuple[AnyImages, tuple[Finding, ...]]:
    """The images as they are to be decoded, and a line on each choice that is not the usual one."""
    images, decoding = listing.images, given or USUAL
    notes: tuple[Finding, ...] = ()
    if isinstance(images, FileImages):
        if given is None:
            decoding, notes = decoding_for(found, used, listing.name)
        images = replace(images, decoding=decoding)
    check_visible(found, used, decoding, listing.name)
    return images, notes


def _unreadable(listing: Listing, found: Examination) -> dict[str, tuple[Finding, ...]]:
    """The unusable files of each split that the source has."""
    unusable = np.array(sorted(found.reasons), np.int64)
    return {
        split: tuple(
            Finding(listing.images.name(row), found.reasons[row]) for row in np.intersect1d(members, unusable).tolist()
        )
        for split, members in listing.rows.items()
    }


def _by_row(listing: Listing, reasons: Mapping[int, str]) -> tuple[Finding, ...]:
    return tuple(Finding(listing.images.name(row), reason) for row, reason in sorted(reasons.items()))


def _check_share(listing: Listing, found: Examination, most: float) -> None:
    count, total = len(found.reasons), len(listing.labels)
    if count == total:
        row, reason = min(found.reasons.items())
        first = Finding(listing.images.name(row), reason)
        raise DataError(f"{listing.name}: none of its {total:,} files is a usable image; the first is {first}")
    if count > most * total:
        raise DataError(
            f"{listing.name}: {count:,} of its {total:,} files ({count / total:.0%}) cannot be used, more than "
            f"{most:.0%}: {_grouped(found.reasons.values())}",
            settings="max_unusable",
        )


def _why_few(listing: Listing, found: Examination, label: int) -> str:
    """Why a class has so few images, if some of its files cannot be used."""
    rows = [row for row in found.reasons if listing.labels[row] == label]
    if not rows:
        return ""
    files = "1 of its files" if len(rows) == 1 else f"{len(rows):,} of its files"
    return f"; {files} cannot be used: {_grouped(found.reasons[row] for row in rows)}"


def _grouped(reasons: Iterable[str]) -> str:
    """The most frequent reasons, each with how often."""
    common = Counter(reasons).most_common()
    shown = "; ".join(f"{count:,} x {reason}" for reason, count in common[:SHOWN_REASONS])
    return shown if len(common) <= SHOWN_REASONS else f"{shown}; and {len(common) - SHOWN_REASONS:,} other reasons"


def _refusal(name: str, findings: Sequence[Finding]) -> str:
    first = "; ".join(map(str, findings[:SHOWN_REFUSED]))
    more = f"; and {len(findings) - SHOWN_REFUSED:,} more" if len(findings) > SHOWN_REFUSED else ""
    things = "1 thing" if len(findings) == 1 else f"{len(findings):,} things"
    return f"{name}: {things} cannot be used: {first}{more}"


def _usable_rows(listing: Listing, found: Examination) -> dict[str, NDArray[np.int64]]:
    usable = np.ones(len(listing.labels), np.bool_)
    usable[list(found.reasons)] = False
    return {name: members[usable[members]] for name, members in listing.rows.items()}


def _fits(images: AnyImages, sizes: NDArray[np.int32], channels: int) -> bool:
    height, width = sizes[0].tolist()
    small = len(sizes) * height * width * channels <= IN_MEMORY_BYTES
    return isinstance(images, FileImages) and small and bool((sizes == sizes[0]).all())
