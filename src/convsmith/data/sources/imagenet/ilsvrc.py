"""ImageNet's ILSVRC 2012, as it is distributed: archives or what is in them, in any mixture; nothing is unpacked.

- train: `ILSVRC2012_img_train.tar`, a tar of a tar for each class; or those tars in a folder; or folders of images.
- val: `ILSVRC2012_img_val.tar` or a folder of its images, with the development kit or Kaggle's table for their labels;
  or folders of images.
- test: its labels were never published.

All may lie in the folder itself, in `train/` and `val/`, or below `ILSVRC/Data/CLS-LOC/`, as Kaggle has it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Finding
from convsmith.data.images import FileImages, joined, packed
from convsmith.data.sources.imagenet.devkit import KIT, VAL_NAME, WORDNET_ID, validation_labels
from convsmith.data.sources.listing import Listing
from convsmith.data.sources.tar import read_tar, read_tar_of_tars
from convsmith.data.sources.walk import entries
from convsmith.errors import DataError

TRAIN = "ILSVRC2012_img_train"
VAL = "ILSVRC2012_img_val"
TEST = "ILSVRC2012_img_test"
CLASS_TAR = re.compile(r"n\d{8}\.tar")
KAGGLE_FOLDERS = ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
NO_LABELS = f"no labels for it; put the development kit, {KIT}.tar.gz, beside it"

Labelled = tuple[FileImages, NDArray[np.bytes_]]
"""Images, and the WordNet id of each."""


def is_ilsvrc(folder: Path) -> bool:
    """Whether a folder holds ILSVRC 2012, by names that only its files have; folders of images alone are not enough."""
    if _base(folder) != folder:
        return True
    names = set(_names(folder))
    if names & {f"{TRAIN}.tar", f"{VAL}.tar", f"{TEST}.tar", TRAIN, VAL, KIT, f"{KIT}.tar.gz"}:
        return True
    if any(CLASS_TAR.fullmatch(name) for name in (*names, *_names(folder / "train"))):
        return True
    if _has_val_images(folder / "val"):
        return True
    return _has_val_images(folder) and set(entries(folder, folders=True)) <= {"train", "test"}


def read_ilsvrc(folder: Path) -> Listing:
    """Lists what is there of train and val. Classes are in the order of their WordNet ids, as every published
    classifier has them, and called as `convsmith.weights.imagenet.labels` calls them; they are those of train, or of
    val where there is no train.

    Raises DataError naming the archive that is damaged, or if there is neither train nor labelled val.
    """
    base = _base(folder)
    findings: list[Finding] = []
    parts: dict[str, Labelled] = {}
    train = _chosen(_train_places(base), findings)
    if train is not None:
        parts["train"] = _by_class(train, folder, findings)
    val = _chosen(_val_places(base), findings)
    if val is not None and not _has_class_folders(val):
        labels = validation_labels((folder, base))
        if labels is None and train is None:
            raise DataError(f"{val}: {NO_LABELS}")
        if labels is None:
            findings.append(Finding(str(val), f"{NO_LABELS}; not used"))
        else:
            parts["val"] = _validation(val, folder, labels, findings)
    elif val is not None:
        parts["val"] = _by_class(val, folder, findings)
    tests = [path for path in (base / f"{TEST}.tar", base / TEST, base / "test") if path.exists()]
    findings += [Finding(str(path), "the test images' labels are not published; not used") for path in tests]
    if "train" in parts and "val" in parts:
        parts["val"] = _known_to_train(parts["val"], parts["train"][1], val, findings)
    parts = {split: part for split, part in parts.items() if len(part[0])}
    if not parts:
        raise DataError(
            f"{folder} holds no images of ILSVRC 2012; expected {TRAIN}.tar or {VAL}.tar, or what is in them"
        )
    return _listing(folder, parts, findings)


def _listing(folder: Path, parts: dict[str, Labelled], findings: list[Finding]) -> Listing:
    from convsmith.weights.imagenet import labels, synsets

    wordnet_ids, numbers = np.unique(np.concatenate([ids for _, ids in parts.values()]), return_inverse=True)
    names = {synset.wordnet_id: name for synset, name in zip(synsets(), labels(), strict=True)}
    classes = tuple(names.get(wordnet_id, wordnet_id) for wordnet_id in wordnet_ids.astype(str).tolist())
    ends = np.cumsum([len(ids) for _, ids in parts.values()]).tolist()
    rows = {split: np.arange(end - len(ids), end) for (split, (_, ids)), end in zip(parts.items(), ends, strict=True)}
    images = joined([images for images, _ in parts.values()])
    return Listing(folder.resolve().name, classes, images, numbers.astype(np.int64), rows, folder, tuple(findings))


def _base(folder: Path) -> Path:
    return next((folder / below for below in KAGGLE_FOLDERS if (folder / below).is_dir()), folder)


def _train_places(base: Path) -> Iterator[Path]:
    """What holds training images, what is whole for certain first."""
    folders = (base, base / "train", base / TRAIN)
    yield from (folder / f"{TRAIN}.tar" for folder in folders if (folder / f"{TRAIN}.tar").is_file())
    yield from (folder for folder in folders if _has_class_folders(folder) or _has_class_tars(folder))


def _val_places(base: Path) -> Iterator[Path]:
    folders = (base, base / "val", base / VAL)
    yield from (folder / f"{VAL}.tar" for folder in folders if (folder / f"{VAL}.tar").is_file())
    yield from (folder for folder in folders if _has_val_images(folder))
    yield from (folder for folder in folders[1:] if _has_class_folders(folder))


def _chosen(places: Iterator[Path], findings: list[Finding]) -> Path | None:
    """The first of the places that hold the same."""
    first, *others = (*places, None)
    findings += [Finding(str(path), f"{first} is used in its place") for path in others if path is not None]
    return first


def _by_class(place: Path, root: Path, findings: list[Finding]) -> Labelled:
    """The images of a tar of tars, or of a folder of tars or of folders, by class and name."""
    named = read_tar_of_tars(place, root) if place.is_file() else _of_folder(place, root)
    parts: dict[str, FileImages] = {}
    for name, images in named:
        if WORDNET_ID.fullmatch(name):
            parts[name] = images
        else:
            findings.append(Finding(str(place / name), "its name is not a WordNet id; not used"))
    ordered = sorted(parts)
    if not ordered:
        raise DataError(f"{place} holds no classes; expected a tar for each, like n01440764.tar")
    labels = np.repeat(np.array(ordered, np.bytes_), [len(parts[name]) for name in ordered])
    return joined([parts[name] for name in ordered]), labels


def _of_folder(folder: Path, root: Path) -> Iterator[tuple[str, FileImages]]:
    tars = {name[:-4] for name in entries(folder, folders=False) if CLASS_TAR.fullmatch(name)}
    for name in sorted(tars):
        yield name, read_tar(folder / f"{name}.tar", root)
    for name in entries(folder, folders=True):
        if WORDNET_ID.fullmatch(name) and name not in tars:
            shown = (folder / name).relative_to(root).as_posix()
            yield name, FileImages(root, packed(f"{shown}/{file}" for file in entries(folder / name, folders=False)))


def _validation(place: Path, root: Path, labels: dict[int, str], findings: list[Finding]) -> Labelled:
    """The images of val's tar or folder that have a name like ILSVRC2012_val_00000001.JPEG, with their labels."""
    if place.is_file():
        images: FileImages = read_tar(place, root)
    else:
        prefix = "" if place == root else f"{place.relative_to(root).as_posix()}/"
        images = FileImages(root, packed(prefix + name for name in sorted(filter(VAL_NAME.fullmatch, _names(place)))))
    found = [VAL_NAME.fullmatch(os.fsdecode(name).rpartition("/")[2]) for name in images.names]
    ids = [labels.get(int(match[1]), "") if match else "" for match in found]
    for row, label in enumerate(ids):
        if not label:
            why = "the labels have no line for it" if found[row] else "its name is not that of a validation image"
            findings.append(Finding(images.name(row), f"{why}; not used"))
    kept = np.array([row for row, label in enumerate(ids) if label], np.int64)
    return images.take(kept), np.array(ids, np.bytes_)[kept]


def _known_to_train(val: Labelled, train: NDArray[np.bytes_], place: Path | None, findings: list[Finding]) -> Labelled:
    """Val without the classes that train does not have: a part of train is a task of its own."""
    images, ids = val
    known = np.isin(ids, np.unique(train))
    if known.all():
        return val
    others = len(Counter(ids[~known].tolist()))
    reason = f"{(~known).sum():,} images of {others:,} classes that train does not have; not used"
    findings.append(Finding(str(place), reason))
    return images.take(np.flatnonzero(known)), ids[known]


def _has_class_tars(folder: Path) -> bool:
    return any(CLASS_TAR.fullmatch(name) for name in _names(folder))


def _has_class_folders(folder: Path) -> bool:
    return any(WORDNET_ID.fullmatch(name) and (folder / name).is_dir() for name in _names(folder))


def _has_val_images(folder: Path) -> bool:
    return any(VAL_NAME.fullmatch(name) for name in _names(folder))


def _names(folder: Path) -> Iterator[str]:
    """The names in a folder, in no order, as they come; none where it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            yield from (entry.name for entry in found)
    except OSError:
        return
