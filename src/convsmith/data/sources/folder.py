"""A folder with a folder per class, with or without folders for the splits above them."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from convsmith.data.dataset import Finding
from convsmith.data.images import FileImages, packed
from convsmith.data.sources.listing import Listing, rows_by_split
from convsmith.data.sources.naming.class_names import name_classes
from convsmith.data.sources.naming.split_names import split_and_rest, split_of
from convsmith.data.sources.walk import ARCHIVES, Walk, entries
from convsmith.errors import DataError

MAX_WRAPPERS = 4
"""Folders that are looked into one below another, as archives are unpacked: `data/data/train`."""

MAX_BESIDE = 3
"""Folders of which one may hold the splits and the others annotations or the like."""

TABLES = (".csv", ".tsv", ".parquet")
SHOWN_LOOSE = 3
"""Images in no class folder that are named one by one."""


class _Place(NamedTuple):
    """A split, the folder that it lies in, and the class folders in there."""

    split: str
    folder: Path
    classes: list[str]


def read_folder(root: Path) -> Listing:
    """Lists the image files under each class folder, however deep, in the order of their names; none is decoded.

    Folders that are called like splits (see `split_of`) and hold folders are splits, whose classes are matched by name.
    Links to files and to class folders are followed; links to folders further down are not, because they can lead in
    circles. Raises DataError for a folder without class folders, and where it is unclear which folders are splits.
    """
    walk = Walk()
    names, class_names, split_names = [], [], []
    for split, folder, classes in _places(root, walk):
        for label in classes:
            below = list(walk.images_below(folder / label, os.path.relpath(folder / label, root)))
            if not below:
                walk.findings.append(Finding(str(folder / label), "holds no images; this class is left out"))
            names += below
            class_names += [label] * len(below)
            split_names += [split] * len(below)
    if not names:
        raise DataError(f"{root} holds no images; expected a folder of images for each class{_of_archives(root)}")
    named = name_classes(class_names, str(root), split_names)
    return Listing(
        name=root.resolve().name,
        classes=named.classes,
        images=FileImages(root, packed(names)),
        labels=named.labels,
        rows=rows_by_split(split_names, str(root)),
        root=root,
        findings=tuple(walk.findings),
        notes=(*walk.account(root), *named.notes, *_of_kinds(root, names, class_names)),
    )


def _of_archives(root: Path) -> str:
    archives = [name for name in entries(root, folders=False) if name.lower().endswith(ARCHIVES)]
    return f"; unpack {archives[0]} first" if archives else ""


def _of_kinds(root: Path, names: list[str], class_names: list[str]) -> list[Finding]:
    """A note where every class has folders of its own below it, as of kinds of animals: they may be the classes."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for name, label in zip(names, class_names, strict=True):
        folders = name.split("/")[:-1]
        kinds[label].add(next(iter(folders[folders.index(label) + 1 :]), ""))
    below = [kind for found in kinds.values() for kind in found]
    if "" in below or len(set(below)) < len(below) or min(map(len, kinds.values())) < 2:
        return []
    first = next(iter(kinds))
    shown = ", ".join(f"{first}/{kind}" for kind in sorted(kinds[first])[:2])
    reason = f"its classes hold {len(below):,} folders ({shown}, ...), which are not told apart; are these the classes?"
    return [Finding(str(root), reason)]


def _places(root: Path, walk: Walk, wrappers: int = 0) -> list[_Place]:
    """Where the class folders of each split are; one place, "train", if there are no splits."""
    folders = walk.folders(root)
    likely = {name: split_and_rest(name)[0] for name in folders}
    structured = [name for name in folders if likely[name] and walk.folders(root / name)]
    chosen = [name for name in structured if split_of(name)] or _prefixed(structured)
    if chosen:
        return _split_places(root, folders, chosen, walk)
    inner = _wrapped(root, folders, walk) if wrappers < MAX_WRAPPERS else None
    if inner is not None:
        walk.notes.append(Finding(str(root), f"{inner.name} is read in its place"))
        others = [name for name in folders if name != inner.name]
        walk.findings += [Finding(str(root / name), "not one of the splits; not used") for name in others]
        return _places(inner, walk, wrappers + 1)
    return [_Place("train", root, _without_unlabelled(root, folders, _class_folders(root, folders, walk), walk))]


