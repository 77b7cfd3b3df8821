"""Ctrl-C and termination: the step in hand is finished and saved before the process ends."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from convsmith.errors import ConvsmithError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingInterruptedError(ConvsmithError):
    """Training was stopped by a signal and saved; `exit_code` is the shell's 128 + signal: 130 or 143."""

    def __init__(self, saved: str, received: signal.Signals) -> None:
        where = f"training saved as {saved}; resume it to go on from there" if saved else "training stopped"
        super().__init__(f"{received.name}: {where}")
        self.exit_code = 128 + received


class Stoppable(Protocol):
    """What an interruption stops: a training, which knows where it was saved."""

    saved_at: str

    def stop(self) -> None: ...


class Interruption:
    """An observer that stops a training at SIGINT or SIGTERM, which it catches while entered; a second one ends the
    process. On leaving it raises TrainingInterruptedError if there was one.

    Outside the main thread, where Python allows no handlers, nothing is changed.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: list[signal._HANDLER] = []
        self._training: Stoppable | None = None

    def __call__(self, event: object, training: Any) -> None:
        if self.received is not None:
            self._training = training
            training.stop()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = [signal.signal(number, self._receive) for number in SIGNALS]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        if error is None and self._training is not None and self.received is not None:
            raise TrainingInterruptedError(self._training.saved_at, self.received)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for number, handler in zip(SIGNALS, self._before, strict=False):
            signal.signal(number, handler)
