"""A coded model file's one tensor: description, side data and stream. No torch is needed for the description.

The layout is described in docs/format.md.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from convsmith.errors import ModelFileError, WeightsError
from convsmith.model.model import Model
from convsmith.network.network import Network
from convsmith.network.storage import DTYPE_BYTES, RawTensor

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from convsmith.model.coding.stream import Reader

NAME = "coded"
"""The tensor's name, and what stands in the place of a description."""
WORD_BYTES = 4
MOST_DESCRIPTION_BYTES = 100_000_000
WEIGHTS_PER_BYTE = 1024
"""A file has a byte for so many weights at least, if need be of padding: so a small damaged one cannot ask for much."""
DICTIONARY = (Path(__file__).parent / "description_words.txt").read_bytes().rstrip(b"\n")
"""The preset dictionary of the description's zlib stream. It is part of the format."""


@dataclass(frozen=True)
class Packed:
    """The parts of a coded file: its description (JSON), what is not coded, and the stream."""

    description: bytes
    side: bytes
    words: bytes

    def to_bytes(self, weights: int) -> bytes:
        """The content of the tensor, padded to the least that a file of so many weights has."""
        compressor = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zdict=DICTIONARY)
        description = compressor.compress(self.description) + compressor.flush()
        packed = zlib.compress(self.side, 9)
        side = b"\1" + packed if len(packed) < len(self.side) else b"\0" + self.side
        content = struct.pack("<II", len(description), len(side)) + description + side + self.words
        return content + bytes(max(0, -(-weights // WEIGHTS_PER_BYTE) - len(content)))


@dataclass(frozen=True)
class Lengths:
    """Where the parts of a content lie: bytes of description and side data as they are compressed, and of the rest."""

    description: int
    side: int
    words: int

    HEAD = 8

    @classmethod
    def of(cls, content: bytes | bytearray | memoryview) -> Lengths:
        """Raises ModelFileError for lengths beyond the content."""
        description, side = struct.unpack("<II", content[: cls.HEAD]) if len(content) >= cls.HEAD else (0, 0)
        words = len(content) - cls.HEAD - description - side
        if words < 0 or not description or not side:
            raise ModelFileError("its coded content is damaged: lengths beyond its end")
        return cls(description, side, words)


def description_of(content: bytes | bytearray | memoryview) -> bytes:
    """The JSON of a content. Raises ModelFileError."""
    lengths = Lengths.of(content)
    return _inflated(content[Lengths.HEAD :][: lengths.description], MOST_DESCRIPTION_BYTES, DICTIONARY)


def pack(model: Model, description: bytes) -> bytes:
    """The content of a model's file. Raises WeightsError for weights that their storage cannot hold exactly."""
    from convsmith.model.codecs import encode, integers_of
    from convsmith.model.coding.stream import Writer

    writer, side = Writer(), []
    for key, weight in model.weights.items():
        storage, grid = model.network.storage_of(key), model.grids.get(key, {})
        try:
            integers = integers_of(storage, weight, grid)
            if integers is not None:
                writer.add(integers.numpy())
            parts = encode(storage, weight, grid) if integers is None else grid
        except WeightsError as error:
            raise WeightsError(f"{key}: {error}") from None
        side += [_bytes_of(parts[raw.part]) for raw in side_tensors(model.network, key)]
    words = writer.words().astype("<u4").tobytes()
    return Packed(description, b"".join(side), words).to_bytes(_coded_weights(model.network))


def unpack(content: bytearray, network: Network) -> tuple[dict[str, Tensor], dict[str, Mapping[str, Tensor]]]:
    """Weights and grids by parameter. Raises ModelFileError, also for a content too short for its network."""
    from convsmith.model.codecs import decode, values_of

    parts, reader = opened(content, network)
    weights: dict[str, Tensor] = {}
    grids: dict[str, Mapping[str, Tensor]] = {}
    for key, parameter in network.parameters.items():
        storage, shape = network.storage_of(key), tuple(parameter.shape)
        try:
            if is_coded(network, key):
                grids[key] = parts[key]
                weights[key] = values_of(storage, _integers(reader, shape, network, key), parts[key])
            else:
                weights[key], grids[key] = decode(storage, parts[key], shape)
        except WeightsError as error:
            raise ModelFileError(f"{key}: {error}") from None
    return weights, {key: grid for key, grid in grids.items() if grid}


def is_coded(network: Network, key: str) -> bool:
    """Whether a parameter is in the stream."""
    from convsmith.model.codecs import is_integer_grid

    return is_integer_grid(network.storage_of(key))


def side_tensors(network: Network, key: str) -> tuple[RawTensor, ...]:
    """What of a parameter is not in the stream: its grid, or all of it."""
    storage, shape = network.storage_of(key), network.parameters[key].shape
    return storage.grid(shape) if is_coded(network, key) else storage.tensors(shape)


def opened(content: bytearray, network: Network) -> tuple[dict[str, dict[str, Tensor]], Reader]:
    """The side data by parameter and part, and a reader of the stream."""
    from convsmith.model.coding.stream import Reader

    if _coded_weights(network) > WEIGHTS_PER_BYTE * len(content):
        raise ModelFileError(f"its coded content of {len(content):,} bytes is too short for its network")
    lengths = Lengths.of(content)
    rest = memoryview(content)[Lengths.HEAD + lengths.description :]
    return _side_parts(bytes(rest[: lengths.side]), network), Reader(_words(rest[lengths.side :]))


def _words(content: memoryview) -> NDArray[np.uint32]:
    """The stream; the last bytes of padding are no whole word."""
    import numpy as np

    return np.frombuffer(content[: len(content) // WORD_BYTES * WORD_BYTES], "<u4").astype(np.uint32)


def _side_parts(side: bytes, network: Network) -> dict[str, dict[str, Tensor]]:
    import torch

    wanted = sum(raw.bytes for key in network.parameters for raw in side_tensors(network, key))
    data = _inflated(side[1:], wanted) if side[0] == 1 else side[1:]
    if side[0] > 1 or len(data) != wanted:
        raise ModelFileError(f"its side data is damaged: {len(data):,} bytes for {wanted:,}")
    parts: dict[str, dict[str, Tensor]] = {}
    start = 0
    for key in network.parameters:
        parts[key] = {}
        for raw in side_tensors(network, key):
            stop = start + raw.bytes
            whole = torch.frombuffer(bytearray(data[start:stop]) or bytearray(1), dtype=torch.uint8)[: stop - start]
            parts[key][raw.part] = whole.view(_torch_dtype(raw.dtype)).reshape(raw.shape)
            start = stop
    return parts


def _integers(reader: Reader, shape: tuple[int, ...], network: Network, key: str) -> Tensor:
    """The next tensor of the stream."""
    import torch

    from convsmith.network.storage import IntegerStorage

    narrow = isinstance(network.storage_of(key), IntegerStorage)
    return torch.from_numpy(reader.next(shape, wide=not narrow))


def _coded_weights(network: Network) -> int:
    return sum(prod(network.parameters[key].shape) for key in network.parameters if is_coded(network, key))


def _bytes_of(tensor: Tensor) -> bytes:
    import torch

    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _torch_dtype(dtype: str) -> torch.dtype:
    from convsmith.model.file import torch_dtypes

    assert dtype in DTYPE_BYTES
    return torch_dtypes()[dtype]


def _inflated(data: bytes | bytearray | memoryview, most: int, dictionary: bytes = b"") -> bytes:
    """What zlib compressed, whole and no longer than `most`. Raises ModelFileError."""
    opened = zlib.decompressobj(zdict=dictionary) if dictionary else zlib.decompressobj()
    try:
        found = opened.decompress(data, most + 1)
    except zlib.error as error:
        raise ModelFileError(f"its coded content is damaged ({error})") from None
    if len(found) > most or not opened.eof or opened.unused_data:
        raise ModelFileError("its coded content is damaged: a compressed part does not end where it should")
    return found
