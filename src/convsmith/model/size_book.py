"""The size book of a model file: every byte by parameter and by kind, and the entropy beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convsmith.model import packed
from convsmith.model.container import Container, read_container, read_data
from convsmith.model.file import header_of
from convsmith.model.header import Header

if TYPE_CHECKING:
    from convsmith.model.model import Model

FILE = "(file)"
"""Stands for a parameter where bytes belong to none."""
SEAL_BYTES = 64
KINDS = {"": "weights", "values": "integers", "indices": "indices", "scale": "scales", "zero_point": "zero points"}
"""What a tensor's part is called; others are called as they are."""


@dataclass(frozen=True)
class Piece:
    """Some bytes of a file: whose they are, and what they say."""

    parameter: str
    kind: str
    bytes: int


@dataclass(frozen=True)
class Kept:
    """A parameter in the file: its elements, its bytes, and the least that its integers would take if each were coded
    by how often it occurs in the parameter (the zero-order entropy, without the table); None for floats."""

    parameter: str
    elements: int
    bytes: int
    entropy_bytes: float | None

    @property
    def bits(self) -> float:
        """Bits for each element."""
        return 8 * self.bytes / max(self.elements, 1)


@dataclass(frozen=True)
class SizeBook:
    """All of a file: `pieces` sum to `bytes`, the size of the file. Printed as a table by parameter and one by kind.

    What is compressed together is divided in proportion: coded symbols by their information, a description by length.
    """

    path: str
    bytes: int
    packing: str
    pieces: tuple[Piece, ...]
    parameters: tuple[Kept, ...]

    def by_kind(self) -> dict[str, int]:
        """Bytes by kind, the most first."""
        found: dict[str, int] = {}
        for piece in self.pieces:
            found[piece.kind] = found.get(piece.kind, 0) + piece.bytes
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "kinds": self.by_kind()}

    def __str__(self) -> str:
        width = max(len(kept.parameter) for kept in (*self.parameters, Kept("parameter", 0, 0, None)))
        lines = [f"{'parameter':<{width}} {'elements':>12} {'bytes':>12} {'entropy':>12} {'bits each':>10}"]
        for kept in self.parameters:
            entropy = "" if kept.entropy_bytes is None else f"{kept.entropy_bytes:,.0f}"
            lines.append(
                f"{kept.parameter:<{width}} {kept.elements:>12,} {kept.bytes:>12,} {entropy:>12} {kept.bits:>10.3f}"
            )
        lines.append("")
        lines += [f"{kind:<{width}} {count:>25,} bytes" for kind, count in self.by_kind().items()]
        elements = sum(kept.elements for kept in self.parameters)
        ratio = f", {4 * elements / self.bytes:.1f} times less than {elements:,} weights in float32"
        ratio = ratio if self.bytes < 4 * elements else ""
        return "\n".join([*lines, f"{'the file':<{width}} {self.bytes:>25,} bytes{ratio}"])


def size_of(path: str | Path) -> SizeBook:
    """Accounts for every byte of a model file. Raises ModelFileError for a file that cannot be read or is damaged."""
    found = read_container(Path(path))
    data = read_data(found)
    header = header_of(found, data)
    pieces = _coded(data, header) if header.packing == "coded" else _plain(found, header)
    pieces = [piece for piece in (*_container(found), *pieces) if piece.bytes]
    total = found.data_start + found.data_bytes
    assert sum(piece.bytes for piece in pieces) == total
    return SizeBook(str(path), total, header.packing, tuple(pieces), _parameters(found, header, pieces))


def apportioned(total: int, shares: Sequence[float]) -> list[int]:
    """The total cut in proportion to the shares, to whole numbers that sum to it."""
    whole, ends, so_far = sum(shares), [0], 0.0
    for share in shares:
        so_far += share
        ends.append(round(total * so_far / whole) if whole else 0)
    ends[-1] = total if shares else 0
    return [after - before for before, after in pairwise(ends)]


