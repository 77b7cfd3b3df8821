"""Where the files of a table are: paths as they are written, or as they were on the machine of whoever wrote them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from convsmith.data.dataset import Finding
from convsmith.data.sources.walk import entries, has_image_name

TRIED_PATHS, TRIED_FOLDERS = 20, 50

ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)

LOCAL_FILES = "/data/local-files/?d="
"""What Label Studio puts before a path (https://labelstud.io/guide/storage#Local-storage)."""


class Located(NamedTuple):
    """The files of a table, in its order, as paths from `root`; as they are written where there is no such file."""

    root: Path
    files: list[str]
    notes: tuple[Finding, ...] = ()


def locate(table: Path, written: Sequence[str]) -> Located:
    """Finds the files of a table from its own folder; if none of the first is there, from the working folder, the one
    above or one in it; and else likewise without the first folders of their paths, as of another machine.

    Backslashes are slashes, unless a file has them in its name; of an address, the path counts. A file that is not
    there is sought in its folder by the same name in other capitals, with another ending or without percent signs, and
    taken if there is just one.
    """
    plain = [_plain(table.parent, file) for file in written]
    files = _Files()
    root, dropped = _lead(table.parent, plain, files)
    named = [_without(file, dropped) for file in plain]
    exact = [files.find(root, file) for file in named]
    taken = {file for file in exact if file is not None}
    loosely = {
        row: found
        for row, file in enumerate(named)
        if exact[row] is None and (found := files.find_loosely(root, file)) is not None and found not in taken
    }
    ours = [loosely.get(row, file) for row, file in enumerate(named)]
    return Located(
        root, ours, tuple(_notes(table, root, dropped, {written[row]: file for row, file in loosely.items()}))
    )


def _notes(table: Path, root: Path, dropped: int, loosely: Mapping[str, str]) -> Iterator[Finding]:
    if root != table.parent or dropped:
        without = {0: "", 1: ", without their first folder"}.get(dropped, f", without their first {dropped} folders")
        yield Finding(str(table), f"its paths lead from {root.resolve()}{without}")
    if loosely:
        file, found = next(iter(loosely.items()))
        count = "1 path is" if len(loosely) == 1 else f"{len(loosely):,} paths are"
        yield Finding(str(table), f"{count} written in another way than the files: {file} is {found}")


def _lead(folder: Path, files: Sequence[str], known: _Files) -> tuple[Path, int]:
    """Where paths lead from, and how many of their first folders do not count."""
    first = files[:TRIED_PATHS]
    inner = [folder / name for name in entries(folder, folders=True)[:TRIED_FOLDERS]]
    deepest = max((len(_parts(file)) for file in first), default=0)
    for dropped in range(max(1, deepest)):
        if dropped and len({_without(file, dropped) for file in files}) < len(set(files)):
            break  # two files would become one
        shortened = [_without(file, dropped) for file in first]
        for find in (known.find, known.find_loosely):
            for root in (folder, Path(), folder.parent, *inner):
                if any(find(root, file) is not None for file in shortened):
                    return root, dropped
    return folder, 0


def _plain(folder: Path, file: str) -> str:
    """The path, without what programs put before it."""
    if file.lower().startswith("file://"):
        file = unquote(file[len("file://") :])
    if ADDRESS.match(file):
        file = unquote(urlsplit(file).path)
    _, local, rest = file.partition(LOCAL_FILES)
    if local:
        file = unquote(rest)
    return file.replace("\\", "/") if "\\" in file and not (folder / file).exists() else file


def _parts(file: str) -> list[str]:
    return [part for part in file.split("/") if part not in ("", ".")]


def _without(file: str, dropped: int) -> str:
    return "/".join(_parts(file)[dropped:]) if dropped else file


class _Files:
    """Which files there are: each folder is listed once."""

    def __init__(self) -> None:
        self._names = lru_cache(maxsize=None)(_names_in)
        self._alike = lru_cache(maxsize=None)(_alike_in)

    def find(self, root: Path, file: str) -> str | None:
        """The file, if it is there."""
        folder, name = os.path.split(file)
        return file if name in self._names(root / folder) else None

    def find_loosely(self, root: Path, file: str) -> str | None:
        """The file that is there under this name or, in the same folder, the only one under a name much like it."""
        for written in dict.fromkeys((file, unquote(file))):
            if self.find(root, written) is not None:
                return written
            folder, name = os.path.split(written)
            alike = self._alike(root / folder)
            for key in (_key(name), _key(_stem(name))):
                if len(alike.get(key, ())) == 1:
                    return os.path.join(folder, alike[key][0])  # noqa: PTH118
        return None


def _names_in(folder: Path) -> frozenset[str]:
    with suppress(OSError, ValueError), os.scandir(folder) as found:
        return frozenset(entry.name for entry in found if not entry.is_dir())
    return frozenset()


def _alike_in(folder: Path) -> dict[str, list[str]]:
    """The images in a folder by their names, and by their names without ending, as `_key` has them."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(filter(has_image_name, _names_in(folder))):
        for key in {_key(name), _key(_stem(name))}:
            alike[key].append(name)
    return dict(alike)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _stem(name: str) -> str:
    return os.path.splitext(name)[0] if has_image_name(name) else name  # noqa: PTH122
