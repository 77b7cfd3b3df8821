"""Image sets in Parquet files, as the Hugging Face hub distributes them: `data/train-00000-of-00002.parquet`, ...

A row holds an image file's bytes and its label. To read a single row, Parquet decodes all that is stored with it, so
the bytes are copied once, a few rows at a time, to one file in the user's cache, and read there in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convsmith.data.checks.examine import Progress
from convsmith.data.dataset import Finding
from convsmith.data.images import StoredImages, packed
from convsmith.data.sources.columns import Columns, columns_of, image_column
from convsmith.data.sources.imagecopy import NO_LABEL, Copy, Row, copy_images
from convsmith.data.sources.listing import Listing
from convsmith.data.sources.naming.class_names import name_classes
from convsmith.data.sources.naming.split_names import SPLITS, split_in, split_of
from convsmith.data.sources.tables.manifest import read_manifest
from convsmith.data.sources.walk import entries
from convsmith.errors import DataError

if TYPE_CHECKING:
    from pyarrow import parquet  # type: ignore[import-untyped]

ROWS_AT_ONCE = 32
"""Rows that are decoded at a time: a few MB of photographs."""

MAX_LABEL_LENGTH = 1000

BUFFER_BYTES = 1 << 20
"""Bytes that are read at a time of each column, instead of all that a row group has of it."""


def read_parquet(path: Path, progress: Progress = lambda done, total: None) -> Listing:
    """Reads a Parquet file: an image set if it has a column of images' bytes, else a manifest.

    Raises DataError as `read_image_set` and `read_manifest` do.
    """
    with _opened(path) as file:
        holds_images = image_column(file.schema_arrow) is not None
    return read_image_set(path, [path], progress) if holds_images else read_manifest(path)


def image_set_files(folder: Path) -> list[Path]:
    """The Parquet files of the image set in a folder, sorted; none if it is something else.

    They lie in `data/`, or in the folder itself if it has no folders but such as are called like splits, or in its only
    folder; there, or one further down in folders called like splits. Raises DataError naming a file that cannot be read
    as Parquet.
    """
    folders = entries(folder, folders=True)
    if all(map(split_of, folders)):
        home = folder
    elif "data" in folders or len(folders) == 1:
        home = folder / ("data" if "data" in folders else folders[0])
    else:
        return []
    below = [home / name for name in entries(home, folders=True) if split_of(name)]
    files = sorted(file for place in (home, *below) for file in place.glob("*.parquet") if file.is_file())
    if not files:
        return []
    with _opened(files[0]) as file:
        return files if image_column(file.schema_arrow) is not None else []


def read_image_set(root: Path, files: Sequence[Path], progress: Progress = lambda done, total: None) -> Listing:
    """Lists the images in Parquet files, by file and row. `root` is the data set's folder, or its only file.

    The split is in a file's name or folder; where no name has one, all is train. Class names are the schema's, in
    its order, or else the labels. Rows without an image or a label are left out and reported (the hub writes -1 for no
    label), and so are files of other splits, and splits without labels. `progress` gets the rows copied so far and all
    rows.

    Raises DataError naming the file that is damaged or does not fit the first, or the cache that cannot be written.
    """
    findings: list[Finding] = []
    splits = _splits(root, files, findings)
    columns, total = _columns(list(splits))
    copy = copy_images(root, list(splits), lambda file: _rows(file, columns, _folder(root)), total, progress)
    kept = _usable(copy, root, splits, findings)
    if not len(kept):
        raise DataError(f"{root} has no image with a label")
    classes, labels = _classes(copy, kept, columns, root, findings)
    ours = np.array(list(splits.values()))[copy.source[kept]]
    rows = {name: np.flatnonzero(ours == name) for name in dict.fromkeys(SPLITS.values()) if (ours == name).any()}
    images = _images(copy, root, list(splits)).take(kept)
    name = root.resolve().name if root.is_dir() else root.stem
    return Listing(name, classes, images, labels, rows, root, tuple(findings))


def _opened(path: Path) -> parquet.ParquetFile:
    # Here, because only Parquet needs it, and it takes 50 ms.
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
    except Exception as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as Parquet: {' '.join(str(error).split()) or type(error).__name__}")


def _splits(root: Path, files: Sequence[Path], findings: list[Finding]) -> dict[Path, str]:
    """Which of our splits each file is of."""
    told = {file: _split(file, root) for file in files}
    if not any(told.values()):
        return dict.fromkeys(files, "train")
    for file in [file for file, split in told.items() if split is None]:
        findings.append(Finding(str(file), f"its name does not say its split ({', '.join(SPLITS)}); not used"))
    return {file: split for file, split in told.items() if split is not None}


def _split(file: Path, root: Path) -> str | None:
    """The split in a file's name, or in that of its folder within the data set."""
    folder = file.parent.name if file.parent != root and file != root else ""
    return split_in(file.stem) or (split_in(folder) if folder else None)


