"""The labels of ILSVRC 2012's validation images, from the development kit or from Kaggle's table.

The kit's `data/ILSVRC2012_validation_ground_truth.txt` has a line for each image, in the order of their numbers: its
class as an ILSVRC2012_ID. Which synset (WordNet id) that is, says `data/meta.mat`. These ids are not in the order of
the WordNet ids, by which classifiers count. Both files are read out of `ILSVRC2012_devkit_t12.tar.gz`, in memory, where
it has not been unpacked. All files are untrusted: they are read up to a size far above that of the published ones.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.sources.tar import TAR_ERRORS
from convsmith.errors import DataError

KIT = "ILSVRC2012_devkit_t12"
META = "meta.mat"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
KAGGLE = "LOC_val_solution.csv"
MAX_FILE_BYTES = 8 << 20
"""Bytes of a file with labels. Kaggle's, the largest, has 2.5 MB."""

MAX_KIT_BYTES = 64 << 20
"""Bytes of the kit's archive, unpacked."""

OTHER_YEAR = re.compile(r"ILSVRC(20\d\d)")
VAL_NAME = re.compile(r"ILSVRC2012_val_(\d{8})(\.JPEG)?", re.IGNORECASE)
WORDNET_ID = re.compile(r"n\d{8}")


def validation_labels(folders: Sequence[Path]) -> dict[int, str] | None:
    """The WordNet id of each validation image by its number, from the first kit or table in one of the folders.

    None if there is none. Raises DataError naming the file that is damaged or does not fit the other.
    """
    for folder in folders:
        for kit in (folder / KIT / "data", folder / KIT, folder / "data", folder):
            if (kit / GROUND_TRUTH).is_file() and (kit / META).is_file():
                return _labels(kit, _content(kit / GROUND_TRUTH), _content(kit / META))
        archive = folder / f"{KIT}.tar.gz"
        if archive.is_file():
            return _labels(archive, *_from_archive(archive))
        if (folder / KAGGLE).is_file():
            return _from_kaggle(folder / KAGGLE)
    return None


@dataclass(frozen=True, eq=False)
class Kit:
    """The development kit: the WordNet id of each ILSVRC2012_ID, and the id of each validation image, int64 (N,)."""

    wordnet_ids: Mapping[int, str]
    truth: NDArray[np.int64]


def open_kit(place: Path) -> Kit:
    """The kit that is a folder or an archive, or lies in or beside the images' folder.

    Raises DataError where there is none, where it is damaged, and where it is of another year.
    """
    folder = place if place.is_dir() else place.parent
    if place.is_file() and place.name.endswith((".tar.gz", ".tgz")):
        where, (truth, meta) = place, _from_archive(place)
    else:
        candidates = [base / below for base in (folder, folder.parent) for below in (f"{KIT}/data", KIT, "data", "")]
        found = next((kit for kit in candidates if (kit / GROUND_TRUTH).is_file() and (kit / META).is_file()), None)
        archive = next((b / f"{KIT}.tar.gz" for b in (folder, folder.parent) if (b / f"{KIT}.tar.gz").is_file()), None)
        if found is not None:
            where, truth, meta = found, _content(found / GROUND_TRUTH), _content(found / META)
        elif archive is not None:
            where, (truth, meta) = archive, _from_archive(archive)
        else:
            raise DataError(
                f"{folder}: no development kit of 2012 there ({KIT}.tar.gz, or the folder in it){_year(folder)}"
            )
    ids = leaf_synsets(meta, where / META)
    numbers = {wordnet_id: number for number, wordnet_id in ids.items()}
    labels = _labels_of(where, truth, ids)
    return Kit(ids, np.array([numbers[labels[image]] for image in sorted(labels)], np.int64))


def _year(folder: Path) -> str:
    """What to add where the kit of another year lies there."""
    names = (path.name for base in (folder, folder / "data") if base.is_dir() for path in base.iterdir())
    other = next((match[0] for name in names if (match := OTHER_YEAR.match(name)) and match[1] != "2012"), None)
    return f"; {other} is of another year, whose classes are others" if other else ""


