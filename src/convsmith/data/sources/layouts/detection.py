"""Data sets for detection, which are refused with a line that says what they are: an image holds several boxes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from convsmith.data.sources.layouts.listed import subfolders
from convsmith.data.sources.walk import entries

COCO = re.compile(r"instances_\w+\.json|person_keypoints_\w+\.json|_annotations\.coco\.json", re.IGNORECASE)
BOX = re.compile(r"\d+( +(0?\.\d+|[01](\.0*)?|\d(\.\d+)?e-\d+)){4,}")
"""A line of a YOLO label: a class, and a box or an outline in shares of the image."""

LOOKED_AT = 20
"""Label files that tell whether they are of detection."""

MAX_LINE = 4096


def detection_format(folder: Path, names: Collection[str]) -> str | None:
    """Which format of detection labels a folder has: Pascal VOC's, COCO's or YOLO's; None if none of them."""
    if "JPEGImages" in names and "Annotations" in names:
        files = entries(folder / "Annotations", folders=False) if (folder / "Annotations").is_dir() else []
        return "Pascal VOC" if any(name.endswith(".xml") for name in files[:LOOKED_AT]) else None
    places = [folder, *(folder / name for name in ("annotations", "train", "valid", "val", "test") if name in names)]
    if any(COCO.fullmatch(name) for place in places if place.is_dir() for name in entries(place, folders=False)):
        return "COCO"
    return "YOLO" if any(_has_boxes(labels) for labels in _label_folders(folder, names)) else None


def _label_folders(folder: Path, names: Collection[str]) -> Iterator[Path]:
    """Folders of labels that have one of images beside them: labels/, labels/train/, train/labels/."""
    if {"labels", "images"} <= set(names):
        yield folder / "labels"
        yield from (folder / "labels" / name for name in subfolders(folder / "labels")[:LOOKED_AT])
    for name in ("train", "valid", "val"):
        if name in names and {"labels", "images"} <= set(subfolders(folder / name)):
            yield folder / name / "labels"


def _has_boxes(labels: Path) -> bool:
    if not labels.is_dir():
        return False
    files = [name for name in entries(labels, folders=False) if name.endswith(".txt")]
    first = [_first_line(labels / name) for name in files[:LOOKED_AT]]
    lines = [line for line in first if line]
    return bool(lines) and all(BOX.fullmatch(line) for line in lines)


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.readline(MAX_LINE).decode(errors="replace").strip()
    except OSError:
        return ""
