"""The one way to write a file, whole or not at all, and the one form of JSON."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convsmith.errors import OutputError

MODE = 0o644
"""Of a written file; temporary files are readable by their owner alone."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields an empty temporary file beside `path`, which takes its place once the block has ended well.

    After an error the temporary file is gone, and what was at `path` is as it was. Raises OutputError where the
    folder cannot be written to or the disk is full.
    """
    temporary = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        _sync(temporary)
        temporary.chmod(MODE)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a whole file, in one step. Raises OutputError; what was at `path` then stays."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def json_text(value: object, *, indent: int | None = None) -> str:
    """Strict JSON in ASCII, which every parser and every terminal takes: NaN and infinities are null.

    `value` may hold dataclasses, mappings, sequences, sets, dates, paths and NumPy's numbers and arrays.
    """
    import msgspec

    strict = msgspec.json.decode(msgspec.json.encode(value, enc_hook=_plain))
    return json.dumps(strict, indent=indent, allow_nan=False)


def _plain(value: Any) -> object:
    """What msgspec does not know, as what it does: paths as text; mappings, NumPy's numbers and arrays as Python's."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is not JSON")


def _sync(path: Path) -> None:
    """Returns once the file is on the disk: a rename that outruns its data leaves an empty file after a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
