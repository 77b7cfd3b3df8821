"""Who trains, validates and tests: a seeded, stratified rule, and the checks that every split must pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from convsmith.errors import DataError

SHOWN_LEFT_OUT = 3

Rows = Mapping[str, NDArray[np.int64]]

HELD_OUT = {"val": 0.15, "test": 0.15}
"""Fractions of each class where a source has no splits."""

VAL_OF_TRAIN = {"val": 0.1}
"""The fraction of each class of train where a source has a test split, and so its own idea of train's size."""


def complete(
    rows: Rows,
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    seed: int,
    where: str,
    fractions: Mapping[str, float] | None = None,
    why_few: Callable[[int], str] = lambda label: "",
) -> Rows:
    """The splits of a source, and val and test carved out of train where the source lacks them; then checked.

    - train alone: of each class 15% for val and 15% for test, at least one image each;
    - train and test: 10% of each class of train, at least one image, for val;
    - train and val: as they are, without a test split;
    - no train: as they are, to measure on;
    - with `fractions`, these of each class of train, whatever else there is.

    Which images, depends on the seed and on the order of the rows within a class (sources sort by name).
    Raises DataError for a class that is missing in a split or too small to be in all; `why_few` says why it is.
    """
    if fractions is None and "train" in rows and "val" not in rows:
        fractions = VAL_OF_TRAIN if "test" in rows else HELD_OUT
    if fractions:
        _check_counts(np.bincount(labels[rows["train"]], minlength=len(classes)), classes, fractions, where, why_few)
        rows = {**_carved(rows["train"], labels, fractions, seed), **{k: v for k, v in rows.items() if k != "train"}}
    ordered = {name: rows[name] for name in ("train", "val", "test") if name in rows}
    for name, members in ordered.items():
        _check_present(np.bincount(labels[members], minlength=len(classes)), classes, name, where, why_few)
    return ordered


def check_classes(classes: tuple[str, ...], where: str, least: int = 2, left_out: Sequence[object] = ()) -> None:
    """Raises DataError unless there are two classes to tell apart, or `least`; `left_out` may be why."""
    if len(classes) < least:
        found = f"one class, {classes[0]!r}" if classes else "no images"
        why = f" ({'; '.join(map(str, left_out[:SHOWN_LEFT_OUT]))})" if left_out else ""
        raise DataError(f"{where} holds {found}; at least two classes are needed, each in its own folder or label{why}")


def _carved(
    train: NDArray[np.int64], labels: NDArray[np.int64], fractions: Mapping[str, float], seed: int
) -> dict[str, NDArray[np.int64]]:
    parts: dict[str, list[NDArray[np.int64]]] = {"train": [], **{name: [] for name in fractions}}
    for label in np.unique(labels[train]):
        members = train[labels[train] == label]
        members = members[np.random.default_rng([seed, int(label)]).permutation(len(members))]
        start = 0
        for name, fraction in fractions.items():
            count = max(1, round(fraction * len(members)))
            parts[name].append(members[start : start + count])
            start += count
        parts["train"].append(members[start:])
    return {name: np.sort(np.concatenate(part)) for name, part in parts.items()}


def _check_counts(
    counts: NDArray[np.int64],
    classes: tuple[str, ...],
    fractions: Mapping[str, float],
    where: str,
    why_few: Callable[[int], str],
) -> None:
    needed = 1 + len(fractions)
    splits = " and ".join(("train", *fractions))
    for label, (name, count) in enumerate(zip(classes, counts.tolist(), strict=True)):
        if 0 < count < needed:
            images = "1 image" if count == 1 else f"{count} images"
            why = why_few(label)
            raise DataError(f"{where}: class {name!r} has {images}; it needs {needed}, one each for {splits}{why}")


def _check_present(
    counts: NDArray[np.int64], classes: tuple[str, ...], split: str, where: str, why_few: Callable[[int], str]
) -> None:
    missing = [label for label, count in enumerate(counts.tolist()) if not count]
    if missing:
        names = ", ".join(repr(classes[label]) for label in missing[:3]) + (", ..." if len(missing) > 3 else "")
        kind = f"class {names} has" if len(missing) == 1 else f"{len(missing)} classes {names} have"
        why = why_few(missing[0])
        raise DataError(f"{where}: {kind} no image in {split}; each class needs one in every split{why}")
