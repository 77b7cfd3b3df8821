"""Which reader a data set needs, from its name or from what lies at its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from convsmith.data.folder import read_folder
from convsmith.data.idx import is_idx, read_idx
from convsmith.data.ilsvrc import is_ilsvrc, read_ilsvrc
from convsmith.data.listing import Listing
from convsmith.data.manifest import read_manifest
from convsmith.data.named import NAMED, read_named
from convsmith.data.npz import read_npz
from convsmith.data.shards import is_shards, read_shards
from convsmith.errors import DataError, UnknownNameError

READERS: dict[str, Callable[[Path], Listing]] = {".csv": read_manifest, ".parquet": read_manifest, ".npz": read_npz}
"""Readers of single files, by suffix."""


def read_source(data: str | Path) -> Listing:
    """Lists a data set: a known name, else a path. (`./digits` is a folder even where `digits` is a known name.)

    Raises UnknownNameError where neither is found, DataError where it cannot be read as a data set.
    """
    if isinstance(data, str) and data in NAMED:
        return read_named(data)
    path = Path(data).expanduser()
    if is_idx(path):
        return read_idx(path)
    if path.is_dir():
        # A folder of ImageNet's class tars could be one of shards, so it is known first.
        if is_ilsvrc(path):
            return read_ilsvrc(path)
        return read_shards(path) if is_shards(path) else read_folder(path)
    if not path.exists():
        raise UnknownNameError("data set or path", str(data), NAMED)
    if path.suffix.lower() not in READERS:
        raise DataError(
            f"{path} is no data set; expected a folder of class folders or of shards, IDX files or {', '.join(READERS)}"
        )
    return READERS[path.suffix.lower()](path)
