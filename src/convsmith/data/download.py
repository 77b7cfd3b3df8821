"""A published file, fetched over an unreliable network and accepted only if it is the very file that was published."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from convsmith.errors import DataError

ATTEMPTS = 5
TIMEOUT = 30.0
"""Seconds without a byte until the connection counts as dead."""

BLOCK = 1 << 16


@dataclass(frozen=True)
class Published:
    """A file at an address, its size in bytes and its SHA-256 as hexadecimal digits."""

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


def download(file: Published, folder: Path, *, pause: float = 1.0) -> Path:
    """Fetches a file into a folder, unless it is there already, and returns its path.

    What has arrived is kept as `NAME.part`, from which the next attempt goes on, in this run or a later one. Up to
    `ATTEMPTS` attempts that bring nothing new, after pauses of `pause` seconds, twice as long each time. Raises
    DataError if the server keeps failing, or sends other bytes than were published; those are not kept.
    """
    path = folder / file.name
    if path.exists() and sha256(path) == file.sha256:
        return path
    part = path.with_name(f"{path.name}.part")
    failures = 0
    while _size(part) < file.size:
        before = _size(part)
        reason = _receive(file, part)
        failures = 0 if _size(part) > before else failures + 1
        if failures == ATTEMPTS:
            raise DataError(f"{file.url} could not be fetched: {reason}")
        if reason is not None:
            time.sleep(pause * 2**failures)
    if _size(part) != file.size or sha256(part) != file.sha256:
        part.unlink()
        raise DataError(f"{file.url} is not the published file: its size or SHA-256 differs; nothing was kept")
    part.replace(path)
    return path


def _receive(file: Published, part: Path) -> str | None:
    """Appends what the server sends beyond what is there; the reason if it broke off."""
    start = _size(part)
    request = urllib.request.Request(file.url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response, part.open("ab") as stream:
            if response.status != http.HTTPStatus.PARTIAL_CONTENT:
                # A server that knows no ranges begins anew.
                stream.truncate(0)
            while (block := response.read(BLOCK)) and stream.tell() <= file.size:
                stream.write(block)
        return None if _size(part) >= file.size else "the connection closed early"
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, "reason", None) or error or type(error).__name__)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
