"""A folder with a folder per class, with or without train/, val/ and test/ above them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from convsmith.data.dataset import Finding
from convsmith.data.images import FileImages, packed
from convsmith.data.sources.listing import SPLITS, Listing, labelled, rows_by_split
from convsmith.errors import DataError

NOT_DATA = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
"""What file managers leave behind; so are names that begin with a dot."""


def read_folder(root: Path) -> Listing:
    """Lists the files under each class folder, however deep, in the order of their names; none is opened.

    Where `train/` holds folders, the folders of `train`, `val` (or `valid`, `validation`) and `test` are the classes,
    matched by name. Links to files and to class folders are followed; links to folders further down are not, for they
    can lead in circles. Raises DataError for a folder without class folders.
    """
    findings: list[Finding] = []
    names, class_names, split_names = [], [], []
    for split, folder in _split_folders(root, findings):
        for label in _class_folders(folder, findings):
            for name in files_below(folder / label, os.path.relpath(folder / label, root), findings):
                names.append(name)
                class_names.append(label)
                split_names.append(split)
    if not names:
        raise DataError(f"{root} holds no images; expected a folder of images for each class")
    classes, labels = labelled(class_names, str(root))
    rows = rows_by_split(split_names, str(root))
    return Listing(root.resolve().name, classes, FileImages(root, packed(names)), labels, rows, root, tuple(findings))


def _split_folders(root: Path, findings: list[Finding]) -> list[tuple[str, Path]]:
    """(split, folder) for each split; the root itself as "train" where there are none."""
    folders = entries(root, folders=True)
    # A class may be called "train" (there are pictures of trains); then the folder holds files.
    if "train" not in folders or not entries(root / "train", folders=True):
        return [("train", root)]
    found = [(name, root / name) for name in folders if name in SPLITS]
    ours = [SPLITS[name] for name, _ in found]
    for name in {name for name in ours if ours.count(name) > 1}:
        same = ", ".join(path.name for given, path in found if SPLITS[given] == name)
        raise DataError(f"{root} holds {same}, which mean the same split; keep one of them")
    findings += [Finding(str(root / name), "beside the splits; not used") for name in folders if name not in SPLITS]
    return found


def _class_folders(folder: Path, findings: list[Finding]) -> list[str]:
    loose = entries(folder, folders=False)
    names = entries(folder, folders=True)
    if loose and not names:
        raise DataError(f"{folder} holds files but no folders; put the images of each class into a folder of its own")
    findings += [Finding(str(folder / name), "in no class folder; not used") for name in loose]
    return [name for name in names if not _leads_back(folder / name, findings)]


def files_below(folder: Path, shown: str, findings: list[Finding]) -> Iterator[str]:
    """The files below a folder, sorted, as paths that begin with `shown`; hidden ones are left out.

    Links to folders are not followed; `findings` gets them. Raises DataError for a folder that cannot be listed.
    """
    for name in entries(folder, folders=False):
        yield f"{shown}/{name}"
    for name in entries(folder, folders=True):
        if (folder / name).is_symlink():
            findings.append(Finding(str(folder / name), "a link to a folder; not followed"))
        else:
            yield from files_below(folder / name, f"{shown}/{name}", findings)


def entries(folder: Path, *, folders: bool) -> list[str]:
    """The folders in a folder, or what is none, sorted by name; without hidden ones and what file managers leave.

    Raises DataError if it cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if _is_folder(entry) == folders]
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}") from None
    return sorted(name for name in names if not name.startswith(".") and name.lower() not in NOT_DATA)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads to itself; as a file it gets its reason when it is opened.
        return False


def _leads_back(folder: Path, findings: list[Finding]) -> bool:
    """Whether a class folder is a link to a folder that it lies in: then it would hold all images, over and over."""
    if not folder.is_symlink() or folder.resolve() not in folder.parent.resolve().joinpath("x").parents:
        return False
    findings.append(Finding(str(folder), "a link to a folder above it; not followed"))
    return True
