"""The part of an inspection that costs nothing: what a data set that is open already says of itself, before a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convsmith.data.dataset import Dataset
from convsmith.data.images import ArrayImages, FileImages, ListImages
from convsmith.data.unlabelled import GatheredImages
from convsmith.doctor.checks.balance import balance_issues
from convsmith.doctor.checks.duplicates import Copies, copy_issues, exact_copies
from convsmith.doctor.issue import Issue, by_severity
from convsmith.doctor.subject import Subject
from convsmith.errors import DataError

MOST_LINES = 3
LEAKS = ("leak", "near-leak")


def quick_issues(dataset: Dataset) -> tuple[Issue, ...]:
    """Leaks, contradictions, copies by content, rare and unbalanced classes, the worst first. No image is read.

    Nothing is said of copies where images are something else than files or arrays.
    """
    subject = _subject(dataset)
    if subject is None:
        return ()
    copies = Copies(exact_copies(subject), np.zeros((0, 2), np.int64))
    return by_severity([*balance_issues(subject), *copy_issues(subject, copies)])


def told(issues: Sequence[Issue]) -> tuple[str, ...]:
    """What matters of the issues, in MOST_LINES lines at most; notes do not."""
    lines = [
        f"{issue}: {issue.examples[0]}" if issue.examples else str(issue)
        for issue in issues
        if issue.severity != "note"
    ]
    if len(lines) <= MOST_LINES:
        return tuple(lines)
    more = len(lines) - MOST_LINES + 1
    return (*lines[: MOST_LINES - 1], f"and {more} more issues with the data; inspecting them tells all")


def refuse_leaks(name: str, issues: Sequence[Issue]) -> None:
    """Raises DataError if images are in more than one split."""
    leak = next((issue for issue in issues if issue.code in LEAKS), None)
    if leak is not None:
        raise DataError(f"{name}: {leak.what}: {leak.examples[0]}. {leak.fix}", settings="strict")


def _subject(dataset: Dataset) -> Subject | None:
    parts = [split.images for split in dataset.splits.values()]
    known = tuple(part for part in parts if isinstance(part, ArrayImages | ListImages | FileImages))
    contents = [split.content for split in dataset.splits.values() if split.content is not None]
    if len(known) < len(parts) or len(contents) < len(parts):
        return None
    count = sum(map(len, parts))
    return Subject(
        name=dataset.name,
        images=GatheredImages(known),
        classes=dataset.classes,
        labels=np.concatenate([split.labels for split in dataset.splits.values()]),
        splits=tuple(dataset.splits),
        split=np.repeat(np.arange(len(parts)), list(map(len, parts))),
        sizes=np.zeros((count, 2), np.int32),
        content=np.concatenate(contents),
        constant=np.zeros(count, np.bool_),
        made_splits=dataset.made_splits,
        seed=dataset.seed,
    )
