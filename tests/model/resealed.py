"""A model file with its header changed and sealed again, written from docs/format.md and not from the code."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

START = b'{"__metadata__":{"convsmith_seal":"'


def checksum(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def checksum_of_tensors(data: bytes) -> str:
    blocks = [zlib.crc32(data[start : start + 1_048_576]) for start in range(0, len(data), 1_048_576)]
    return checksum(struct.pack("<Q", len(data)) + b"".join(struct.pack("<I", crc) for crc in blocks))


def sealed(header: dict[str, Any], data: bytes) -> bytes:
    metadata = {
        "convsmith_seal": "0" * 32 + checksum_of_tensors(data),
        "convsmith": header["__metadata__"]["convsmith"],
    }
    rest = {name: entry for name, entry in header.items() if name != "__metadata__"}
    text = json.dumps({"__metadata__": metadata, **rest}, separators=(",", ":"))
    content = text.encode()
    own = checksum(content).encode()
    content = content[: len(START)] + own + content[len(START) + 32 :]
    return struct.pack("<Q", len(content)) + content + data


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the safetensors header, and seals the file again."""
    header, data = split(path.read_bytes())
    change(header)
    path.write_bytes(sealed(header, data))


def redescribe(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes convsmith's description, and seals the file again."""

    def within(header: dict[str, Any]) -> None:
        described = json.loads(header["__metadata__"]["convsmith"])
        change(described)
        header["__metadata__"]["convsmith"] = json.dumps(described)

    rewrite(path, within)


def as_format_1(path: Path) -> None:
    """The same tensors in a file as convsmith wrote them before it sealed any."""
    header, data = split(path.read_bytes())
    described = json.loads(header["__metadata__"]["convsmith"])
    described["format"] = 1
    header["__metadata__"] = {"convsmith": json.dumps(described, sort_keys=True)}
    content = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content + data)
