"""WebDataset shards: tar files of images with their labels, read in place and written with an index of checksums.

A sample is the members whose names are alike up to their last dot, or where that tells nothing, up to their first:
`000042.jpg` and `000042.cls`. Its class is the text of the `.cls` member: a name, or with our index a number. Where
each image lies in its shard is read once; afterwards any image is one read at its offset. Nothing is unpacked, and
members' names are never used as paths.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from convsmith.data.checks.examine import examine
from convsmith.data.dataset import Finding
from convsmith.data.decode.image import PREFIX_BYTES, SUFFIXES, Box, cut, format_of
from convsmith.data.images import AnyImages, ArrayImages, FileImages, StoredImages, packed
from convsmith.data.sources.listing import Listing, rows_by_split
from convsmith.data.sources.naming.class_names import name_classes
from convsmith.data.sources.naming.leftovers import SHARD_FORMAT, SHARD_INDEX, is_leftover, is_shard_index
from convsmith.data.sources.naming.split_names import SPLITS, split_in, split_of
from convsmith.data.sources.tar import TAR_ERRORS, regular
from convsmith.data.sources.walk import entries
from convsmith.errors import DataError, UsageError

INDEX = SHARD_INDEX
FORMAT = f"{SHARD_FORMAT} 1"
LABEL = "cls"
MAX_LABEL_LENGTH = 4096
"""Bytes of a `.cls` member that are read at most."""

SHOWN = 20
"""Unusable files that a refusal names."""

SHARD_BYTES = 512 << 20
"""Bytes after which a new shard is begun: large enough for sequential reading, small enough to copy."""


@dataclass(frozen=True)
class Shard:
    """A line of the index: the file, its split, how many images it holds, its bytes, their SHA-256."""

    file: str
    split: str
    images: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class _Sample:
    member: str
    offset: int
    size: int
    label: str


def is_shards(folder: Path) -> bool:
    """Whether a folder holds shards: our index, or tar files, in it or in folders that are called like splits."""
    if is_shard_index(folder / INDEX):
        return True
    return bool(_tars(folder)) and all(map(split_of, entries(folder, folders=True)))


def read_shards(source: Path) -> Listing:
    """Lists the images in a folder's shards, or in one shard, by shard and place.

    The split is the index's, else the one in a shard's name or its folder's (`pets-train-000.tar`), else "train".
    Raises DataError naming the shard that is missing, damaged or not of the index's size.
    """
    folder = source if source.is_dir() else source.parent
    classes, files = _index_or_names(folder) if source.is_dir() else (None, [(source, "train")])
    samples: list[_Sample] = []
    places: list[int] = []
    splits: list[str] = []
    findings: list[Finding] = []
    for number, (path, split) in enumerate(files):
        found = list(_samples(path, findings))
        samples += found
        places += [number] * len(found)
        splits += [split] * len(found)
    if not samples:
        raise DataError(f"{source} holds no samples; expected members like 000.jpg and 000.{LABEL} in its tar files")
    names = [_class_name(sample, classes, files[place][0]) for sample, place in zip(samples, places, strict=True)]
    found_classes, labels, notes = name_classes(names, str(folder), splits)
    if classes is not None:  # the index's order, also where a class has no image
        labels = np.array([classes.index(name) for name in names], dtype=np.int64)
    images = StoredImages(
        folder,
        packed(
            f"{files[place][0].relative_to(folder).as_posix()}/{sample.member}"
            for sample, place in zip(samples, places, strict=True)
        ),
        packed(path.relative_to(folder).as_posix() for path, _ in files),
        np.array(places, np.int32),
        np.array([sample.offset for sample in samples], np.int64),
        np.array([sample.size for sample in samples], np.int64),
    )
    rows = rows_by_split(splits, str(folder))
    return Listing(
        source.resolve().name, classes or found_classes, images, labels, rows, folder, tuple(findings), notes
    )


def read_unlabelled(source: Path) -> StoredImages:
    """Every image in a shard, or in a folder's shards, by shard and place, whether it has a label or not.

    Raises DataError naming the shard that is missing, damaged or not of the index's size.
    """
    if source.is_dir():
        folder, files = source, [path for path, _ in _index_or_names(source)[1]]
    else:
        folder, files = source.parent, [source]
    names: list[str] = []
    places: list[tuple[int, int, int]] = []
    for number, path in enumerate(files):
        with _reading(path) as archive:
            for member in regular(archive, path.stat().st_size):
                if _is_image(member.name):
                    names.append(f"{path.relative_to(folder).as_posix()}/{member.name}")
                    places.append((number, member.offset_data, member.size))
    place, offset, size = np.array(places, np.int64).reshape(-1, 3).T
    containers = packed(path.relative_to(folder).as_posix() for path in files)
    return StoredImages(folder, packed(names), containers, place.astype(np.int32), offset, size)


def verify_shards(folder: Path, progress: Callable[[str], None] = lambda file: None) -> int:
    """Compares every shard with its checksum in the index. Returns how many there are.

    Raises DataError naming the first shard that differs, or if there is no index.
    """
    _, shards = _read_index(folder)
    if shards is None:
        raise DataError(f"{folder} has no {INDEX} with checksums")
    for shard in shards:
        progress(shard.file)
        with _sound(folder, shard).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != shard.sha256:
                raise DataError(f"{folder / shard.file} is damaged: its SHA-256 is not that of {INDEX}")
    return len(shards)


def pack(
    listing: Listing, out: Path, shard_bytes: int = SHARD_BYTES, boxes: Sequence[Box] | None = None
) -> list[Shard]:
    """Writes a data set's images, their bytes as they are, to shards in a new folder; the index last.

    Images in memory become PNG files, and so do those that are cropped to a box each. Raises UsageError if the folder
    is there and not empty; DataError naming the files that cannot be used, or have no part of them in their box, before
    anything is written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already; give a new folder", settings="out")
    _check_usable(listing, boxes)
    out.mkdir(parents=True, exist_ok=True)
    shards = [
        shard
        for split, rows in listing.rows.items()
        for shard in _write_split(listing, split, rows.tolist(), out, shard_bytes, boxes)
    ]
    index = {"format": FORMAT, "classes": list(listing.classes), "shards": [asdict(shard) for shard in shards]}
    temporary = out / f".{INDEX}"
    temporary.write_text(json.dumps(index, indent=1) + "\n")
    temporary.replace(out / INDEX)
    return shards


