"""Ctrl-C and termination: the step in hand is finished and saved before the process ends."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

from convsmith.errors import ConvsmithError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingInterruptedError(ConvsmithError):
    """Training was stopped by a signal and saved; `exit_code` is the shell's 128 + signal: 130 or 143."""

    def __init__(self, saved: str, received: signal.Signals) -> None:
        super().__init__(f"{received.name}: training saved as {saved}; it goes on from there with --resume")
        self.exit_code = 128 + received


class Interruption:
    """While entered, SIGINT and SIGTERM are kept in `received` instead of ending the process; a second one ends it.

    Outside the main thread, where Python allows no handlers, nothing is changed.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: list[signal._HANDLER] = []

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = [signal.signal(number, self._receive) for number in SIGNALS]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for number, handler in zip(SIGNALS, self._before, strict=False):
            signal.signal(number, handler)
