"""Images that are there twice: in one split, in two, or under two labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix  # type: ignore[import-untyped]
from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

from convsmith.data.decode.check import hash_of
from convsmith.doctor.issue import Example, Issue, Severity, images
from convsmith.doctor.scan import Scan
from convsmith.doctor.subject import Subject
from convsmith.doctor.thumbnails import pixels_of
from convsmith.errors import DataError

KEPT_FIRST = ("test", "val", "train")
"""Of copies in several splits, the one in the first of these stays: so that figures on test stay comparable."""


@dataclass(frozen=True, eq=False)
class Copies:
    """Which images are the same: `exact` int64 (N,), alike for images of the same pixels; `near` int64 (P, 2), pairs of
    rows that show one picture."""

    exact: NDArray[np.int64]
    near: NDArray[np.int64]

    def groups(self) -> list[NDArray[np.int64]]:
        """Rows that are exact copies of each other, two at least in each."""
        return _groups(self.exact)

    def near_groups(self) -> list[NDArray[np.int64]]:
        """Rows that show one picture, exact copies of them included."""
        return _groups(self._joined) if len(self.near) else []

    @property
    def _joined(self) -> NDArray[np.int64]:
        _, place = np.unique(self.exact, return_inverse=True)
        ends = place[self.near]
        graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(place.max() + 1,) * 2)
        joined: NDArray[np.int64] = connected_components(graph, directed=False)[1][place].astype(np.int64)
        # Exact copies without a near one are told of as such.
        alone = ~np.isin(joined, joined[self.near.ravel()])
        joined[alone] = joined.max() + 1 + np.arange(alone.sum())
        return joined


def exact_copies(subject: Subject, scan: Scan | None = None) -> NDArray[np.int64]:
    """int64 (N,), alike for images whose files have the same bytes, or which decode to the same pixels.

    Without a scan, by content alone.
    """
    _, same = np.unique(subject.content, return_inverse=True)
    if scan is None:
        return same
    ids = same.copy()
    for rows in _groups(scan.pixels):
        if len(np.unique(same[rows])) < 2:
            continue
        hashes = np.array([_whole_hash(subject, int(row)) for row in rows])
        for value in np.unique(hashes[hashes != 0]):
            members = rows[hashes == value]
            ids[np.isin(ids, ids[members])] = ids[members].min()
    return ids


def _whole_hash(subject: Subject, row: int) -> int:
    """Of all pixels of an image; 0 if it has gone."""
    try:
        pixels = pixels_of(subject.images, row)
    except (DataError, OSError):
        return 0
    return hash_of(b"%d %d " % pixels.shape[:2] + pixels.tobytes())


def copy_issues(subject: Subject, copies: Copies) -> Iterator[Issue]:
    """Leaks, contradictions and copies, exact and near."""
    exact, near = copies.groups(), copies.near_groups()
    yield from _leaks(subject, exact, "leak", "error", ("are", "pixel for pixel in another split too"))
    yield from _leaks(subject, near, "near-leak", "error", ("show", "what an image of another split shows"))
    yield from _contradictions(subject, exact, "contradiction", "error", "the same image")
    yield from _contradictions(subject, near, "near-contradiction", "warning", "the same picture")
    yield from _repeats(subject, exact, "duplicate", "there more than once in their split")
    yield from _repeats(subject, near, "near-duplicate", "near-copies of another one in their split")


def kept_of(subject: Subject, rows: NDArray[np.int64]) -> int:
    """Of copies, the row that stays."""
    order = {name: place for place, name in enumerate(KEPT_FIRST)}
    return int(min(rows.tolist(), key=lambda row: (order.get(subject.splits[subject.split[row]], len(order)), row)))


def _leaks(
    subject: Subject, groups: list[NDArray[np.int64]], code: str, severity: Severity, words: tuple[str, str]
) -> Iterator[Issue]:
    examples = []
    for rows in groups:
        kept = kept_of(subject, rows)
        for row in rows.tolist():
            if subject.split[row] != subject.split[kept]:
                where = f"{subject.splits[subject.split[row]]}; in {subject.splits[subject.split[kept]]}:"
                examples.append(Example(subject.name_of(row), row, f"{where} {subject.name_of(kept)}", kept))
    if examples:
        involved = {subject.splits[subject.split[row]] for e in examples for row in (e.row, e.other) if row is not None}
        made = f"; splits were made by seed {subject.seed}" if involved & set(subject.made_splits) else ""
        yield Issue(
            code,
            severity,
            f"{images(len(examples), words[0])} {words[1]}{made}",
            "A network is then measured on what it was trained on, and its accuracy comes out too high.",
            "Leave out the copies outside test; a cleaned manifest does.",
            len(examples),
            tuple(examples),
        )


def _contradictions(
    subject: Subject, groups: list[NDArray[np.int64]], code: str, severity: Severity, thing: str
) -> Iterator[Issue]:
    if subject.labels is None:
        return
    examples, count = [], 0
    for rows in groups:
        if len(np.unique(subject.labels[rows])) < 2:
            continue
        count += 1
        first = int(rows[0])
        for row in rows.tolist():
            names = sorted({subject.class_of(other) for other in rows.tolist()} - {subject.class_of(row)})
            said = f"{subject.class_of(row)}, elsewhere {', '.join(names)}" if names else subject.class_of(row)
            examples.append(Example(subject.name_of(row), row, said, first if row != first else int(rows[-1])))
    if examples:
        times = "once" if count == 1 else f"{count:,} times"
        yield Issue(
            code,
            severity,
            f"{thing} has different labels {times}, in {images(len(examples))}",
            "At least one of the labels is wrong, and no network can learn both.",
            "Decide which label is right. A cleaned manifest leaves all such exact copies out.",
            len(examples),
            tuple(examples),
        )


def _repeats(subject: Subject, groups: list[NDArray[np.int64]], code: str, words: str) -> Iterator[Issue]:
    examples = []
    for rows in groups:
        if subject.labels is not None and len(np.unique(subject.labels[rows])) > 1:
            continue  # told of as a contradiction
        for split in np.unique(subject.split[rows]):
            here = rows[subject.split[rows] == split]
            kept = int(here[0])
            for row in here[1:].tolist():
                examples.append(Example(subject.name_of(row), row, f"as {subject.name_of(kept)}", kept))
    if examples:
        yield Issue(
            code,
            "warning",
            f"{images(len(examples), 'are')} {words}",
            "Copies count twice in training and in every figure; they make a data set look larger than it is.",
            "Keep one of each; a cleaned manifest drops exact copies." if code == "duplicate" else "Keep one of each.",
            len(examples),
            tuple(examples),
        )


def _groups(ids: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The rows of each id that more than one row has, in order of their first rows."""
    order = np.argsort(ids, kind="stable")
    _, starts, counts = np.unique(ids[order], return_index=True, return_counts=True)
    groups = [order[start : start + count] for start, count in zip(starts, counts, strict=True) if count > 1]
    return sorted(groups, key=lambda rows: int(rows[0]))
