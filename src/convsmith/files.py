"""The one way to write a file, whole or not at all, and the one form of JSON."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convsmith.errors import OutputError

MODE = 0o644
"""Of a written file; temporary files are readable by their owner alone."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields an empty temporary file beside `path`, which takes its place once the block has ended well.

    After an error the temporary file is gone, and what was at `path` is as it was. Raises OutputError where the
    folder cannot be written to or the disk is full.
    """
    path, temporary = Path(path), None
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


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes a whole file, in one step. Raises OutputError; what was at `path` then stays."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _sync(path: Path) -> None:
    """Returns once the file is on the disk: a rename that outruns its data leaves an empty file after a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def user_cache() -> Path:
    """The folder of the platform's user cache for convsmith; one in the folder for temporary files for a user who has
    no home, as in many containers."""
    return _of_user("user_cache_path", "")


def user_data() -> Path:
    """The folder for what convsmith keeps for this user and could not make again in a moment; as `user_cache`."""
    return _of_user("user_data_path", "-data")


def _of_user(which: str, suffix: str) -> Path:
    import platformdirs

    try:
        path: Path = getattr(platformdirs, which)("convsmith")
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"convsmith-{os.getuid()}{suffix}"
    return path