def _write_split(
    listing: Listing, split: str, rows: list[int], out: Path, shard_bytes: int, boxes: Sequence[Box] | None
) -> Iterator[Shard]:
    number = 0
    while rows:
        name = f"{split}-{number:06}.tar"
        temporary, count = out / f".{name}", 0
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive:
            while count < len(rows) and archive.offset < shard_bytes:
                box = None if boxes is None else boxes[rows[count]]
                suffix, content = _content(listing.images, rows[count], box)
                _add(archive, f"{rows[count]:09}.{suffix}", content)
                _add(archive, f"{rows[count]:09}.{LABEL}", str(listing.labels[rows[count]]).encode())
                count += 1
        with temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = temporary.stat().st_size
        temporary.replace(out / name)
        yield Shard(name, split, count, size, digest)
        rows, number = rows[count:], number + 1


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    header = tarfile.TarInfo(name)  # no owner, no time: the same images give the same bytes
    header.size = len(content)
    archive.addfile(header, io.BytesIO(content))


def _content(images: AnyImages, row: int, box: Box | None = None) -> tuple[str, bytes]:
    """The suffix and bytes of an image file. A box that reaches beyond its image is cut off there."""
    if box is not None or isinstance(images, ArrayImages):
        stream = io.BytesIO()
        pixels = images.array[row] if isinstance(images, ArrayImages) else images[row]
        if box is not None:
            pixels = cut(pixels, box)
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(stream, "PNG")
        return "png", stream.getvalue()
    assert isinstance(images, FileImages)
    try:
        source = images.source(row)
        content = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise DataError(f"{images.name(row)} cannot be read: {error.strerror}") from None
    suffix = images.path(row).suffix.lower()
    if suffix not in SUFFIXES:
        suffix = f".{(format_of(content[:PREFIX_BYTES]) or 'jpeg').lower()}"
    return suffix[1:], content


def _samples(path: Path, findings: list[Finding]) -> Iterator[_Sample]:
    """The samples of a shard in order; what is incomplete is found and left out. Raises DataError if it is damaged."""
    with _reading(path) as archive:
        for key, members in groupby(regular(archive, path.stat().st_size), lambda member: _key(member.name)):
            images: dict[str, tarfile.TarInfo] = {}
            labels: dict[str, str] = {}
            for member in members:
                stem, suffix = _stem(member.name)
                if suffix == LABEL:
                    labels[stem] = _text(archive, member)
                elif _is_image(member.name):
                    images[stem] = member
            yield from _pairs(f"{path}/{key}", images, labels, findings)


def _pairs(
    key: str, images: dict[str, tarfile.TarInfo], labels: dict[str, str], findings: list[Finding]
) -> Iterator[_Sample]:
    """The samples among members whose names are alike up to their first dot; the rest is found, or is of a sample."""
    if len(images) == len(labels) == 1:  # 7.input.jpg and 7.cls
        images = dict(zip(labels, images.values(), strict=True))
    paired = [stem for stem in images if stem in labels]
    for stem in paired:
        member = images[stem]
        yield _Sample(member.name, member.offset_data, member.size, labels[stem])
    for lacking, has in (("a label", images.keys() - labels), ("an image", labels.keys() - images)):
        if has and not (lacking == "a label" and len(paired) == 1):  # else a mask or such, beside the image
            subject = key if len(has) == 1 else f"{key} ({len(has):,} members)"
            findings.append(Finding(subject, f"has no {lacking.partition(' ')[2]}; not used"))


