"""Remembers which files were found sound, so that a second run over a large folder starts at once."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from convsmith.data.decode.image import Look
from convsmith.data.images import FileImages

FILE = "verdicts-1.sqlite"
"""The number changes with the rules of decoding, which makes old verdicts void."""

TABLE = """
    CREATE TABLE IF NOT EXISTS sound (
        path BLOB PRIMARY KEY, size INTEGER, modified INTEGER, height INTEGER, width INTEGER, grey INTEGER
    ) WITHOUT ROWID
"""


def stamps(images: FileImages) -> NDArray[np.int64]:
    """Bytes and time of last change (ns) of each file, int64 (N, 2); -1 where there is none."""
    found = np.full((len(images), 2), -1, np.int64)
    for row in range(len(images)):
        with contextlib.suppress(OSError):
            found[row] = images.stamp(row)
    return found


class Verdicts:
    """A small database in the user's cache. Where it cannot be used (no space, read-only, damaged), nothing is known
    and nothing remembered: it only saves time."""

    def __init__(self, database: sqlite3.Connection | None) -> None:
        self._database = database

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator[Verdicts]:
        database = _connect(platformdirs.user_cache_path("convsmith") / FILE)
        try:
            yield cls(database)
        finally:
            if database is not None:
                database.close()

    def recall(self, images: FileImages, stamped: NDArray[np.int64]) -> dict[int, Look]:
        """By row, the files that were found sound and have the same size and time of last change since."""
        found: dict[int, Look] = {}
        if self._database is None:
            return found
        query = "SELECT height, width, grey FROM sound WHERE path = ? AND size = ? AND modified = ?"
        root = _root(images)
        with contextlib.suppress(sqlite3.Error):
            for row, (size, modified) in enumerate(stamped.tolist()):
                verdict = self._database.execute(query, (_key(root, images, row), size, modified)).fetchone()
                if verdict is not None:
                    found[row] = Look(verdict[0], verdict[1], bool(verdict[2]))
        return found

    def remember(self, images: FileImages, stamped: NDArray[np.int64], sound: Mapping[int, Look]) -> None:
        if self._database is None:
            return
        root = _root(images)
        rows = [(_key(root, images, row), *stamped[row].tolist(), *verdict) for row, verdict in sound.items()]
        with contextlib.suppress(sqlite3.Error), self._database:
            self._database.executemany("INSERT OR REPLACE INTO sound VALUES (?, ?, ?, ?, ?, ?)", rows)


def _connect(path: Path) -> sqlite3.Connection | None:
    with contextlib.suppress(OSError, sqlite3.Error):
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path)
        # A lost verdict costs milliseconds; waiting for the disk after each chunk would cost more.
        database.execute("PRAGMA synchronous = OFF")
        database.execute(TABLE)
        return database
    return None


def _root(images: FileImages) -> bytes:
    return os.fsencode(images.root.resolve())


def _key(root: bytes, images: FileImages, row: int) -> bytes:
    return b"/".join((root, images.names[row]))
