"""A search's folder: locked, begun or resumed, with its log beside the database of trials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convsmith import records
from convsmith.errors import ConvsmithError, OutputError, UsageError
from convsmith.files import write_bytes
from convsmith.searching.settings import SearchSettings
from convsmith.searching.storage import asked_in, hidden, url_of

ASKED_FILE, LOG_FILE, NETWORK_FILE, LOCK_FILE = "search.json", "trials.jsonl", "network.json", "lock"
WEIGHTS_FOLDER = "weights"
FRONT_FILES = ("front.svg", "front.png")

MAY_CHANGE = ("trials", "seconds")
"""Settings that a resumed search may have otherwise."""


class SearchError(ConvsmithError):
    """A search that came to no network."""


@dataclass(frozen=True)
class SearchFolder:
    """Where a search is kept: a folder, nowhere, or a database elsewhere."""

    folder: Path | None
    storage: str | None
    resume: bool

    @property
    def weights(self) -> Path | None:
        """Where trials keep their weights for others."""
        return None if self.folder is None else self.folder.absolute() / WEIGHTS_FOLDER

    @contextmanager
    def held(self) -> Iterator[None]:
        """The folder, made and locked. Raises UsageError where another process searches in it, OutputError."""
        from filelock import FileLock, Timeout

        if self.folder is None:
            if self.resume or self.storage is not None:
                raise UsageError("say where the search is kept", settings="out")
            yield
            return
        self._check()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / LOCK_FILE)
            lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(f"another process searches in {self.folder}", settings="out") from None
        except OSError as error:
            raise OutputError(f"cannot write to {self.folder}: {error.strerror or error}") from None
        try:
            yield
        finally:
            lock.release()

    def _check(self) -> None:
        assert self.folder is not None
        there = (self.folder / ASKED_FILE).exists()
        if self.resume and not there:
            raise UsageError(f"{self.folder} holds no search to resume", settings="out")
        if there and not self.resume:
            raise UsageError(
                f"{self.folder} holds a search: resume it, or name another folder", settings=("out", "resume")
            )

    def begun(self, asked: dict[str, Any]) -> int | None:
        """The epochs of the search that goes on: in the folder, or, begun by others, in the database; None where there
        is none. Raises UsageError naming what it was asked for otherwise, SearchError, StorageError."""
        if self.folder is None:
            return None
        if self.resume:
            path = self.folder / ASKED_FILE
            try:
                return _epochs_of(json.loads(path.read_text(encoding="utf-8")), asked, str(self.folder))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise SearchError(f"{path} is damaged ({error}); start over in another folder") from None
        if self.storage is not None:
            url = url_of(self.folder, self.storage)
            before = asked_in(url)
            return None if before is None else _epochs_of(before, asked, hidden(url))
        return None

    @contextmanager
    def begun_if_well(self, asked: dict[str, Any]) -> Iterator[str]:
        """Notes what is asked for; yields the URL of the database, empty for memory. If the block fails, a new search
        is not begun, so that the corrected request may use the folder."""
        if self.folder is None:
            yield ""
            return
        url = url_of(self.folder, self.storage)
        write_bytes(self.folder / ASKED_FILE, records.json_text(asked, indent=2).encode())
        try:
            yield url
        except BaseException:
            if not self.resume:
                (self.folder / ASKED_FILE).unlink()
            raise

    def write_log(self, trials: Any) -> None:
        """A line of JSON for each trial that ended."""
        if self.folder is not None:
            lines = (records.json_text(trial.to_json()) + "\n" for trial in trials)
            write_bytes(self.folder / LOG_FILE, "".join(lines).encode())


def _epochs_of(before: dict[str, Any], asked: dict[str, Any], place: str) -> int:
    """The epochs of the search in a place. Raises UsageError naming what it was asked for otherwise."""
    old, new = {**SearchSettings().to_json(), **before["settings"]}, asked["settings"]
    for name in new:
        if name not in MAY_CHANGE and old[name] != new[name]:
            raise UsageError(f"must be {old[name]}, as when the search began, not {new[name]}", settings=name)
    for name, setting in (("fingerprint", "data"), ("space", "space"), ("limits", ())):
        if before[name] != asked[name]:
            words = f"the search in {place} began with other {'limits' if name == 'limits' else 'values'}"
            raise UsageError(words, settings=setting)
    return int(before["epochs"])
