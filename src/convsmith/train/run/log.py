"""The run's diary: log.jsonl, a line an event, what TensorBoard shows, and the worst images for the run's page."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from convsmith.data.dataset import Dataset
from convsmith.errors import CheckpointError
from convsmith.evaluate.predictions import Answers
from convsmith.train.run.events import EpochEnded, Event, to_json
from convsmith.train.run.folder import LOG_FILE
from convsmith.train.run.hardest_images import worst_images, write_worst
from convsmith.train.run.tensorboard import Board
from convsmith.train.step.gradients import GradientNorms


class RunLog:
    """Appends events to `run_dir`/log.jsonl and their figures to `run_dir`/tensorboard.

    `length` is what the log held, in bytes, when the checkpoint that the run goes on from was written: lines after
    it belong to steps that will be done again, and are dropped. `epoch` is the number of epochs it had.

    Raises CheckpointError if the disk is full or the folder cannot be written.
    """

    def __init__(self, run_dir: Path, *, length: int = 0, epoch: int = 0) -> None:
        self._run_dir, self._path = run_dir, run_dir / LOG_FILE
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
            if self._file.tell() > length:
                self._file.truncate(length)
            self._board = Board(run_dir, epoch + 1)
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
                self._board.scalars(event)
        except OSError as error:
            raise self._failure(error) from None

    def gradients(self, norms: GradientNorms, epoch: int) -> None:
        """Puts each layer's norm on the board. Raises CheckpointError if that fails."""
        try:
            self._board.gradients(norms, epoch)
        except OSError as error:
            raise self._failure(error) from None

    def pictures(self, dataset: Dataset, answers: Answers, epoch: int) -> None:
        """Confusions and worst images of the val split, by the weights of an epoch. Raises CheckpointError."""
        val = dataset.split("val")
        worst = worst_images(val, answers, dataset.classes)
        try:
            self._board.confusion(answers.confusion(val.labels), dataset.classes, epoch)
            self._board.worst(worst, epoch)
        except OSError as error:
            raise self._failure(error) from None
        write_worst(self._run_dir, worst)

    def saved_length(self) -> int:
        """The log's length in bytes, all of it on the disk."""
        try:
            os.fsync(self._file.fileno())
            return self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> CheckpointError:
        return CheckpointError(f"{self._path}: cannot be written ({(error.strerror or str(error)).lower()})")
