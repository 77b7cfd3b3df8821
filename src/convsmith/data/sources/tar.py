"""Files within tar archives, found where they lie: nothing is unpacked, and no link is followed.

Archives are untrusted. Members that are no plain files are passed over, members' names are only names, and an archive
that ends before its end mark is damaged.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from convsmith.data.images import StoredImages, packed
from convsmith.errors import DataError

TAR_ERRORS = (tarfile.TarError, OSError, ValueError, OverflowError)
"""What the reader raises on a damaged archive; a size may not fit a file's offsets."""


def regular(archive: tarfile.TarFile, end: int) -> Iterator[tarfile.TarInfo]:
    """The plain files of an archive of `end` bytes that was opened uncompressed ("r:"), in its order.

    Raises ValueError if it ends within a file, or without its end mark: tarfile itself takes any header that it
    cannot read for the end.
    """
    for member in archive:
        if member.isreg() and not member.issparse():
            if member.offset_data + member.size > end:
                raise ValueError(f"it ends within {member.name}")
            yield member
    file = archive.fileobj
    assert file is not None
    file.seek(archive.offset)
    mark = file.read(tarfile.BLOCKSIZE)
    if len(mark) < tarfile.BLOCKSIZE or any(mark):
        raise ValueError(f"it is not a tar file from byte {archive.offset:,} on")


def read_tar(path: Path, root: Path) -> StoredImages:
    """The files in a tar below `root`, sorted by name. Raises DataError naming the tar if it is damaged."""
    try:
        with tarfile.open(path, "r:") as archive:
            return _stored(path, root, path, archive, 0, path.stat().st_size)
    except TAR_ERRORS as error:
        raise DataError(f"{path} is damaged: {_words(error)}") from None


def read_tar_of_tars(path: Path, root: Path) -> Iterator[tuple[str, StoredImages]]:
    """The name of each tar in a tar below `root`, without its suffix, and the files in it, sorted by name.

    Raises DataError naming the tar, and the tar in it, if it is damaged.
    """
    inner = ""
    try:
        with tarfile.open(path, "r:") as outer:
            for member in regular(outer, path.stat().st_size):
                inner = PurePosixPath(member.name).name
                if not inner.endswith(".tar"):
                    continue
                # A file of the inner tar lies at the inner tar's place in the outer one, and its own place from there.
                with tarfile.open(fileobj=outer.extractfile(member), mode="r:") as archive:
                    name = path / inner
                    yield (
                        inner.removesuffix(".tar"),
                        _stored(name, root, path, archive, member.offset_data, member.size),
                    )
                inner = ""
    except TAR_ERRORS as error:
        raise DataError(f"{path / inner} is damaged: {_words(error)}") from None


def _stored(name: Path, root: Path, container: Path, archive: tarfile.TarFile, start: int, size: int) -> StoredImages:
    """The files of an archive of `size` bytes that begins at byte `start` of `container`."""
    found = sorted((PurePosixPath(m.name).name, m.offset_data, m.size) for m in regular(archive, size))
    prefix = name.relative_to(root).as_posix()
    return StoredImages(
        root,
        packed(f"{prefix}/{member}" for member, _, _ in found),
        packed([container.relative_to(root).as_posix()]),
        np.zeros(len(found), np.int32),
        np.array([start + offset for _, offset, _ in found], np.int64),
        np.array([size for _, _, size in found], np.int64),
    )


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
