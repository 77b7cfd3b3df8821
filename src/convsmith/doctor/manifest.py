"""A cleaned list of a data set's images: what training may rely on, as a CSV file. No image is touched."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.doctor.checks.duplicates import kept_of
from convsmith.doctor.inspection import Inspection
from convsmith.doctor.issue import CODES, images
from convsmith.doctor.subject import Subject
from convsmith.errors import DataError, UnknownNameError, UsageError
from convsmith.files import write_bytes

SUFFIX = ".csv"


@dataclass(frozen=True)
class Cleaned:
    """A manifest that was written: to `path`, with `kept` images; `dropped` says how many were left out, and why."""

    path: Path
    kept: int
    dropped: dict[str, int]

    def __str__(self) -> str:
        why = ", ".join(f"{count:,} {reason}" for reason, count in self.dropped.items()) or "nothing"
        return f"{self.path}: {images(self.kept)}; left out: {why}"


def write_manifest(inspection: Inspection, path: str | Path, *, drop: tuple[str, ...] = ()) -> Cleaned:
    """Writes path, class and split of the images that are sound to a CSV file that `open_dataset` reads.

    Left out are files that cannot be read; all but one of the same images (of several splits, the one in test stays,
    else the one in val); all of the same images under different labels; near-copies of an image of another split.
    Images with the issues of the codes in `drop`, such as "wrong-label", are left out too. Splits are written as they
    are, also where they were made here, so that they stay.

    Raises UsageError for a file that is not a CSV or that the data were read from, UnknownNameError for a code,
    DataError where images are not files of their own or have no labels, and where a class would lose its last image in
    a split, OutputError. Nothing is written then.
    """
    path, subject = Path(path), inspection.subject
    for code in drop:
        if code not in CODES:
            raise UnknownNameError("issue", code, CODES)
    files = _check(subject, path)
    reasons = _dropped(inspection, drop)
    kept = np.array([row for row in range(len(subject)) if row not in reasons], np.int64)
    _check_classes(subject, kept)
    text = io.StringIO()
    table = csv.writer(text)
    split = not subject.why_unsplit
    table.writerow(["path", "class", *(["split"] if split else [])])
    for row in kept.tolist():
        named = subject.splits[subject.split[row]]
        table.writerow([_from(path.parent, files[row]), subject.class_of(row), *([named] if split else [])])
    write_bytes(path, text.getvalue().encode())
    counted = dict(Counter(reasons.values()).most_common())
    if subject.unreadable:
        counted["unreadable"] = len(subject.unreadable)
    return Cleaned(path, len(kept), counted)


def _check(subject: Subject, path: Path) -> list[Path]:
    """The file of each image."""
    if path.suffix.lower() != SUFFIX:
        raise UsageError(f"{path}: a cleaned manifest is a {SUFFIX} file", settings="fix")
    if subject.labels is None:
        raise DataError(f"{subject.name} has no labels, so there is nothing to list")
    found = [subject.file(row) for row in range(len(subject))]
    files = [file for file in found if file is not None]
    if len(files) < len(found):
        raise DataError(f"the images of {subject.name} are not files of their own, which a manifest could name")
    if path.exists() and (path == subject.root or any(path.samefile(file) for file in (subject.root, *files) if file)):
        raise UsageError(f"{path} is what the data were read from; name another file", settings="fix")
    return files


def _dropped(inspection: Inspection, codes: tuple[str, ...]) -> dict[int, str]:
    """Why each row that is left out is."""
    subject, reasons = inspection.subject, dict[int, str]()
    for code in codes:
        issue = inspection.issue(code)
        examples = () if issue is None else issue.examples
        reasons.update((example.row, code) for example in examples if example.row is not None)
    for rows in inspection.copies.near_groups():
        kept = kept_of(subject, rows)
        others = rows[subject.split[rows] != subject.split[kept]].tolist()
        reasons.update((row, "near-leak") for row in others)
    assert subject.labels is not None
    for rows in inspection.copies.groups():
        if len(np.unique(subject.labels[rows])) > 1:
            reasons.update((row, "contradiction") for row in rows.tolist())
            continue
        kept = kept_of(subject, rows)
        for row in rows[rows != kept].tolist():
            reasons[row] = "duplicate" if subject.split[row] == subject.split[kept] else "leak"
    return reasons


def _check_classes(subject: Subject, kept: NDArray[np.int64]) -> None:
    assert subject.labels is not None

    def pairs(rows: NDArray[np.int64]) -> set[tuple[int, int]]:
        assert subject.labels is not None
        return set(zip(subject.split[rows].tolist(), subject.labels[rows].tolist(), strict=True))

    lost = sorted(pairs(np.arange(len(subject))) - pairs(kept))
    if lost:
        split, label = lost[0]
        raise DataError(
            f"{subject.name}: without the images that are to be left out, class {subject.classes[label]!r} has none in "
            f"{subject.splits[split]}; add images of it first"
        )


def _from(folder: Path, file: Path) -> str:
    """The path from the manifest's folder where the file lies below it, so that both can be moved; else absolute."""
    file, folder = file.absolute(), folder.absolute()
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)
