"""The doctor's visit: everything that can be said of a data set before training, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith import records
from convsmith.data.assemble import SHOWN_REFUSED, fingerprint
from convsmith.data.dataset import Dataset, Split
from convsmith.data.given import GivenImages
from convsmith.data.summary import Summary
from convsmith.doctor.checks.balance import balance_issues, counts
from convsmith.doctor.checks.duplicates import Copies, copy_issues, exact_copies
from convsmith.doctor.checks.labels import LabelErrors, label_errors
from convsmith.doctor.checks.near import near_duplicates
from convsmith.doctor.checks.quality import quality_issues
from convsmith.doctor.checks.resolution import Measured, measure
from convsmith.doctor.embedding import Embedding, embed, learned_embedding, pretrained_for
from convsmith.doctor.issue import Example, Issue, by_severity, images
from convsmith.doctor.scan import Scan, scan
from convsmith.doctor.subject import Subject, subject_of
from convsmith.errors import DataError

BUDGET_GMACS = 300
"""What embedding may cost by a pretrained network: half a minute on two cores. Of more images, a sample is embedded."""

Watch = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class LabelCheck:
    """How labels were checked: how many of the images, with vectors from where, the accuracy of the classifier that did
    (cross-validated), and the share of wrong labels that the confident joint estimates."""

    images: int
    source: str
    accuracy: float
    noise: float


@dataclass(frozen=True, eq=False)
class Inspection:
    """What `inspect` found: the data set in figures, its issues, the worst first, and what was measured.

    `smallest` and `largest` are (height, width) by area. `labels` is None where labels could not be checked. `subject`
    and `copies` are what the issues are of: their examples name rows of it.
    """

    summary: Summary
    issues: tuple[Issue, ...]
    smallest: tuple[int, int]
    largest: tuple[int, int]
    measured: Measured
    labels: LabelCheck | None
    subject: Subject
    copies: Copies

    def issue(self, code: str) -> Issue | None:
        """The issue of this code, if the data set has it."""
        return next((issue for issue in self.issues if issue.code == code), None)

    def require_sound(self) -> None:
        """Raises DataError naming what was left out and every error; nothing if there is none."""
        left_out = (*self.subject.left_out, *self.subject.unreadable)
        wrong = [str(finding) for finding in left_out] + [i.what for i in self.issues if i.severity == "error"]
        if wrong:
            more = f"; and {len(wrong) - SHOWN_REFUSED:,} more" if len(wrong) > SHOWN_REFUSED else ""
            raise DataError(f"{self.summary.name}: {'; '.join(wrong[:SHOWN_REFUSED])}{more}", settings="strict")

    def to_json(self) -> dict[str, Any]:
        said: dict[str, Any] = self.summary.to_json()
        return {
            **said,
            "smallest": list(self.smallest),
            "largest": list(self.largest),
            "measured": records.to_json(self.measured),
            "labels": None if self.labels is None else records.to_json(self.labels),
            "issues": [records.to_json(issue) for issue in self.issues],
        }

    def __str__(self) -> str:
        from convsmith.doctor.text import text_of

        return text_of(self)


def inspect(
    data: Dataset | str | Path | GivenImages,
    *,
    seed: int = 0,
    progress: Watch = lambda what, done, total: None,
) -> Inspection:
    """Looks for what is wrong with a data set: missing, broken and repeated images, leaks between splits, wrong labels.

    `data` is whatever `open_dataset` takes, and also what it refuses: one class, a class that is missing in a split,
    images without labels (a folder, arrays, Pillow's images). `seed` makes the splits that are missing, as for
    training, and settles whatever is drawn. No image is changed. `progress` is told what is being done, and how far.

    Raises UnknownNameError if there is no such name or path, DataError where no image is usable.
    """
    subject = subject_of(data, seed=seed, progress=partial(progress, "checking files"))
    looked = scan(subject.images, partial(progress, "looking at images"))
    exact = exact_copies(subject, looked)
    progress("comparing images", 0, 1)
    copies = Copies(exact, near_duplicates(subject, looked.thumbnails, exact))
    channels = looked.thumbnails.shape[-1]
    measured, enlarged = measure(subject, channels, partial(progress, "measuring detail"))
    checked, wrong = _labels(subject, looked, seed, progress)
    issues = [*balance_issues(subject), *copy_issues(subject, copies), *wrong]
    issues += [*quality_issues(subject, looked), *enlarged]
    area = subject.sizes.prod(1, dtype=np.int64)
    return Inspection(
        summary=_summary(subject, channels),
        issues=by_severity(issues),
        smallest=_size(subject, int(area.argmin())),
        largest=_size(subject, int(area.argmax())),
        measured=measured,
        labels=checked,
        subject=subject,
        copies=copies,
    )


def _labels(subject: Subject, looked: Scan, seed: int, progress: Watch) -> tuple[LabelCheck | None, tuple[Issue, ...]]:
    if subject.labels is None or len(subject.classes) < 2:
        return None, ()
    rows, embedding = _embedded(subject, looked, seed, progress)
    found = label_errors(
        embedding.values, subject.labels[rows], seed=seed, progress=partial(progress, "checking labels")
    )
    if found is None:
        return None, ()
    check = LabelCheck(len(rows), embedding.source, round(found.accuracy, 4), round(found.noise, 4))
    return check, tuple(_wrong(subject, rows, found))


def _embedded(subject: Subject, looked: Scan, seed: int, progress: Watch) -> tuple[NDArray[np.int64], Embedding]:
    """Rows, and their vectors: of all images, or of as many as there is time for."""
    watch = partial(progress, "learning features")
    present = np.array([row for row in range(len(subject)) if row not in looked.gone], np.int64)
    short = int(np.median(subject.sizes.min(1)))
    pretrained = pretrained_for(short, looked.thumbnails.shape[-1] == 1)
    if pretrained is None:
        small = looked.thumbnails if len(present) == len(subject) else looked.thumbnails[present]
        return present, learned_embedding(small, seed, progress=watch)
    most = int(BUDGET_GMACS / pretrained.gmacs)
    if len(present) > most:
        assert subject.labels is not None
        by_class = present[np.argsort(subject.labels[present], kind="stable")]
        present = np.sort(by_class[np.linspace(0, len(by_class) - 1, most).astype(np.int64)])
    watch(0, 1)
    return present, embed(subject.images, present, seed=seed)


def _wrong(subject: Subject, rows: NDArray[np.int64], found: LabelErrors) -> Iterator[Issue]:
    if not len(found.places):
        return
    examples = []
    for place, suggested, confidence in zip(
        rows[found.places].tolist(), found.suggested.tolist(), found.confidence.tolist(), strict=True
    ):
        said = f"{subject.class_of(place)} ({confidence:.1%}); looks like {subject.classes[suggested]}"
        examples.append(Example(subject.name_of(place), place, said))
    sampled = "" if len(rows) == len(subject) else f" ({len(rows):,} were sampled)"
    yield Issue(
        "wrong-label",
        "warning",
        f"{images(len(examples), 'have')} probably a wrong label{sampled}",
        "Wrong labels cost accuracy in training; in test they make every figure wrong.",
        "Look at them, the surest are first; a cleaned manifest drops them only if that is asked for.",
        len(examples),
        tuple(examples),
    )


def _summary(subject: Subject, channels: int) -> Summary:
    labels = np.zeros(len(subject), np.int64) if subject.labels is None else subject.labels
    splits = {}
    for number, name in enumerate(subject.splits):
        members = np.flatnonzero(subject.split == number)
        splits[name] = Split(subject.images, labels[members], subject.content[members])
    height, width = np.median(subject.sizes, axis=0).astype(int).tolist()
    return Summary(
        name=subject.name,
        classes=subject.classes,
        images=counts(subject),
        channels=channels,
        size=(height, width),
        skipped=tuple(map(str, (*subject.left_out, *subject.unreadable))),
        fingerprint=fingerprint(subject.classes, splits),
        notes=tuple(map(str, subject.notes)),
        files=len(subject) + len(subject.unreadable),
        unusable=len(subject.unreadable),
        made_splits=subject.made_splits,
        seed=subject.seed,
    )


def _size(subject: Subject, row: int) -> tuple[int, int]:
    height, width = subject.sizes[row].tolist()
    return height, width
