"""A reader of coded files written from docs/format.md alone: plain Python, slow and small. No convsmith, no torch."""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_format import read_file

import convsmith
from convsmith.model import Model, round_weights, save_model
from convsmith.network import Preprocess
from convsmith.network.storage import CodebookStorage, FloatStorage, IntegerStorage, Storage, with_storage

PAGE = (Path(__file__).parents[2] / "docs/format.md").read_text()
WORDS = PAGE[PAGE.index("```text\n{") + len("```text\n") :].split("\n")[0].encode()
"""The dictionary, as the page has it."""
M64 = 2**64 - 1


class Range:
    def __init__(self, content: bytes) -> None:
        self.words = [int.from_bytes(content[i : i + 4], "little") for i in range(0, len(content) // 4 * 4, 4)][::-1]
        self.low, self.range = 0, M64
        self.point = self.word() << 32 | self.word()

    def word(self) -> int:
        return self.words.pop() if self.words else 0

    def symbol(self, counts: list[int]) -> int:
        scale = (2**24 - len(counts)) / float(sum(counts))
        total, cumulative = 0, []
        for i, count in enumerate(counts):
            cumulative.append(i + int(scale * float(total)))
            total += count
        return self.read([*cumulative, 2**24])

    def uniform(self, bits: int) -> int:
        return self.read([i << (24 - bits) for i in range(2**bits + 1)])

    def read(self, cumulative: list[int]) -> int:
        unit = self.range >> 24
        value = ((self.point - self.low) & M64) // unit
        i = max(k for k in range(len(cumulative) - 1) if cumulative[k] <= value)
        self.low = (self.low + unit * cumulative[i]) & M64
        self.range = unit * (cumulative[i + 1] - cumulative[i])
        if self.range < 2**32:
            self.low, self.range = (self.low << 32) & M64, self.range << 32
            self.point = ((self.point << 32) & M64) | self.word()
        return i


def smallest(token: int) -> tuple[int, int]:
    """The smallest size of a token, and its extra bits."""
    if token < 16:
        return token, 0
    e = 4 + (token - 16) // 4
    return 2**e + (token - 16) % 4 * 2 ** (e - 2), e - 2


def tables() -> dict[str, list[list[int]]]:
    zero, size = [], []
    for k in range(40):
        x = 2 ** ((k - 20) / 2)
        n = round(1024 * x / (1 + x))
        zero.append([1025 - n, n + 1])
        y = 2 ** ((k - 8) / 2)
        r = y / (1 + y)
        row = [smallest(token) for token in range(72)]
        size.append([round(4096 * (r**a * (1 - r ** (2**bits)))) + 1 for a, bits in row])
    return {"zero": zero, "size": size, "sign": [[512, 512] for _ in range(9)]}


def log(x: int) -> int:
    e = x.bit_length() - 1
    j = (x >> (e - 7) if e >= 7 else x << (7 - e)) - 128
    return 32 * e + round(32 * math.log2(1 + j / 128))


def tell(row: list[int], seen: list[int]) -> None:
    for symbol in seen:
        row[symbol] += 256
    while sum(row) > 2**24:
        row[:] = [(c + 1) // 2 for c in row]


def read_flags(stream: Range, table: list[list[int]], classes: list[int]) -> list[int]:
    found = [0] * len(classes)
    for label in sorted(set(classes)):
        places = [i for i, c in enumerate(classes) if c == label]
        p = min(max(4096 * table[label][1] // sum(table[label]), 1), 4095)
        flags: list[int] = []
        counts = [math.prod(p if s >> k & 1 else 4096 - p for k in range(4)) for s in range(16)]
        for _ in range(len(places) // 4):
            four = stream.symbol(counts)
            flags += [four >> k & 1 for k in range(4)]
        flags += [stream.symbol([4096 - p, p]) for _ in range(len(places) % 4)]
        tell(table[label], flags)
        for place, flag in zip(places, flags, strict=True):
            found[place] = flag
    return found


def read_sizes(stream: Range, table: list[list[int]], classes: list[int]) -> list[int]:
    token = [0] * len(classes)
    for label in sorted(set(classes)):
        places = [i for i, c in enumerate(classes) if c == label]
        for place in places:
            token[place] = stream.symbol(table[label])
        tell(table[label], [token[place] for place in places])
    size = [smallest(t)[0] for t in token]
    for bits in range(1, 20):
        for i, t in enumerate(token):
            if smallest(t)[1] == bits:
                size[i] += stream.uniform(bits)
    return size


def cuts(size: int, h: int) -> list[range]:
    pieces, start = [], 0
    for end in sorted({-(-size // 2**k) for k in range(h + 1)}):
        pieces += [range(at, min(at + 256, end)) for at in range(start, end, 256)]
        start = end
    return pieces


Counted = list[int]  # elements, those that are not 0, their sizes' sum


def classes_of(whole: Counted, units: list[tuple[Counted, int, int]]) -> tuple[int, int]:
    p = min(max(65536 * whole[1] // whole[0], 1), 65535)
    mean = max(4096 * whole[2] // whole[1], 1)
    base = log(p) - log(65536 - p)
    density, size = base, log(mean) - 384
    for (c, z, x), d, g in units:
        density += 13 * (log(65536 * z + d * p) - log(65536 * (c - z) + d * (65536 - p)) - base) // 16
        size += 13 * (log(4096 * x + g * mean) - log(z + g) - log(mean)) // 16
    return min(max((density + 328) // 16, 0), 39), min(max((size + 136) // 16, 0), 39)


def read_parameter(stream: Range, tables: dict[str, list[list[int]]], shape: list[int]) -> list[int]:
    rows, columns, taps = (1, math.prod(shape), 1) if len(shape) < 2 else (shape[0], shape[1], math.prod(shape[2:]))
    found = [0] * (rows * columns * taps)
    if not found:
        return found
    for table in tables.values():
        for row in table:
            while sum(row) > 102400:
                row[:] = [(c + 1) // 2 for c in row]
    whole = [2, 1, 1]
    by_row, by_column = [[0, 0, 0] for _ in range(rows)], [[0, 0, 0] for _ in range(columns)]
    by_pair = {(i, j): [0, 0, 0] for i in range(rows) for j in range(columns)}
    for tap in range(taps):
        by_tap = [0, 0, 0]
        m = (rows * columns).bit_length()
        h = 0 if tap else min(max((m - 8) // 2, 0), 5)
        for high in cuts(rows, h):
            for wide in cuts(columns, h):
                places = [(i, j) for i in high for j in wide]
                kinds = []
                for i, j in places:
                    units = [(by_row[i], 12, 4), (by_column[j], 12, 4)]
                    if taps > 1:
                        units += [(by_pair[i, j], 3, 1), (by_tap, 30, 8)]
                    kinds.append(classes_of(whole, units))
                flags = read_flags(stream, tables["zero"], [k[0] for k in kinds])
                chosen = [n for n, flag in enumerate(flags) if flag]
                sizes = read_sizes(stream, tables["size"], [kinds[n][1] for n in chosen])
                hints = []
                for n in chosen:
                    i, j = places[n]
                    at = (i * columns + j) * taps
                    earlier = found[at : at + tap]
                    a, b = np.sign(sum(earlier)), np.sign(earlier[-1]) if earlier else 0
                    hints.append(int(3 * (a + 1) + b + 1) if taps > 1 and len(found) < 2**20 else 4)
                signs = read_flags(stream, tables["sign"], hints)
                for n, size, sign in zip(chosen, sizes, signs, strict=True):
                    i, j = places[n]
                    found[(i * columns + j) * taps + tap] = (size + 1) * (1 if sign else -1)
                for i, j in places:
                    q = found[(i * columns + j) * taps + tap]
                    for unit in (whole, by_row[i], by_column[j], by_pair[i, j], by_tap):
                        unit[0] += 1
                        unit[1] += q != 0
                        unit[2] += abs(q) - (q != 0)
    return found


def read_coded(path: Path, shapes: dict[str, list[int]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The description, and the weights by parameter."""
    description, tensors = read_file(path, described=False)
    assert description == "coded"
    content = tensors["coded"].tobytes()
    described_bytes, side_bytes = (int.from_bytes(content[at : at + 4], "little") for at in (0, 4))
    content = content[8:]
    opened = zlib.decompressobj(zdict=WORDS)
    described = json.loads(opened.decompress(content[:described_bytes]))
    side = content[described_bytes : described_bytes + side_bytes]
    side = zlib.decompress(side[1:]) if side[0] else side[1:]
    stream, tabs = Range(content[described_bytes + side_bytes :]), tables()
    weights = {}
    for name, shape in shapes.items():
        kept = described["network"].get("storage", {}).get(name, {"kind": "float"})

        def take(dtype: str, count: int) -> Any:
            nonlocal side
            found = np.frombuffer(side[: count * np.dtype(dtype).itemsize], dtype)
            side = side[found.nbytes :]
            return found

        if kept["kind"] == "float":
            dtype = {"float32": "<f4", "float16": "<f2"}[kept.get("dtype", "float32")]
            weights[name] = take(dtype, math.prod(shape)).reshape(shape)
            continue
        q = np.array(read_parameter(stream, tabs, shape)).reshape(shape)
        if kept["kind"] == "codebook":
            book = take("<f4", kept.get("entries", 256))
            weights[name] = book[q + min(range(len(book)), key=lambda i: abs(book[i]))]
        else:
            axis = kept.get("axis")
            count = 1 if axis is None else shape[axis]
            along = [1 if axis is None or i != axis else -1 for i in range(len(shape))]
            weights[name] = q.astype(np.float32) * take("<f4", count).reshape(along)
            if not kept.get("symmetric", True):
                take("i1", count)  # q counts from the zero point already
    return described, weights


def coded_model(storage: dict[str, Storage]) -> Model:
    net = convsmith.create("lenet5", classes=3, input=(1, 16, 16))
    torch.manual_seed(3)
    weights = dict(convsmith.build(net).state_dict())
    model = Model(net, weights, ("cat", "dog", "owl"), Preprocess(1, (16, 16), 16, (0.286,), (0.353,)))
    model = round_weights(model, {key: s for key, s in storage.items() if isinstance(s, IntegerStorage)})
    weights, grids = dict(model.weights), dict(model.grids)
    for key, kept in storage.items():
        if isinstance(kept, FloatStorage):
            weights[key] = weights[key].to(getattr(torch, kept.dtype)).float()
        elif isinstance(kept, CodebookStorage):
            codebook = torch.linspace(-0.1, 0.12, kept.entries)
            nearest = (weights[key].unsqueeze(-1) - codebook).abs().argmin(-1)
            weights[key], grids[key] = codebook[nearest], {"codebook": codebook}
    network = with_storage(model.network, storage)
    return replace(model, network=network, weights=weights, grids=grids, packing="coded")


STORAGES: dict[str, dict[str, Storage]] = {
    "floats only": {"fc1.weight": FloatStorage("float16")},
    "integers": {
        "conv1.weight": IntegerStorage(4),
        "conv2.weight": IntegerStorage(3, 0),
        "fc1.weight": IntegerStorage(2),
    },
    "wide": {"fc1.bias": IntegerStorage(12), "conv2.weight": IntegerStorage(10), "fc3.weight": IntegerStorage(16)},
    "zero points": {
        "fc1.weight": IntegerStorage(8, 1, symmetric=False),
        "conv2.weight": IntegerStorage(4, symmetric=False),
    },
    "shared": {
        "fc1.weight": CodebookStorage(16),
        "fc2.weight": CodebookStorage(1),
        "conv1.weight": CodebookStorage(5),
    },
}


@pytest.mark.parametrize("case", STORAGES)
def test_a_reader_of_the_documentation_gets_the_coded_weights(case, tmp_path):
    model = coded_model(STORAGES[case])
    save_model(model, tmp_path / "m")
    shapes = {key: list(weight.shape) for key, weight in model.weights.items()}
    description, weights = read_coded(tmp_path / "m", shapes)
    assert description["format"] == 3
    assert description["classes"] == ["cat", "dog", "owl"]
    for key, weight in model.weights.items():
        assert np.array_equal(weights[key], weight.numpy()), key


def test_the_priors_do_not_depend_on_how_a_machine_rounds():
    """No count of the tables is so near to a half that another mathematical library could round it otherwise."""
    for k in range(40):
        x, y = 2 ** ((k - 20) / 2), 2 ** ((k - 8) / 2)
        r = y / (1 + y)
        exact = [1024 * x / (1 + x)]
        exact += [4096 * (r**a * (1 - r ** (2**bits))) for a, bits in map(smallest, range(72))]
        powers_of_two = r == 0.5  # exact on every machine, ties too
        assert powers_of_two or all(abs(value % 1 - 0.5) > 1e-9 for value in exact)
    logs = [32 * math.log2(1 + j / 128) for j in range(128)]
    assert all(abs(value % 1 - 0.5) > 1e-9 for value in logs)