def _check_usable(listing: Listing, boxes: Sequence[Box] | None) -> None:
    found = examine(listing.images, lambda done, total: None)
    reasons = dict(found.reasons)
    for row, (box, (height, width)) in enumerate(zip(boxes or (), found.sizes.tolist(), strict=bool(boxes))):
        if box.top >= height or box.left >= width:
            reasons.setdefault(row, f"its box begins at {box.left}, {box.top}, outside of its {width}x{height} pixels")
    if reasons:
        named = [f"{listing.images.name(row)}: {reason}" for row, reason in sorted(reasons.items())]
        more = f"; and {len(named) - SHOWN:,} more" if len(named) > SHOWN else ""
        files = "1 file is not a usable image" if len(named) == 1 else f"{len(named):,} files are not usable images"
        raise DataError(f"{listing.name}: {files}: {'; '.join(named[:SHOWN])}{more}")


def _tars(folder: Path) -> list[Path]:
    """The shards in a folder, and in folders in it that are called like splits."""
    splits = [folder / name for name in entries(folder, folders=True) if split_of(name)]
    places = (folder, *splits)
    return sorted(
        place / name for place in places for name in entries(place, folders=False) if name.lower().endswith(".tar")
    )


def _split_of(shard: Path, folder: Path) -> str:
    inner = split_of(shard.parent.name) if shard.parent != folder else None
    return split_in(shard.stem) or inner or "train"


@contextmanager
def _reading(path: Path) -> Iterator[tarfile.TarFile]:
    """A shard to read, every failure within as DataError."""
    try:
        with tarfile.open(path, "r:") as archive:
            yield archive
    except TAR_ERRORS as error:
        raise DataError(f"{path} is damaged: {error}") from None


def _key(name: str) -> str:
    """A member's name up to its first dot: what WebDataset calls a sample."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.partition(".")[0] or "_"))


def _stem(name: str) -> tuple[str, str]:
    """A member's name up to its last dot, and what follows, in lower case."""
    stem, _, suffix = name.rpartition(".")
    return stem, suffix.lower()


def _is_image(name: str) -> bool:
    return f".{_stem(name)[1]}" in SUFFIXES and not is_leftover(PurePosixPath(name).name)


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    if file is None or member.size > MAX_LABEL_LENGTH:
        raise ValueError(f"{member.name} is no label")
    return file.read(MAX_LABEL_LENGTH).decode().strip()


def _class_name(sample: _Sample, classes: tuple[str, ...] | None, shard: Path) -> str:
    if classes is None:
        return sample.label
    if not sample.label.isdecimal() or int(sample.label) >= len(classes):
        raise DataError(f"{shard}/{sample.member}: class {sample.label!r}; the index has {len(classes)}")
    return classes[int(sample.label)]


def _sound(folder: Path, shard: Shard) -> Path:
    """The shard's path. Raises DataError if the file is missing, or not as long as the index says."""
    path = folder / shard.file
    if not path.is_file():
        raise DataError(f"{path} is missing; {INDEX} lists it")
    if path.stat().st_size != shard.bytes:
        raise DataError(f"{path} has {path.stat().st_size:,} bytes; {INDEX} says {shard.bytes:,}")
    return path


def _index_or_names(folder: Path) -> tuple[tuple[str, ...] | None, list[tuple[Path, str]]]:
    """The classes, if there is an index that lists them, and the shards with their splits."""
    classes, shards = _read_index(folder)
    if shards is None:
        return None, [(path, _split_of(path, folder)) for path in _tars(folder)]
    return classes, [(_sound(folder, shard), shard.split) for shard in shards]


def _read_index(folder: Path) -> tuple[tuple[str, ...] | None, list[Shard] | None]:
    path = folder / INDEX
    if not path.is_file():
        return None, None
    try:
        data: Any = json.loads(path.read_text())
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']!r}, not {FORMAT!r}")
        shards = [Shard(**shard) for shard in data["shards"]]
        for shard in shards:
            if PurePosixPath(shard.file).name != shard.file or shard.split not in SPLITS:
                raise ValueError(f"{shard.file!r} ({shard.split!r}) is no shard of this folder")
        classes = tuple(data["classes"])
        if not all(isinstance(name, str) for name in classes) or len(set(classes)) != len(classes):
            raise ValueError("its classes are not names")
        return classes, shards
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is damaged: {error}") from None
