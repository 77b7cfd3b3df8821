"""The run's diary: log.jsonl, a line an event, and TensorBoard scalars."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard import SummaryWriter

from convsmith.errors import CheckpointError
from convsmith.train.events import EpochEnded, Event, to_json
from convsmith.train.folder import LOG_FILE


class RunLog:
    """Appends events to `run_dir`/log.jsonl and their figures to `run_dir`/tensorboard.

    `length` is what the log held, in bytes, when the checkpoint that the run goes on from was written: lines after
    it belong to steps that will be done again, and are dropped. `epoch` is the number of epochs it had.

    Raises CheckpointError if the disk is full or the folder cannot be written.
    """

    def __init__(self, run_dir: Path, *, length: int = 0, epoch: int = 0) -> None:
        self._path = run_dir / LOG_FILE
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
            if self._file.tell() > length:
                self._file.truncate(length)
            self._board = SummaryWriter(str(run_dir / "tensorboard"), purge_step=epoch + 1)
        except OSError as error:
            raise self._failure(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._board.close()
        self._file.close()

    def write(self, event: Event) -> None:
        """Appends one event. Raises CheckpointError if that fails."""
        try:
            self._file.write(json.dumps(to_json(event)).encode() + b"\n")
            self._file.flush()
            if isinstance(event, EpochEnded):
                self._scalars(event)
        except OSError as error:
            raise self._failure(error) from None

    def saved_length(self) -> int:
        """The log's length in bytes, all of it on the disk."""
        try:
            os.fsync(self._file.fileno())
            return self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise self._failure(error) from None

    def _scalars(self, event: EpochEnded) -> None:
        figures = {
            "loss/train": event.train_loss,
            "loss/val": event.val_loss,
            "accuracy/val": event.val_accuracy,
            "learning_rate": event.learning_rate,
            "images_per_second": event.images_per_second,
        }
        for tag, value in figures.items():
            if value is not None:
                self._board.add_scalar(tag, value, event.epoch)

    def _failure(self, error: OSError) -> CheckpointError:
        return CheckpointError(f"{self._path}: cannot be written ({(error.strerror or str(error)).lower()})")