def _container(found: Container) -> list[Piece]:
    """What is before the tensors, but for the description in a plain file."""
    described = 0 if found.description == packed.NAME else len(json.dumps(found.description)) - 2
    seal = SEAL_BYTES if found.sealed else 0
    return [
        Piece(FILE, "seal", seal),
        Piece(FILE, "index of tensors", found.data_start - described - seal - found.padding),
        Piece(FILE, "alignment", found.padding),
    ]


def _description(total: int, text: str | bytes) -> list[Piece]:
    """The description by its keys, in proportion to their length."""
    described = json.loads(text)
    lengths = [len(json.dumps(value)) for value in described.values()]
    return [
        Piece(FILE, f"description: {key}", count)
        for key, count in zip(described, apportioned(total, lengths), strict=True)
    ]


def _plain(found: Container, header: Header) -> list[Piece]:
    pieces = _description(len(json.dumps(found.description)) - 2, found.description)
    for key, parameter in header.network.parameters.items():
        for raw in header.network.storage_of(key).tensors(parameter.shape):
            pieces.append(Piece(key, KINDS.get(raw.part, raw.part), raw.bytes))
    return pieces


def _coded(data: bytearray, header: Header) -> list[Piece]:
    """The content of a coded file: lengths, description, side data, stream, padding."""
    net, lengths = header.network, packed.Lengths.of(data)
    pieces = [Piece(FILE, "lengths", lengths.HEAD)]
    pieces += _description(lengths.description, packed.description_of(data))
    side = [(key, raw) for key in net.parameters for raw in packed.side_tensors(net, key)]
    counts = apportioned(lengths.side - 1, [raw.bytes for _, raw in side]) if side else []
    pieces += [Piece(key, KINDS.get(raw.part, raw.part), n) for (key, raw), n in zip(side, counts, strict=True)]
    pieces.append(Piece(FILE, "lengths", lengths.side - sum(counts)))
    coded = [(key, kind, bits) for key, kinds in _measured(data, header) for kind, bits in kinds.items()]
    stream = len(bytes(data[len(data) - lengths.words :]).rstrip(b"\0"))
    stream = min(lengths.words, -(-stream // packed.WORD_BYTES) * packed.WORD_BYTES)
    counts = apportioned(stream, [bits for _, _, bits in coded]) if coded else []
    pieces += [Piece(key, kind, n) for (key, kind, _), n in zip(coded, counts, strict=True)]
    return [*pieces, Piece(FILE, "padding", lengths.words - sum(counts))]


def _measured(data: bytearray, header: Header) -> Iterable[tuple[str, dict[str, float]]]:
    """What each coded parameter takes, in bits by kind of symbol."""
    net = header.network
    _, reader = packed.opened(data, net)
    for key in net.parameters:
        if packed.is_coded(net, key):
            yield key, {str(kind): bits for kind, bits in reader.measure(tuple(net.parameters[key].shape)).items()}


def _parameters(found: Container, header: Header, pieces: list[Piece]) -> tuple[Kept, ...]:
    from convsmith.model.file import load_model

    taken: dict[str, int] = {}
    for piece in pieces:
        taken[piece.parameter] = taken.get(piece.parameter, 0) + piece.bytes
    model = load_model(found.path)
    return tuple(
        Kept(key, prod(weight.shape), taken.get(key, 0), _entropy_bytes(model, key))
        for key, weight in model.weights.items()
    )


def _entropy_bytes(model: Model, key: str) -> float | None:
    """Of a parameter's integers: how often each occurs."""
    import torch

    from convsmith.model.codecs import integers_of

    integers = integers_of(model.network.storage_of(key), model.weights[key], model.grids.get(key, {}))
    if integers is None:
        return None
    counts = torch.unique(integers, return_counts=True)[1].double()
    return float((counts * (counts.sum().log2() - counts.log2())).sum() / 8) if len(counts) else 0.0