def leaf_synsets(content: bytes, where: Path) -> dict[int, str]:
    """The WordNet id of each class by its ILSVRC2012_ID, from the bytes of `meta.mat`: of the synsets without children,
    for the others are the hierarchy above the classes. Raises DataError naming `where`."""
    from scipy.io import loadmat  # type: ignore[import-untyped]  # here, because it takes 100 ms

    try:
        # MATLAB has no vectors: the structs are a row or a column, and each of their fields a 1x1 array.
        read = loadmat(io.BytesIO(content), squeeze_me=True, variable_names=["synsets"])["synsets"]
        other = next((match[1] for field in read.dtype.names or () if (match := OTHER_YEAR.match(field))), "2012")
        if other != "2012":
            raise ValueError(f"it is of {other}, whose classes are others")
        columns = [np.atleast_1d(read)[name] for name in ("ILSVRC2012_ID", "WNID", "num_children")]
        rows = [tuple(np.asarray(cell).item() for cell in row) for row in zip(*columns, strict=True)]
        leaves = {int(number): str(wordnet_id) for number, wordnet_id, children in rows if not children}
    except Exception as error:  # whatever scipy's reader meets in a damaged file
        raise DataError(f"{where} cannot be read as the kit's synsets: {_words(error)}") from None
    wrong = next((name for name in leaves.values() if not WORDNET_ID.fullmatch(name)), None)
    if wrong is not None or len(set(leaves.values())) < len(leaves):
        raise DataError(f"{where}: it does not give each class one WordNet id" + (f": {wrong!r}" if wrong else ""))
    return leaves


def _labels(where: Path, ground_truth: bytes, meta: bytes) -> dict[int, str]:
    return _labels_of(where, ground_truth, leaf_synsets(meta, where / META))


def _labels_of(where: Path, ground_truth: bytes, synsets: Mapping[int, str]) -> dict[int, str]:
    found = {}
    for number, line in enumerate(ground_truth.split(), 1):
        label = synsets.get(int(line)) if line.isdigit() and len(line) < 10 else None
        if label is None:
            shown = line[:20].decode(errors="replace")
            raise DataError(f"{where / GROUND_TRUTH}: line {number} is {shown!r}, which is not a class in {META}")
        found[number] = label
    return found


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise DataError(f"{path} is longer than {MAX_FILE_BYTES:,} bytes, so it is not a file of labels")
    return content


def _from_archive(path: Path) -> tuple[bytes, bytes]:
    """The bytes of the ground truth and of the synsets."""
    found: dict[str, bytes] = {}
    try:
        with gzip.open(path) as file:
            content = file.read(MAX_KIT_BYTES + 1)
        if len(content) > MAX_KIT_BYTES:
            raise ValueError(f"it unpacks to more than {MAX_KIT_BYTES:,} bytes")
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if member.isreg() and name in (GROUND_TRUTH, META):
                    found[name] = content[member.offset_data : member.offset_data + member.size]
    except (*TAR_ERRORS, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged: {_words(error)}") from None
    for name in (GROUND_TRUTH, META):
        if name not in found:
            raise DataError(f"{path} holds no data/{name}; it is not the development kit of 2012")
    return found[GROUND_TRUTH], found[META]


def _from_kaggle(path: Path) -> dict[int, str]:
    """From lines like `ILSVRC2012_val_00048981,n03995372 85 1 499 272`: the boxes of an image are all of one class."""
    found = {}
    try:
        for line, row in enumerate(csv.reader(io.StringIO(_content(path).decode())), 1):
            if line == 1 or not row:
                continue
            name, label = VAL_NAME.fullmatch(row[0]), row[1][:9] if len(row) > 1 else ""
            if name is None or not WORDNET_ID.fullmatch(label):
                raise ValueError(f"line {line} is not an image and its class")
            found[int(name[1])] = label
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as labels: {_words(error)}") from None
    return found


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
