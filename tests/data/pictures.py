"""Small image files for the tests of sources."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def picture(path: Path, colour: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (8, 6)) -> Path:
    """Writes one image of one colour, in the format of its suffix; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def class_folders(root: Path, counts: dict[str, int], suffix: str = ".png") -> Path:
    """A folder with so many images of each class ("train/cat": 3)."""
    for number, (label, count) in enumerate(counts.items()):
        for i in range(count):
            picture(root / label / f"{i:03}{suffix}", (40 * number % 256, i % 256, 99))
    return root
