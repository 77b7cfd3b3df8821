"""The image files below folders, by one rule for training and prediction, with an account of what is passed over."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from convsmith.data.dataset import Finding
from convsmith.data.decode.foreign import kind_of
from convsmith.data.decode.image import PREFIX_BYTES, SUFFIXES, format_of
from convsmith.data.sources.naming.leftovers import is_leftover, not_data
from convsmith.errors import DataError

FOREIGN_SUFFIXES = frozenset(
    (
        *(".heic", ".heif", ".jxl", ".jp2", ".j2k", ".psd", ".svg", ".eps", ".tga", ".ico"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
    )
)
"""Images in formats that are not read. They are listed, so that each is reported."""

ARCHIVES = (".zip", ".tgz", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
"""Files that hold images where they are unpacked."""

SHOWN_KINDS = 5


@dataclass(eq=False)
class Walk:
    """Lists folders. `findings` are images that cannot be reached, `notes` what is no data, `passed_over` counts files
    that are no images by the end of their names."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)

    def folders(self, folder: Path) -> list[str]:
        """The folders in a folder that may hold data, sorted by name. Raises DataError if it cannot be listed."""
        found = []
        for name in entries(folder, folders=True):
            what = not_data(folder / name, has_image_name)
            if what is None:
                found.append(name)
            elif all(note.subject != str(folder / name) for note in self.notes):
                self.notes.append(Finding(str(folder / name), f"{what}; not used"))
        return found

    def images(self, folder: Path) -> list[str]:
        """The image files in a folder itself, sorted by name. Raises DataError if it cannot be listed."""
        found = []
        for name in entries(folder, folders=False):
            if has_image_name(name) or _has_image_content(folder / name):
                found.append(name)
            else:
                self.passed_over[Path(name).suffix.lower() or "without a suffix"] += 1
        return found

    def images_below(self, folder: Path, shown: str) -> Iterator[str]:
        """The image files in and below a folder, sorted, as paths that begin with `shown`.

        Links to folders are not followed; they are findings. Raises DataError for a folder that cannot be listed.
        """
        for name in self.images(folder):
            yield f"{shown}/{name}"
        for name in self.folders(folder):
            if (folder / name).is_symlink():
                self.findings.append(Finding(str(folder / name), "a link to a folder; not followed"))
            else:
                yield from self.images_below(folder / name, f"{shown}/{name}")

    def account(self, root: Path) -> tuple[Finding, ...]:
        """The notes, and a line on the files that were passed over, if any were."""
        if not self.passed_over:
            return tuple(self.notes)
        common = sorted(self.passed_over.items(), key=lambda item: (-item[1], item[0]))
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in common[:SHOWN_KINDS])
        more = ", ..." if len(common) > SHOWN_KINDS else ""
        total = self.passed_over.total()
        files = "1 file is not an image and was" if total == 1 else f"{total:,} files are not images and were"
        return (*self.notes, Finding(str(root), f"{files} passed over ({kinds}{more})"))


def has_image_name(name: str) -> bool:
    """Whether a file counts as an image by the end of its name. Of a million names, so without a `Path` for each."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
    return suffix in SUFFIXES or suffix in FOREIGN_SUFFIXES


def _has_image_content(path: Path) -> bool:
    """Whether a file counts as an image by its first bytes."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb", buffering=0) as file:
            prefix = file.read(PREFIX_BYTES)
    except OSError:
        return True  # it gets its reason when it is opened
    return format_of(prefix) is not None or "image" in (kind_of(prefix) or "").split(";")[0]


def entries(folder: Path, *, folders: bool) -> list[str]:
    """The folders in a folder, or what is none, sorted by name; without hidden ones and what tools leave behind.

    Raises DataError if it cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            names = [entry.name for entry in found if _is_folder(entry) == folders]
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}") from None
    return sorted(name for name in names if not is_leftover(name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads to itself; as a file it gets its reason when it is opened.
        return False
