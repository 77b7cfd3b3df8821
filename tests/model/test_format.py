"""A reader written from docs/format.md alone: no convsmith, no torch."""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import convsmith
from convsmith.model import Model, round_weights, save_model
from convsmith.network import Preprocess
from convsmith.network.storage import CodebookStorage, FloatStorage, IntegerStorage, Storage, with_storage

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I8": "i1", "U8": "u1"}


def checksum(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def read_file(path: Path, *, described: bool = True) -> tuple[Any, dict[str, NDArray[Any]]]:
    """The description (its text, if not `described` in JSON), and the raw tensors by name."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header, data = content[8 : 8 + length], content[8 + length :]
    assert length % 8 == 0
    assert header.startswith(b'{"__metadata__":{"convsmith_seal":"')
    digits = header[35 : 35 + 64].decode()
    assert checksum(header[:35] + b"0" * 32 + header[67:]) == digits[:32]
    blocks = [data[start : start + 1_048_576] for start in range(0, len(data), 1_048_576)]
    sums = b"".join(struct.pack("<I", zlib.crc32(block)) for block in blocks)
    assert checksum(struct.pack("<Q", len(data)) + sums) == digits[32:]
    index = json.loads(header)
    text = index.pop("__metadata__")["convsmith"]
    return json.loads(text) if described else text, {name: raw_tensor(entry, data) for name, entry in index.items()}


def raw_tensor(entry: dict[str, Any], data: bytes) -> NDArray[Any]:
    start, stop = entry["data_offsets"]
    if entry["dtype"] == "BF16":  # the upper half of a 32-bit float
        upper = np.frombuffer(data[start:stop], "<u2").astype(np.uint32)
        return (upper << 16).view(np.float32).reshape(entry["shape"])
    return np.frombuffer(data[start:stop], DTYPES[entry["dtype"]]).reshape(entry["shape"])


def unpacked(packed: NDArray[np.uint8], bits: int, count: int) -> list[int]:
    whole = int.from_bytes(packed.tobytes(), "little")
    return [(whole >> (i * bits)) & (2**bits - 1) for i in range(count)]


def values(name: str, storage: dict[str, Any], tensors: dict[str, NDArray[Any]], shape: list[int]) -> NDArray[Any]:
    count = math.prod(shape)
    if storage["kind"] == "float":
        return tensors[name]
    if storage["kind"] == "codebook":
        bits = max(1, math.ceil(math.log2(storage.get("entries", 256))))
        indices = unpacked(tensors[f"{name}:indices"], bits, count)
        return tensors[f"{name}:codebook"][indices].reshape(shape)
    bits, axis = storage.get("bits", 8), storage.get("axis")
    integers = tensors[f"{name}:values"].astype(int)
    if bits != 8:
        found = unpacked(tensors[f"{name}:values"], bits, count)
        integers = np.array([q - 2**bits if q >= 2 ** (bits - 1) else q for q in found]).reshape(shape)
    along = [-1 if i == axis else 1 for i in range(len(shape))] if axis is not None else []
    scale = tensors[f"{name}:scale"].reshape(along)
    zero = 0 if storage.get("symmetric", True) else tensors[f"{name}:zero_point"].astype(int).reshape(along)
    return (integers - zero).astype(np.float32) * scale


def made(storage: dict[str, Storage]) -> Model:
    """LeNet-5 with its parameters rounded to these storages."""
    net = convsmith.create("lenet5", classes=3, input=(1, 28, 28))
    weights = dict(convsmith.build(net).state_dict())
    model = Model(net, weights, ("cat", "dog", "owl"), Preprocess(1, (28, 28), 28, (0.286,), (0.353,)))
    model = round_weights(model, {key: s for key, s in storage.items() if isinstance(s, IntegerStorage)})
    weights, grids = dict(model.weights), dict(model.grids)
    for key, kept in storage.items():
        if isinstance(kept, FloatStorage):
            weights[key] = weights[key].to(getattr(torch, kept.dtype)).float()
        elif isinstance(kept, CodebookStorage):
            codebook = torch.linspace(-0.1, 0.1, kept.entries)
            nearest = (weights[key].unsqueeze(-1) - codebook).abs().argmin(-1)
            weights[key], grids[key] = codebook[nearest], {"codebook": codebook}
    return replace(model, network=with_storage(net, storage), weights=weights, grids=grids)


STORAGES: dict[str, dict[str, Storage]] = {
    "float32": {},
    "half": {"fc1.weight": FloatStorage("bfloat16"), "fc2.weight": FloatStorage("float16")},
    "int8": {"fc1.weight": IntegerStorage(8, 0), "conv1.weight": IntegerStorage()},
    "int8 with zero points": {"fc1.weight": IntegerStorage(8, 1, symmetric=False)},
    "few bits": {"fc1.weight": IntegerStorage(4, 0), "fc2.weight": IntegerStorage(3, 0, symmetric=False)},
    "two bits": {"conv2.weight": IntegerStorage(2, 1), "fc3.bias": IntegerStorage(5)},
    "many bits": {"conv2.weight": IntegerStorage(16, 0), "fc3.weight": IntegerStorage(11)},
    "shared": {"fc1.weight": CodebookStorage(16), "fc2.weight": CodebookStorage(5), "fc3.weight": CodebookStorage(300)},
}


@pytest.mark.parametrize("case", STORAGES)
def test_a_reader_of_the_documentation_gets_the_same_weights(case, tmp_path):
    model = made(STORAGES[case])
    save_model(model, tmp_path / "m")
    description, tensors = read_file(tmp_path / "m")
    assert description["format"] == 2
    assert description["classes"] == ["cat", "dog", "owl"]
    kept = description["network"].get("storage", {})
    for key, weight in model.weights.items():
        found = values(key, kept.get(key, {"kind": "float"}), tensors, list(weight.shape))
        assert np.array_equal(found, weight.numpy()), key


def test_the_documentation_shows_each_kind_of_storage_as_it_is_written():
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    from convsmith.network.storage import STORAGES as KINDS, storage_from_json

    shown = [json.loads(example) for example in re.findall(r"^### `(\{.*\})`$", page, re.M)]
    assert {storage_from_json("x", example).kind for example in shown} == set(KINDS)
