"""log.jsonl: a run's events, a line each."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from convsmith import records
from convsmith.errors import CheckpointError
from convsmith.train.run.events import Event, StepEnded, to_json
from convsmith.train.run.folder import LOG_FILE


class RunLog:
    """Appends events to `run_dir`/log.jsonl, which is opened, and made if need be, with the first one.

    `length` is what the log held, in bytes, when the checkpoint that the run goes on from was written: lines after
    it belong to steps that will be done again, and are dropped.

    Raises CheckpointError if the disk is full or the folder cannot be written.
    """

    def __init__(self, run_dir: Path, length: int = 0) -> None:
        self.length = length
        self._run_dir, self._path = run_dir, run_dir / LOG_FILE
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __call__(self, event: Event, training: object = None) -> None:
        """Appends one event, unless it is a single step."""
        if isinstance(event, StepEnded):
            return
        try:
            file = self._opened()
            file.write(records.encode(to_json(event)) + b"\n")
            file.flush()
        except OSError as error:
            raise self._failure(error) from None

    def flushed_length(self) -> int:
        """The log's length in bytes, all of it on the disk."""
        try:
            file = self._opened()
            os.fsync(file.fileno())
            return file.seek(0, os.SEEK_END)
        except OSError as error:
            raise self._failure(error) from None

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._run_dir.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
            if self._file.tell() > self.length:
                self._file.truncate(self.length)
        return self._file

    def _failure(self, error: OSError) -> CheckpointError:
        return CheckpointError(f"{self._path}: cannot be written ({(error.strerror or str(error)).lower()})")
