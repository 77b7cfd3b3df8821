"""The one exception tree. Messages are for the person at the keyboard: what is wrong, where, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConvsmithError(Exception):
    """Something failed. The command line prints the message as one line and exits with `exit_code`."""

    exit_code = 1


class UsageError(ConvsmithError):
    """The request itself is wrong: an unknown name, an impossible option. Exit code 2."""

    exit_code = 2


class ShapeError(UsageError):
    """A tensor of this shape cannot pass through this layer; the message names the layer."""


class ReadError(UsageError):
    """Something in a module or file that has no counterpart in a network: what, where, and the nearest way out."""

    def __init__(self, what: str, *, place: str = "", advice: str = "") -> None:
        where = f"{place}: " if place else ""
        hint = f"; {advice}" if advice else ""
        super().__init__(f"{where}{what}{hint}")
        self.what, self.place, self.advice = what, place, advice


class UnknownNameError(UsageError):
    """A name that is not known; the message gives the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        near = difflib.get_close_matches(name, list(known), n=4, cutoff=0.5)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        super().__init__(f"unknown {kind} {name!r}{hint}")


class LimitError(UsageError):
    """A budget that no network can meet; the message says which limit and the smallest possible value."""


class DataError(ConvsmithError):
    """Images or labels that cannot be used; the message names the file, class or split."""


class DownloadError(ConvsmithError):
    """A published file that could not be fetched, or is not the one that was published; the message names both."""


class ModelFileError(ConvsmithError):
    """A model file that is damaged, unsafe or inconsistent; the message names the file."""


class CheckpointError(ConvsmithError):
    """A training checkpoint that cannot be written or read; the message names the file."""


class RunFolderError(ConvsmithError):
    """A run's folder that is damaged; the message names the file."""


class ExportError(ConvsmithError):
    """An export that does not give the same answers as the trained model; nothing is left behind."""


class OutputError(ConvsmithError):
    """A result that cannot be written, for the disk is full; the message names the file, of which nothing is left."""
