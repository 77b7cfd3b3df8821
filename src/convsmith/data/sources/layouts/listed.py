"""What the published layouts share: lists of images in text files, and the listing that comes of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convsmith.data.dataset import Finding
from convsmith.data.images import FileImages, packed
from convsmith.data.sources.listing import Listing, rows_by_split
from convsmith.data.sources.naming.class_names import check_class_name, plain
from convsmith.data.sources.walk import Walk, entries
from convsmith.errors import DataError

MAX_TEXT_BYTES = 64 << 20
"""Of a list. The largest published one, Food-101's, has 2 MB."""

SHOWN_EMPTY = 3
"""Classes without images that are named."""


class Member(NamedTuple):
    """An image: its path from the root of the data set, the number of its class, and its split."""

    file: str
    label: int
    split: str


def listing_of(
    root: Path,
    members: Iterable[Member],
    names: Mapping[int, str],
    findings: Iterable[Finding] = (),
    notes: Iterable[Finding] = (),
) -> Listing:
    """The listing of a data set's images, in the order of their paths.

    `names` are those of the classes by number; their order is that of the numbers. Classes without images are left out,
    with a note. An image that the lists have twice is left out if they differ. Raises DataError for two classes of one
    name, and where no image is listed.
    """
    found = list(findings)
    kept = _each_once(members, root, found)
    if not kept:
        raise DataError(f"{root}: its lists name no images")
    numbers = sorted({member.label for member in kept})
    classes = tuple(plain(names[number]) for number in numbers)
    for name in classes:
        check_class_name(name, str(root))
    twice = (
        next((name for name in classes if classes.count(name) > 1), None) if len(set(classes)) < len(classes) else None
    )
    if twice is not None:
        raise DataError(f"{root}: two of its classes are called {twice!r}")
    places = {number: place for place, number in enumerate(numbers)}
    return Listing(
        name=root.resolve().name,
        classes=classes,
        images=FileImages(root, packed(member.file for member in kept)),
        labels=np.array([places[member.label] for member in kept], np.int64),
        rows=rows_by_split([member.split for member in kept], str(root)),
        root=root,
        findings=tuple(found),
        notes=(*notes, *_empty(root, names, numbers)),
    )


def _each_once(members: Iterable[Member], root: Path, findings: list[Finding]) -> list[Member]:
    by_file: dict[str, Member | None] = {}
    for member in members:
        known = by_file.setdefault(member.file, member)
        if known is not None and known != member:
            what = f"the splits {known.split} and {member.split}" if known.label == member.label else "two classes"
            findings.append(Finding(str(root / member.file), f"its lists put it into {what}; not used"))
            by_file[member.file] = None
    return [by_file[file] for file in sorted(by_file) if by_file[file] is not None]  # type: ignore[misc]


def _empty(root: Path, names: Mapping[int, str], numbers: Sequence[int]) -> tuple[Finding, ...]:
    empty = [names[number] for number in sorted(set(names) - set(numbers))]
    if not empty:
        return ()
    shown = ", ".join(empty[:SHOWN_EMPTY]) + (", ..." if len(empty) > SHOWN_EMPTY else "")
    count = "1 class has" if len(empty) == 1 else f"{len(empty):,} classes have"
    return (Finding(str(root), f"{count} no images: {shown}; left out"),)


def lines_of(path: Path) -> list[str]:
    """The lines of a list, without blanks at their ends; blank lines too. Raises DataError naming the file."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_TEXT_BYTES:
        raise DataError(f"{path} is longer than {MAX_TEXT_BYTES:,} bytes, so it is not a list")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(f"{path} is not a text file")
    return [line.strip() for line in text.split("\n")]


def rows_of(path: Path, cells: int, expected: str) -> list[tuple[str, list[str]]]:
    """The words of each line that is not blank, with the line's place as errors give it ("FILE: line 3").

    The last of `cells` words takes the rest of its line. Raises DataError saying what was `expected`.
    """
    rows = []
    for number, line in enumerate(lines_of(path), 1):
        if line:
            words = line.split(maxsplit=cells - 1)
            if len(words) < cells:
                raise DataError(f"{path}: line {number} is {line[:60]!r}; expected {expected}")
            rows.append((f"{path}: line {number}", words))
    return rows


def number_of(where: str, word: str, what: str) -> int:
    """A whole number in a list. Raises DataError."""
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise DataError(f"{where} has {word[:40]!r} for {what}; expected a whole number")
    return int(word)


def images_in(root: Path, folder: str, walk: Walk) -> list[str]:
    """The image files in and below a folder of the root, as paths from the root. Raises DataError if it cannot be
    listed."""
    return list(walk.images_below(root / folder, folder))


def unlisted(root: Path, folder: str, listed: Collection[str]) -> tuple[Finding, ...]:
    """A note on the images below a folder that no list names."""
    known = set(listed)
    others = [file for file in images_in(root, folder, Walk()) if file not in known]
    if not others:
        return ()
    count = "1 image is" if len(others) == 1 else f"{len(others):,} images are"
    return (Finding(str(root / folder), f"{count} in none of the lists, such as {others[0]}; not used"),)


def subfolders(folder: Path) -> list[str]:
    """The folders in a folder, sorted; none if it is no folder."""
    return entries(folder, folders=True) if folder.is_dir() else []


def read_as(root: Path, what: str, splits: str) -> Finding:
    """The note that says in which layout a folder was read, and where its splits are from."""
    return Finding(str(root), f"read as {what}; {splits}")


def wordnet_names(ids: Iterable[str], others: Mapping[str, str]) -> dict[str, str]:
    """A name for each WordNet id: that of ImageNet's 1000 classes, so that their classifiers can be measured; for other
    synsets the given one, with the id where two share it."""
    from convsmith.weights.imagenet import labels, synsets

    known = {synset.wordnet_id: name for synset, name in zip(synsets(), labels(), strict=True)}
    named: dict[str, str] = {}
    for wordnet_id in sorted(ids):
        name = known.get(wordnet_id) or others.get(wordnet_id, wordnet_id)
        named[wordnet_id] = name if name not in named.values() else f"{name} ({wordnet_id})"
    return named


def below(*parts: str) -> str:
    """A path of these parts, as lists write it."""
    return os.path.normpath("/".join(parts))
