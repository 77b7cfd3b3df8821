"""Remembers what was found in files that can be used, so that a second run over a large folder starts at once."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.decode.check import ImageInfo
from convsmith.data.images import FileImages
from convsmith.files import user_cache

FILE = "checked-images-2.sqlite"
"""The number changes with the rules of decoding and with what is kept, which makes old entries void."""

TABLE = """
    CREATE TABLE IF NOT EXISTS usable (
        path BLOB PRIMARY KEY, size INTEGER, modified INTEGER, changed INTEGER,
        height INTEGER, width INTEGER, grey INTEGER, colour INTEGER, shown INTEGER, peak INTEGER, content INTEGER,
        note TEXT
    ) WITHOUT ROWID
"""
FIND = f"""
    SELECT {", ".join(ImageInfo._fields)} FROM usable WHERE path = ? AND size = ? AND modified = ? AND changed = ?
"""
KEEP = f"INSERT OR REPLACE INTO usable VALUES ({', '.join('?' * (4 + len(ImageInfo._fields)))})"


def stamps(images: FileImages) -> NDArray[np.int64]:
    """Bytes, time of last change (ns) and of last change of the entry (ns) of each file, int64 (N, 3); -1 where there
    is none.

    The last one tells files apart that have changed places: a move keeps size and time of change.
    """
    found = np.full((len(images), 3), -1, np.int64)
    for row in range(len(images)):
        with contextlib.suppress(OSError):
            found[row] = images.stamp(row)
    return found


class CheckCache:
    """A small database in the user's cache. Where it cannot be used (no space, read-only, damaged), nothing is known
    and nothing remembered: it only saves time."""

    def __init__(self, database: sqlite3.Connection | None) -> None:
        self._database = database

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator[CheckCache]:
        database = _connect(user_cache() / FILE)
        try:
            yield cls(database)
        finally:
            if database is not None:
                database.close()

    def recall(self, images: FileImages, stamped: NDArray[np.int64]) -> dict[int, ImageInfo]:
        """By row, what was found in the files that have not changed since."""
        found: dict[int, ImageInfo] = {}
        if self._database is None:
            return found
        root = _root(images)
        with contextlib.suppress(sqlite3.Error):
            for row, stamp in enumerate(stamped.tolist()):
                entry = self._database.execute(FIND, (_key(root, images, row), *stamp)).fetchone()
                if entry is not None:
                    info = ImageInfo(*entry)
                    found[row] = info._replace(grey=bool(info.grey))
        return found

    def remember(self, images: FileImages, stamped: NDArray[np.int64], usable: Mapping[int, ImageInfo]) -> None:
        if self._database is None:
            return
        root = _root(images)
        rows = [(_key(root, images, row), *stamped[row].tolist(), *info) for row, info in usable.items()]
        with contextlib.suppress(sqlite3.Error), self._database:
            self._database.executemany(KEEP, rows)


def _connect(path: Path) -> sqlite3.Connection | None:
    with contextlib.suppress(OSError, sqlite3.Error):
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path)
        # A lost entry costs milliseconds; waiting for the disk after each chunk would cost more.
        database.execute("PRAGMA synchronous = OFF")
        database.execute(TABLE)
        return database
    return None


def _root(images: FileImages) -> bytes:
    return os.fsencode(images.root.resolve())


def _key(root: bytes, images: FileImages, row: int) -> bytes:
    return b"/".join((root, images.names[row]))
