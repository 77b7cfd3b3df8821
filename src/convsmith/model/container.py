"""The safetensors container under a model file: its bytes, its index, its seal. Knows no network and no torch."""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from convsmith.errors import ModelFileError
from convsmith.model.seal import digest, seal
from convsmith.network.storage import DTYPE_BYTES

KEY = "convsmith"
"""Under which the metadata hold the model's description, itself JSON."""
SEAL = "convsmith_seal"
START = f'{{"__metadata__":{{"{SEAL}":"'.encode()
"""What a sealed header begins with; then come the digits of the header's own checksum and of the tensors'."""
DIGITS = re.compile(r"[0-9a-f]{64}")
BLANK = b"0" * 32
"""What the header's own checksum counts as when it is computed."""
LARGEST_HEADER_BYTES = 100_000_000
"""safetensors' own limit."""
PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
NO_SAFETENSORS = "is not a safetensors file, or is damaged"


class Entry(NamedTuple):
    """A tensor in the index: dtype, shape, and where its bytes lie, counted from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


class Tensor(NamedTuple):
    """A tensor to write: its name, dtype and shape, and its bytes, little-endian and row-major."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    content: memoryview


@dataclass(frozen=True)
class Container:
    """What a file says before its tensors. `sealed` is the checksum of the tensors, None in a file without a seal.

    `padding` counts the spaces at the header's end, which align the data.
    """

    path: Path
    description: str
    entries: Mapping[str, Entry]
    data_start: int
    data_bytes: int
    sealed: str | None
    padding: int


def to_bytes(description: str, tensors: Sequence[Tensor]) -> bytes:
    """The whole file. The same description and tensors give the same bytes.

    Wide types come first, so that every tensor is aligned to its elements.
    """
    ordered = sorted(tensors, key=lambda tensor: -DTYPE_BYTES[tensor.dtype])
    data = b"".join(tensor.content for tensor in ordered)
    metadata = {SEAL: BLANK.decode() + seal(memoryview(data)), KEY: description}
    index: dict[str, Any] = {"__metadata__": metadata}
    start = 0
    for tensor in ordered:
        stop = start + tensor.content.nbytes
        index[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, stop]}
        start = stop
    header = json.dumps(index, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    own = digest(header).encode()
    header = START + own + header[len(START) + len(own) :]
    return struct.pack("<Q", len(header)) + header + data


def read_container(path: Path) -> Container:
    """The header of a file, held against its own checksum and the file's size; tensors are not read.

    Raises ModelFileError for a file that is no safetensors file of convsmith's, is damaged or was cut short.
    """
    header, data_bytes = _header(path)
    try:
        raw = json.loads(header, object_pairs_hook=_unique, parse_constant=_no_constant)
        metadata = raw.pop("__metadata__", {})
        entries = {name: _entry(value) for name, value in raw.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ModelFileError(f"{path} {NO_SAFETENSORS}") from None
    if not isinstance(metadata, dict) or not isinstance(metadata.get(KEY), str):
        raise ModelFileError(f"{path} holds tensors but no convsmith model: its metadata lacks {KEY!r}")
    sealed = _sealed(path, header, metadata.get(SEAL))
    _check_layout(path, entries, data_bytes)
    return Container(
        path, metadata[KEY], entries, 8 + len(header), data_bytes, sealed, len(header) - len(header.rstrip())
    )


def read_data(container: Container) -> bytearray:
    """The bytes of all tensors, held against their checksum where there is one. Raises ModelFileError."""
    data = bytearray(container.data_bytes)
    view = memoryview(data)
    try:
        with container.path.open("rb") as file:

            def fill(start: int, stop: int) -> None:
                done = start
                while done < stop:
                    count = os.preadv(file.fileno(), [view[done:stop]], container.data_start + done)
                    if not count:
                        raise ModelFileError(f"{container.path} was cut short while it was read")
                    done += count

            found = seal(view, fill)
    except OSError as error:
        raise ModelFileError(f"cannot read {container.path}: {error.strerror}") from None
    if container.sealed is not None and found != container.sealed:
        raise ModelFileError(f"{container.path} is damaged: its tensors do not match their checksum; get it again")
    return data


def _header(path: Path) -> tuple[bytes, int]:
    """The JSON at the start of a safetensors file (8 bytes of length, then text), and how many bytes follow it."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start, first = file.read(8), file.read(1)
            if first != b"{" and start.startswith(PICKLES):  # a header's length may begin like a pickle
                raise ModelFileError(f"{path} is a pickle (.pt, .pth); those can run code and are never loaded here")
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(LARGEST_HEADER_BYTES, size - 8):
                raise ModelFileError(f"{path} is not a safetensors file, or was cut short")
            return first + file.read(length - 1), size - 8 - length
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror}") from None


def _entry(value: Any) -> Entry:
    """Raises KeyError, TypeError or ValueError for what is no tensor of the index."""
    (start, stop), shape = value["data_offsets"], value["shape"]
    numbers = [start, stop, *shape]
    if not all(type(number) is int and number >= 0 for number in numbers) or not isinstance(value["dtype"], str):
        raise ValueError(value)
    return Entry(value["dtype"], tuple(shape), start, stop)


def _sealed(path: Path, header: bytes, digits: object) -> str | None:
    """The checksum of the tensors, once the header's own has been held against it; None where there is no seal."""
    if digits is None:
        return None
    if not isinstance(digits, str) or not DIGITS.fullmatch(digits) or not header.startswith(START + digits.encode()):
        raise ModelFileError(f"{path}: its seal is damaged, or another program wrote its header anew")
    own, tensors = digits[:32], digits[32:]
    if digest(START + BLANK + header[len(START) + len(BLANK) :]) != own:
        raise ModelFileError(f"{path} is damaged: its header does not match its checksum; get it again")
    return tensors


def _check_layout(path: Path, entries: Mapping[str, Entry], data_bytes: int) -> None:
    """Each tensor has the bytes of its shape, and together they fill the file without gaps or overlaps."""
    expected = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].start):
        wanted = prod(entry.shape) * DTYPE_BYTES.get(entry.dtype, 0)
        if entry.dtype not in DTYPE_BYTES:
            raise ModelFileError(f"{path}: tensor {name} is of type {entry.dtype}; there are {', '.join(DTYPE_BYTES)}")
        if entry.stop - entry.start != wanted:
            raise ModelFileError(f"{path}: tensor {name} takes {wanted:,} bytes, not {entry.stop - entry.start:,}")
        if entry.start != expected:
            raise ModelFileError(f"{path}: tensor {name} begins at byte {entry.start:,}, not {expected:,}")
        expected = entry.stop
    if expected != data_bytes:
        raise ModelFileError(f"{path} was cut short: it holds {data_bytes:,} bytes of tensors, not {expected:,}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")
