"""Classes and splits: what is missing, what is rare, what could not be read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convsmith.doctor.issue import Example, Issue, images
from convsmith.doctor.subject import Subject

FEW_IMAGES = 20
"""Of a class in train, below which its accuracy depends on which ones they are."""

UNBALANCED = 10
"""Times as many images in the largest class as in the smallest."""


def balance_issues(subject: Subject) -> Iterator[Issue]:
    """What is to be said of classes, splits and files before any image is looked at."""
    yield from _unreadable(subject)
    if subject.labels is None:
        yield Issue(
            "no-labels",
            "note",
            f"these images have no labels: {subject.why_unlabelled}",
            "Classes, splits and wrong labels cannot be checked.",
            "Put the images of each class into a folder of its own, or list them in a CSV file with path and class.",
        )
        return
    missing = list(_missing(subject))
    yield from missing
    if subject.why_unsplit and not missing:
        yield Issue(
            "no-splits",
            "error",
            subject.why_unsplit,
            "Nothing can be trained on these data as they are.",
            "Add images of the class, or leave it out.",
        )
    yield from _few(subject)
    yield from _unbalanced(subject)


def counts(subject: Subject) -> dict[str, dict[str, int]]:
    """Usable images by split and class; of images without labels, by split alone."""
    classes = subject.classes or ("images",)
    found = {}
    for number, split in enumerate(subject.splits):
        labels = (np.zeros(len(subject), np.int64) if subject.labels is None else subject.labels)[
            subject.split == number
        ]
        found[split] = dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))
    return found


def _unreadable(subject: Subject) -> Iterator[Issue]:
    files = subject.unreadable
    if files:
        noun = "1 file is" if len(files) == 1 else f"{len(files):,} files are"
        share = len(files) / (len(subject) + len(files))
        yield Issue(
            "unreadable",
            "warning",
            f"{noun} not usable images ({share:.1%} of all)",
            "They are left out of training and of every figure.",
            "Fetch them again, or leave them out; a cleaned manifest does.",
            len(files),
            tuple(Example(finding.subject, None, finding.reason) for finding in files),
        )


def _missing(subject: Subject) -> Iterator[Issue]:
    if len(subject.classes) == 1:
        yield Issue(
            "one-class",
            "error",
            f"there is one class, {subject.classes[0]!r}",
            "A classifier tells classes apart; with one there is nothing to learn.",
            "Add images of what the class is to be told from.",
            1,
            (Example(subject.classes[0]),),
        )
        return
    gaps = [(split, name) for split, found in counts(subject).items() for name, count in found.items() if not count]
    if gaps:
        names = sorted({name for _, name in gaps})
        noun = f"class {names[0]!r} has" if len(names) == 1 else f"{len(names)} classes have"
        where = ", ".join(dict.fromkeys(split for split, _ in gaps))
        yield Issue(
            "missing-class",
            "error",
            f"{noun} no image in {where}",
            "A class that is not trained on is never predicted; one that is not tested on is not measured.",
            "Add images of it there, or leave the class out everywhere.",
            len(gaps),
            tuple(Example(name, None, f"none in {split}") for split, name in gaps),
        )


def _few(subject: Subject) -> Iterator[Issue]:
    found = next(iter(counts(subject).values()))
    few = {name: count for name, count in found.items() if 0 < count < FEW_IMAGES}
    if few and len(subject.classes) > 1:
        noun = "1 class has" if len(few) == 1 else f"{len(few)} classes have"
        yield Issue(
            "few-images",
            "warning",
            f"{noun} fewer than {FEW_IMAGES} images in {subject.splits[0]}",
            "Too few to learn from by themselves, and their accuracy depends on which ones they are.",
            "Add images, join classes, or start from pretrained weights.",
            len(few),
            tuple(Example(name, None, images(count)) for name, count in sorted(few.items(), key=lambda item: item[1])),
        )


def _unbalanced(subject: Subject) -> Iterator[Issue]:
    found = {name: count for name, count in next(iter(counts(subject).values())).items() if count}
    if len(found) < 2:
        return
    largest, smallest = max(found, key=lambda name: found[name]), min(found, key=lambda name: found[name])
    if found[largest] >= UNBALANCED * found[smallest]:
        yield Issue(
            "unbalanced",
            "warning",
            f"{largest!r} has {found[largest] / found[smallest]:.0f} times as many images as {smallest!r} "
            f"({found[largest]:,} and {found[smallest]:,}) in {subject.splits[0]}",
            "Accuracy over all images hides how the rare classes fare, and a network prefers the frequent ones.",
            "Read balanced accuracy and the confusions; add images of the rare classes.",
            len(found),
            (Example(smallest, None, images(found[smallest])), Example(largest, None, images(found[largest]))),
        )
