"""Which reader a data set needs, from its name or from what lies at its path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from convsmith.data.checks.examine import Progress
from convsmith.data.dataset import Finding
from convsmith.data.known.names import NAMED, read_named
from convsmith.data.sources.folder import read_folder
from convsmith.data.sources.idx import is_idx, read_idx
from convsmith.data.sources.imagenet.ilsvrc import is_ilsvrc, read_ilsvrc
from convsmith.data.sources.layouts.emnist import is_emnist, read_emnist
from convsmith.data.sources.layouts.recognise import read_layout
from convsmith.data.sources.listing import Listing
from convsmith.data.sources.npz import read_npz
from convsmith.data.sources.parquet import image_set_files, read_image_set, read_parquet
from convsmith.data.sources.shards import is_shards, read_shards
from convsmith.data.sources.tables.in_folder import read_tables
from convsmith.data.sources.tables.manifest import read_manifest
from convsmith.data.sources.walk import ARCHIVES, has_image_name
from convsmith.errors import DataError, UnknownNameError

Reader = Callable[[Path, Progress], Listing]

READERS: dict[str, Reader] = {
    ".csv": lambda path, _: read_manifest(path),
    ".tsv": lambda path, _: read_manifest(path),
    ".jsonl": lambda path, _: read_manifest(path),
    ".txt": lambda path, _: read_manifest(path),
    ".lst": lambda path, _: read_manifest(path),
    ".parquet": read_parquet,
    ".npz": lambda path, _: read_npz(path),
    ".tar": lambda path, _: read_shards(path),
}
"""Readers of single files, by suffix."""

OTHERS = {
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst"), "is compressed; unpack it"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "is a spreadsheet; save it as CSV"),
    ".npy": "is one array; save images and labels together with numpy.savez",
    **dict.fromkeys((".pkl", ".pickle"), "is a pickle, which is never loaded; save images and labels with numpy.savez"),
    **dict.fromkeys((".mat", ".h5", ".hdf5"), "is not read; save images and labels with numpy.savez"),
    **dict.fromkeys((".safetensors", ".onnx", ".pt", ".pth"), "is a model, not a data set"),
}
"""What else is given for a data set, and what to do with it."""


def read_source(data: str | Path, progress: Progress = lambda done, total: None) -> Listing:
    """Lists a data set: a path, else a known name. A file or folder that is called like a known data set is read in its
    place, with a note.

    `progress` gets the images copied so far and all images, where a source is copied once to the cache.
    Raises UnknownNameError where neither is found, DataError where it cannot be read as a data set.
    """
    path = Path(data).expanduser()
    if str(data) in NAMED:
        if not path.exists():
            return read_named(str(data))
        note = Finding(str(path), f"this path was read, not the known data set {data}")
        listing = _read_path(path, data, progress)
        return replace(listing, notes=(*listing.notes, note))
    return _read_path(path, data, progress)


def _read_path(path: Path, data: str | Path, progress: Progress) -> Listing:
    if not path.is_dir() and is_emnist(path):  # before IDX, of which it is a kind
        return read_emnist(path)
    if is_idx(path):
        return read_idx(path)
    if path.is_dir():
        return _read_directory(path, progress)
    if not path.exists():
        raise UnknownNameError("data set or path", str(data), NAMED)
    if path.suffix.lower() not in READERS:
        if path.name.lower().endswith(ARCHIVES):
            raise DataError(f"{path} is an archive; unpack it, and give its folder")
        if path.suffix.lower() in OTHERS:
            raise DataError(f"{path} {OTHERS[path.suffix.lower()]}")
        if has_image_name(path.name):
            raise DataError(f"{path} is one image; a data set is a folder with a folder of images for each class")
        raise DataError(
            f"{path} is not a data set; expected a folder of class folders, of shards, of ImageNet's archives, of "
            f"Parquet files or in a published layout; IDX files or {', '.join(READERS)}"
        )
    return READERS[path.suffix.lower()](path, progress)


def _read_directory(folder: Path, progress: Progress) -> Listing:
    # A folder of ImageNet's class tars could be one of shards, so it is known first.
    if is_ilsvrc(folder):
        return read_ilsvrc(folder)
    published = read_layout(folder)
    if published is not None:
        return published
    if is_shards(folder):
        return read_shards(folder)
    files = image_set_files(folder)
    if files:
        return read_image_set(folder, files, progress)
    try:
        listing = read_folder(folder)
    except DataError:
        # Folders that are no classes: their images may have them in tables.
        tabled = read_tables(folder)
        if tabled is None:
            raise
        return tabled
    return listing if len(listing.classes) > 1 else read_tables(folder) or listing
