"""An entry: a text file with a line for each image, of up to five ILSVRC2012_IDs, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.errors import DataError

GUESSES = 5
MOST_BYTES = 64 << 20
"""Of an entry's file. 100,000 lines of five ids have less than 3 MB."""

NO_GUESS = 0
"""In the place of a guess that was not made."""


def read_entry(path: Path, images: int, classes: int) -> NDArray[np.int64]:
    """The guesses of an entry, int64 (images, 5); `NO_GUESS` where a line has fewer.

    Raises DataError naming the line with no guess, more than five, a repeated one, or one that is no id from 1 to
    `classes`; and for a file of another number of lines.
    """
    lines = _lines(path)
    if len(lines) != images:
        raise DataError(f"{path} has {len(lines):,} lines for {images:,} images: it is of other images, or cut short")
    guesses = np.full((images, GUESSES), NO_GUESS, np.int64)
    for row, line in enumerate(lines):
        words = line.replace(",", " ").split()
        if not 1 <= len(words) <= GUESSES:
            raise DataError(f"{path}, line {row + 1}: {len(words)} guesses; from 1 to {GUESSES} are allowed")
        try:
            found = [int(word) for word in words]
        except ValueError:
            raise DataError(f"{path}, line {row + 1}: {line[:40]!r} are not ids (numbers)") from None
        if min(found) < 1 or max(found) > classes:
            wrong = next(one for one in found if not 1 <= one <= classes)
            raise DataError(f"{path}, line {row + 1}: {wrong} is not an ILSVRC2012_ID, which go from 1 to {classes:,}")
        if len(set(found)) < len(found):
            raise DataError(f"{path}, line {row + 1}: {line.strip()[:40]!r} has the same guess twice")
        guesses[row, : len(found)] = found
    return guesses


def write_entry(path: Path, guesses: Iterable[Iterable[int]]) -> int:
    """Writes the guesses, a line for each image. Returns how many. Raises OutputError if it cannot be written."""
    from convsmith.files import write_bytes

    lines = [" ".join(map(str, line)) for line in guesses]
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())
    return len(lines)


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path} is longer than {MOST_BYTES:,} bytes, so it is not an entry")
        return path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a text file of guesses") from None