def _columns(files: Sequence[Path]) -> tuple[Columns, int]:
    """The columns of all files, which are the first one's, and how many rows they have together."""
    first: Columns | None = None
    total = 0
    for path in files:
        with _opened(path) as file:
            columns, total = columns_of(file.schema_arrow, path), total + file.metadata.num_rows
        if first is not None and columns != first:
            raise DataError(f"{path} does not have the columns and classes of {files[0]}")
        first = columns
    assert first is not None
    return first, total


def _rows(path: Path, columns: Columns, root: Path) -> Iterator[Row]:
    with _opened(path) as file:
        batches = file.iter_batches(batch_size=ROWS_AT_ONCE, columns=[columns.image, columns.label])
        while True:
            try:
                batch = next(batches, None)
                if batch is None:
                    return
                images, labels = (batch.column(name).to_pylist() for name in (columns.image, columns.label))
            except Exception as error:  # whatever Arrow meets in a damaged file
                raise _damaged(path, error) from None
            for image, label in zip(images, labels, strict=True):
                if isinstance(label, str) and len(label) > MAX_LABEL_LENGTH:
                    raise DataError(
                        f"{path}: column {columns.label} has a text of {len(label):,} characters, too long for a class"
                    )
                yield Row(_bytes(image, (path.parent, root)), _label(label))


def _bytes(cell: Any, folders: Sequence[Path]) -> bytes | None:
    """Of the hub's struct, the bytes, or where there are none, those of the file at its path in one of the folders."""
    if not isinstance(cell, dict):
        return cell if isinstance(cell, bytes) else None
    content, path = cell["bytes"], cell.get("path")
    if isinstance(content, bytes) or not isinstance(path, str):
        return content if isinstance(content, bytes) else None
    for folder in folders:
        with suppress(OSError, ValueError):
            if (folder / path).is_file():
                return (folder / path).read_bytes()
    return None


def _label(cell: int | str | None) -> str | None:
    return None if cell is None or cell == "" or (isinstance(cell, int) and cell < 0) else str(cell)


def _usable(copy: Copy, root: Path, splits: dict[Path, str], findings: list[Finding]) -> NDArray[np.int64]:
    """The rows with an image and a label."""
    images, files = _images(copy, root, list(splits)), list(splits)
    unlabelled = copy.label == NO_LABEL
    for number, file in enumerate(files):
        rows = copy.source == number
        if rows.any() and unlabelled[rows].all():
            findings.append(Finding(str(file), f"no labels for its {rows.sum():,} images; not used"))
            continue
        for row in np.flatnonzero(rows & (unlabelled | (copy.size == 0))).tolist():
            findings.append(Finding(images.name(row), f"no {'label' if copy.size[row] else 'image'}; not used"))
    return np.flatnonzero(~unlabelled & (copy.size > 0))


def _classes(
    copy: Copy, kept: NDArray[np.int64], columns: Columns, root: Path, findings: list[Finding]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Class names in order, and the label of each row that is kept."""
    values = [copy.labels[label] for label in np.unique(copy.label[kept]).tolist()]
    if columns.classes is None:
        classes, numbers, notes = name_classes(values, str(root))
        findings += notes
        place = dict(zip(values, numbers.tolist(), strict=True))
    else:
        beyond = next((value for value in values if int(value) >= len(columns.classes)), None)
        if beyond is not None:
            raise DataError(f"{root}: label {beyond} is outside its {len(columns.classes)} classes")
        used = sorted(map(int, values))
        classes = tuple(columns.classes[label] for label in used)
        place = {str(label): index for index, label in enumerate(used)}
        if unused := [name for name in columns.classes if name not in classes]:
            findings.append(Finding(str(root), f"the classes {', '.join(unused)} have no images; not used"))
    by_code = np.array([place.get(name, NO_LABEL) for name in copy.labels], np.int64)
    return classes, by_code[copy.label[kept]]


def _images(copy: Copy, root: Path, files: Sequence[Path]) -> StoredImages:
    """All rows, called after their files and places in them: `data/train-00000-of-00002.parquet[12]`."""
    names = [file.relative_to(_folder(root)).as_posix() for file in files]
    starts = np.searchsorted(copy.source, np.arange(len(files)))
    within = np.arange(len(copy.source)) - starts[copy.source]
    return StoredImages(
        _folder(root),
        packed(f"{names[source]}[{row}]" for source, row in zip(copy.source.tolist(), within.tolist(), strict=True)),
        packed([str(copy.path)]),  # absolute, so it leads out of the folder
        np.zeros(len(copy.size), np.int32),
        copy.offset,
        copy.size,
    )


def _folder(root: Path) -> Path:
    return root if root.is_dir() else root.parent