def _prefixed(structured: list[str]) -> list[str]:
    """Folders like "pets_train" and "pets_test", whose names differ in the split alone."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in structured:
        groups[split_and_rest(name)[1]].append(name)
    found = [group for group in groups.values() if len({split_and_rest(name)[0] for name in group}) > 1]
    return found[0] if len(found) == 1 else []


def _split_places(root: Path, folders: list[str], chosen: list[str], walk: Walk) -> list[_Place]:
    by_split: dict[str, list[str]] = defaultdict(list)
    for name in chosen:
        by_split[str(split_and_rest(name)[0])].append(name)
    for same in by_split.values():
        if len(same) > 1:
            raise DataError(f"{root} holds {', '.join(same)}, which are the same split; keep one of them")
    places = []
    for split, (name,) in by_split.items():
        folder = _unwrapped_split(root / name, walk)
        places.append(_Place(split, folder, _class_folders(folder, walk.folders(folder), walk)))
    others = [name for name in folders if name not in chosen]
    unlabelled = [name for name in others if split_of(name)]
    for name in unlabelled:
        _leave_unlabelled(root / name, walk)
    others = [name for name in others if name not in unlabelled]
    held_out = {label for place in places for label in place.classes}
    if "train" not in by_split and others and held_out <= set(others):
        return [_Place("train", root, _class_folders(root, others, walk)), *places]
    walk.findings += [Finding(str(root / name), "not one of the splits; not used") for name in others]
    return places


def _without_unlabelled(root: Path, folders: list[str], classes: list[str], walk: Walk) -> list[str]:
    """The classes without folders that are called like a split but hold no class folders.

    A class may be called "train" (there are pictures of trains); "val" and "test" are none. Raises DataError where
    several are there, or nothing else.
    """
    named = {name: split_and_rest(name) for name in folders}
    splits = [name for name, (split, rest) in named.items() if split and not rest]
    of_classes = [name for name, (split, rest) in named.items() if split and rest]
    kinds = {named[name][0] for name in splits}
    if splits and (len(kinds) > 1 or len(splits) == len(folders)):
        raise DataError(
            f"{root}: {', '.join(splits)} are named like splits but hold no class folders; put the images of each "
            f"class into a folder of its own, such as {splits[0]}/cat"
        )
    if len(of_classes) == len(folders) > 1 and len({named[name][0] for name in of_classes}) > 1:
        raise DataError(
            f"{root}: {', '.join(of_classes[:4])} each hold one split of one class; put them into folders by split, "
            f"such as {named[of_classes[0]][0]}/{'_'.join(named[of_classes[0]][1])}"
        )
    left = [name for name in splits if named[name][0] != "train"]
    for name in left:
        _leave_unlabelled(root / name, walk)
    return [name for name in classes if name not in left]


def _leave_unlabelled(folder: Path, walk: Walk) -> None:
    count = sum(1 for _ in Walk().images_below(folder, ""))
    reason = f"named like a split, but its {count:,} images are not in class folders, so have no labels; not used"
    walk.findings.append(Finding(str(folder), reason))


def _unwrapped_split(folder: Path, walk: Walk) -> Path:
    """The folder of a split, or the only one in it that is called alike, as Kaggle has it: `train/train/cat`."""
    inner = walk.folders(folder)
    if len(inner) == 1 and split_of(inner[0]) == split_and_rest(folder.name)[0] and walk.folders(folder / inner[0]):
        walk.notes.append(Finding(str(folder), f"{inner[0]} is read in its place"))
        return folder / inner[0]
    return folder


def _wrapped(root: Path, folders: list[str], walk: Walk) -> Path | None:
    """The folder to read in the place of another: the only one in it, if its name says nothing and it holds folders, or
    of a few, the only one that holds splits."""
    if len(folders) == 1:
        name = folders[0]
        says_nothing = split_and_rest(name) == (None, ()) or name == root.resolve().name
        return root / name if says_nothing and walk.folders(root / name) else None
    if len(folders) > MAX_BESIDE:
        return None
    with_splits = [
        name for name in folders if len({split_of(inner) for inner in walk.folders(root / name)} - {None}) > 1
    ]
    return root / with_splits[0] if len(with_splits) == 1 else None


def _class_folders(folder: Path, names: list[str], walk: Walk) -> list[str]:
    """Those of the folders that lead to images of a class; what else is there is found or noted."""
    loose = walk.images(folder)
    if loose and not names:
        tables = [name for name in entries(folder, folders=False) if name.lower().endswith(TABLES)]
        hint = f", or give {folder / tables[0]} if it names their classes" if tables else ""
        if any("\\" in name for name in loose):
            hint = "; their names hold backslashes, as of an archive from Windows: unpack it again, with 7z or Python"
        raise DataError(
            f"{folder} holds files but no folders; put the images of each class into a folder of its own{hint}"
        )
    if len(loose) <= SHOWN_LOOSE:
        walk.findings += [Finding(str(folder / name), "not in a class folder; not used") for name in loose]
    else:
        walk.findings.append(Finding(str(folder), f"{len(loose):,} images not in a class folder; not used"))
    return [name for name in names if not _leads_back(folder / name, walk)]


def _leads_back(folder: Path, walk: Walk) -> bool:
    """Whether a class folder is a link to a folder that it lies in: then it would hold all images, over and over."""
    if not folder.is_symlink() or folder.resolve() not in folder.parent.resolve().joinpath("x").parents:
        return False
    walk.findings.append(Finding(str(folder), "a link to a folder that it lies in; not followed"))
    return True
