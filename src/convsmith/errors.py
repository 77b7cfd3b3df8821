"""The one exception tree. Messages are for the person at the keyboard: what is wrong, where, what would be right.

An error that is about settings names them in `settings`, by the names that Python knows them by, and not in its prose:

    raise UsageError("give one or the other, not both", settings=("epochs", "seconds"))

Then `str(error)` is "epochs, seconds: give one or the other, not both", and the command line, which knows its own
flags, prints "--epochs, --time: give one or the other, not both". A verb calls the setting whatever the library calls
it (`seconds: Annotated[..., typer.Option("--time")]`); there is no table of flags.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any


class ConvsmithError(Exception):
    """Something failed. The command line prints the message as one line and exits with `exit_code`."""

    exit_code = 1
    settings: tuple[str, ...] = ()
    """The settings that the error is about, by their names in Python."""

    def __init__(self, message: str, *, settings: str | tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.settings = (settings,) if isinstance(settings, str) else settings

    def __str__(self) -> str:
        return self.told(lambda setting: setting)

    def told(self, spelled: Callable[[str], str]) -> str:
        """The message, after the settings that it is about, each as `spelled` for the reader."""
        return ": ".join(filter(None, [", ".join(map(spelled, self.settings)), self.message]))

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors travel between processes whatever a subclass's constructor takes."""
        return _remade, (type(self), self.args), self.__dict__


def _remade(kind: type[ConvsmithError], args: tuple[Any, ...]) -> ConvsmithError:
    error = kind.__new__(kind)
    error.args = args
    return error


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
        lowered = {one.lower(): one for one in known}
        near = [lowered[one] for one in difflib.get_close_matches(name.lower(), lowered, n=4, cutoff=0.5)]
        hint = f"; nearest: {', '.join(near)}" if near else ""
        super().__init__(f"unknown {kind} {name!r}{hint}")


class LimitError(UsageError):
    """A budget that no network can meet; the message says which limit and the smallest possible value."""


class DataError(ConvsmithError):
    """Images or labels that cannot be used; the message names the file, class or split."""


class DownloadError(ConvsmithError):
    """A published file that could not be fetched, or does not match its checksum; the message names both."""


class ModelFileError(ConvsmithError):
    """A model file that is damaged, unsafe or inconsistent; the message names the file."""


class WeightsError(ConvsmithError):
    """Weights that are not their network's; the message names those that are missing, left over or of another shape."""


class CheckpointError(ConvsmithError):
    """A training checkpoint that cannot be written or read; the message names the file."""


class RunFolderError(ConvsmithError):
    """A run's folder that is damaged; the message names the file."""


class ExportError(ConvsmithError):
    """An export whose predictions differ from the trained model's, or that cannot be made; no file is left behind."""


class OutputError(ConvsmithError):
    """A result that cannot be written, because the disk is full for one; the message names the file, which is gone."""
