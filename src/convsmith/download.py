"""A published file, fetched over an unreliable network and accepted only if it is the very file that was published."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from convsmith.errors import DownloadError
from convsmith.files import user_cache

ATTEMPTS = 5
TIMEOUT = 30.0
"""Seconds without a byte until the connection counts as dead."""

BLOCK = 1 << 16
OFFLINE = "CONVSMITH_OFFLINE"
PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
"""Refusals that another attempt may not meet; the others below 500 are final."""

Progress = Callable[[int, int | None], None]
"""Is told the bytes that are here and those of the whole file, None while nobody has said."""


@dataclass(frozen=True)
class Published:
    """A file at an address, its size in bytes where that was published, and the hexadecimal digits of its SHA-256.

    Fewer than all 64 digits are its first ones: torchvision publishes eight, in the file's name.
    """

    url: str
    size: int | None
    sha256: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    def is_at(self, path: Path) -> bool:
        """Whether the bytes at a path are this file."""
        return path.is_file() and _size(path) == (self.size or _size(path)) and sha256(path).startswith(self.sha256)


def cache(kind: str) -> Path:
    """The folder of the platform's user cache for fetched files of a kind: "datasets", "weights"."""
    return user_cache() / kind


def offline() -> bool:
    """Whether the environment forbids to fetch anything: CONVSMITH_OFFLINE is set, and not to 0."""
    return os.environ.get(OFFLINE, "0") not in ("", "0")


def download(
    file: Published, folder: Path, *, pause: float = 1.0, on_progress: Progress = lambda done, total: None
) -> Path:
    """Fetches a file into a folder, unless it is there already, and returns its path.

    What has arrived is kept as `NAME.part`, from which the next attempt goes on, in this run or a later one. Up to
    `ATTEMPTS` attempts that bring nothing new, after pauses of `pause` seconds, twice as long each time. Processes that
    want the same file wait for the first. Raises DownloadError in offline mode, if the folder cannot be written, if
    the server refuses or keeps failing, or if it sends other bytes than were published; those are not kept.
    """
    from filelock import FileLock

    path = folder / file.name
    if file.is_at(path):
        return path
    if offline():
        raise DownloadError(f"{file.url} is not at {path}, and {OFFLINE} forbids to fetch it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{file.name}.lock"):
            if not file.is_at(path):
                _fetch(file, folder / f"{file.name}.part", pause, on_progress).replace(path)
    except OSError as error:
        raise DownloadError(f"{path} cannot be written: {error.strerror}") from None
    return path


def _fetch(file: Published, part: Path, pause: float, on_progress: Progress) -> Path:
    """The partial file, completed and verified."""
    failures = 0
    reason: str | None = "nothing was sent"
    while reason is not None and not file.is_at(part):
        before = _size(part)
        reason = _receive(file, part, on_progress)
        failures = 0 if _size(part) > before else failures + 1
        if failures == ATTEMPTS:
            raise DownloadError(f"{file.url} could not be fetched: {reason}")
        if reason is not None:
            time.sleep(pause * 2**failures)
    if not file.is_at(part):
        part.unlink()
        raise DownloadError(f"{file.url} is not the published file: its size or SHA-256 differs; nothing was kept")
    return part


def _receive(file: Published, part: Path, on_progress: Progress) -> str | None:
    """Appends what the server sends beyond what is there; None at the file's end, else the reason why it broke off."""
    start = _size(part)
    headers = {"User-Agent": "convsmith"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with (
            urllib.request.urlopen(urllib.request.Request(file.url, headers=headers), timeout=TIMEOUT) as response,
            part.open("ab") as stream,
        ):
            if response.status != HTTPStatus.PARTIAL_CONTENT:
                # A server that knows no ranges begins anew.
                stream.truncate(0)
            total = file.size or _total(response)
            while block := response.read(BLOCK):
                stream.write(block)
                on_progress(stream.tell(), total)
                if file.size and stream.tell() > file.size:
                    return None
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return None
        reason = f"{error.code} {error.reason}"
        if error.code < HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in PASSING:
            raise DownloadError(f"{file.url} could not be fetched: {reason}") from None
        return reason
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, PermissionError) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise
        return str(getattr(error, "reason", None) or error or type(error).__name__)
    return None if total is None or _size(part) >= total else "the connection closed early"


def _total(response: http.client.HTTPResponse) -> int | None:
    """Bytes of the whole file as the server tells them, in Content-Range or Content-Length; None if it does not."""
    told = response.headers.get("Content-Range", "").rpartition("/")[2] or response.headers.get("Content-Length", "")
    return int(told) if told.isdecimal() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
