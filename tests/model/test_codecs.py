"""Every kind of storage: what is stored is read back bit by bit, and what no encoder made is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, strategies as st
from torch import Tensor

from convsmith.errors import UsageError, WeightsError
from convsmith.model.codecs import FloatCodec, decode, encode, register
from convsmith.model.codecs.bits import pack, unpack
from convsmith.network.storage import DTYPE_BYTES, CodebookStorage, FloatStorage, IntegerStorage, Storage

shapes = st.lists(st.integers(1, 7), max_size=4).map(tuple)
seeds = st.integers(0, 2**32 - 1)
scales = st.floats(2**-149, 2.0**100, width=32, exclude_min=False)


def numbers(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@st.composite
def integer_cases(draw: st.DrawFn) -> tuple[IntegerStorage, Tensor, dict[str, Tensor]]:
    """A storage, integers in its range, and a grid; the scales include the smallest positive float32."""
    shape = draw(shapes)
    axis = draw(st.none() | st.integers(0, len(shape) - 1)) if shape else None
    storage = IntegerStorage(draw(st.integers(2, 8)), axis, draw(st.booleans()))
    random = numbers(draw(seeds))
    integers = random.integers(storage.lowest, storage.highest + 1, shape)
    count = () if axis is None else (shape[axis],)
    largest = 1 if axis is None else shape[axis]
    drawn = draw(st.lists(scales, min_size=largest, max_size=largest))
    grid = {"scale": torch.tensor(drawn, dtype=torch.float32).reshape(count)}
    if not storage.symmetric:
        zero = random.integers(storage.lowest, storage.highest + 1, count)
        grid["zero_point"] = torch.tensor(zero, dtype=torch.int8)
    return storage, torch.tensor(integers, dtype=torch.int8), grid


def by_hand(storage: IntegerStorage, integers: Tensor, grid: dict[str, Tensor]) -> Tensor:
    """The values element by element, in NumPy's float32."""
    values = np.empty(tuple(integers.shape), np.float32)
    for index in np.ndindex(*integers.shape):
        place = () if storage.axis is None else (index[storage.axis],)
        zero = int(grid["zero_point"][place]) if "zero_point" in grid else 0
        values[index] = np.float32(int(integers[index]) - zero) * np.float32(grid["scale"][place])
    return torch.from_numpy(values)


def bits_of(tensor: Tensor) -> Tensor:
    return tensor.contiguous().view(torch.int32)


def assert_as_described(storage: Storage, raw: dict[str, Tensor], shape: tuple[int, ...]) -> None:
    """Dtypes, shapes and bytes are those that the storage tells without any weights."""
    names = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
             torch.int8: "I8", torch.uint8: "U8"}  # fmt: skip
    told = {tensor.part: (tensor.dtype, tuple(tensor.shape)) for tensor in storage.tensors(shape)}
    assert {part: (names[tensor.dtype], tuple(tensor.shape)) for part, tensor in raw.items()} == told
    assert storage.bytes(shape) == sum(tensor.numel() * DTYPE_BYTES[names[tensor.dtype]] for tensor in raw.values())


@given(integer_cases())
def test_integers_come_back_bit_by_bit(case):
    storage, integers, grid = case
    values = by_hand(storage, integers, grid)
    raw = encode(storage, values, grid)
    assert_as_described(storage, raw, tuple(values.shape))
    again, grid_again = decode(storage, raw, tuple(values.shape))
    assert torch.equal(bits_of(again), bits_of(values))
    assert all(torch.equal(grid_again[part], grid[part]) for part in grid)
    assert all(torch.equal(tensor, raw[part]) for part, tensor in encode(storage, again, grid_again).items())


@given(shapes, st.integers(1, 600), seeds)
def test_shared_values_come_back_bit_by_bit(shape, entries, seed):
    random = numbers(seed)
    codebook = np.unique(random.standard_normal(entries).astype(np.float32))
    storage = CodebookStorage(len(codebook))
    values = torch.from_numpy(np.asarray(codebook[random.integers(0, len(codebook), shape)]))
    raw = encode(storage, values, {"codebook": torch.from_numpy(codebook)})
    assert_as_described(storage, raw, shape)
    again, grid = decode(storage, raw, shape)
    assert torch.equal(bits_of(again), bits_of(values))
    assert all(torch.equal(tensor, raw[part]) for part, tensor in encode(storage, again, grid).items())


@given(shapes, st.sampled_from(["float64", "float32", "bfloat16", "float16"]), seeds)
def test_floats_come_back_bit_by_bit(shape, dtype, seed):
    stored = torch.from_numpy(np.asarray(numbers(seed).standard_normal(shape))).to(getattr(torch, dtype))
    values = stored.to(torch.promote_types(stored.dtype, torch.float32))
    raw = encode(FloatStorage(dtype), values, {})
    assert_as_described(FloatStorage(dtype), raw, shape)
    assert torch.equal(raw[""], stored)
    assert torch.equal(decode(FloatStorage(dtype), raw, shape)[0], values)


@given(st.integers(1, 16), st.integers(0, 40), seeds)
def test_packed_integers_lie_where_the_format_says(bits, count, seed):
    integers = numbers(seed).integers(0, 2**bits, count)
    packed = pack(torch.tensor(integers, dtype=torch.uint8 if bits <= 8 else torch.uint16), bits)
    whole = sum(int(integer) << (i * bits) for i, integer in enumerate(integers))
    assert packed.numpy().tobytes() == whole.to_bytes(math.ceil(count * bits / 8), "little")
    assert unpack(packed, bits, (count,)).tolist() == integers.tolist()


@pytest.mark.parametrize("bits", [3, 8, 11])
def test_many_packed_integers_come_back(bits):
    integers = torch.tensor(numbers(bits).integers(0, 2**bits, 2**19 + 5), dtype=torch.uint16)
    integers = integers.to(torch.uint8) if bits <= 8 else integers
    assert torch.equal(unpack(pack(integers, bits), bits, (2**19 + 5,)), integers)


def test_a_packed_tensor_with_bits_behind_the_last_is_refused():
    packed = pack(torch.tensor([1, 2, 3], dtype=torch.uint8), 3)
    packed[-1] += 128
    with pytest.raises(WeightsError, match="behind the last"):
        unpack(packed, 3, (3,))


@given(integer_cases())
def test_values_off_their_grid_are_not_stored(case):
    storage, integers, grid = case
    values = by_hand(storage, integers, grid)
    assume(values.numel() and bool((grid["scale"] > 1e-30).all()))
    values = values + 0.4 * (grid["scale"].max() if storage.axis is None else grid["scale"].min())
    assume(not torch.equal(by_hand(storage, integers, grid), values))
    with pytest.raises(WeightsError, match="cannot hold exactly"):
        encode(storage, values, grid)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_none_is_refused(scale):
    raw = {"values": torch.zeros(2, dtype=torch.int8), "scale": torch.tensor(scale)}
    with pytest.raises(WeightsError, match="a scale that is not above 0"):
        decode(IntegerStorage(), raw, (2,))


@pytest.mark.parametrize("codebook", [[1.0, 0.0, 2.0], [0.0, 0.0, 1.0], [0.0, 1.0, float("nan")]])
def test_a_codebook_out_of_order_is_refused(codebook):
    raw = {"indices": torch.zeros(1, dtype=torch.uint8), "codebook": torch.tensor(codebook)}
    with pytest.raises(WeightsError, match="strictly ascending"):
        decode(CodebookStorage(3), raw, (2,))


def test_an_index_beyond_the_codebook_is_refused():
    raw = {"indices": torch.tensor([3], dtype=torch.uint8), "codebook": torch.tensor([0.0, 1.0, 2.0])}
    with pytest.raises(WeightsError, match="an index of 3 into a codebook of 3"):
        decode(CodebookStorage(3), raw, (1,))


def test_a_codec_of_ones_own_is_found_by_its_storage():
    from dataclasses import dataclass

    from convsmith.model.codecs.codec import CODECS
    from convsmith.network.storage import STORAGES, RawTensor, storage_from_json, storage_to_json

    @dataclass(frozen=True)
    class Negated(Storage):
        kind = "negated"

        def payload(self, shape):
            return (RawTensor("negated", "F32", shape),)

    class NegatedCodec:
        storage = Negated

        def encode(self, storage, values, grid):
            return {"negated": -values}

        def decode(self, storage, payload, grid, shape):
            return -payload["negated"]

    register(NegatedCodec())
    try:
        values = torch.randn(3, 2)
        assert storage_from_json("conv1.weight", storage_to_json(Negated())) == Negated()
        raw = encode(Negated(), values, {})
        assert torch.equal(raw["negated"], -values)
        assert torch.equal(decode(Negated(), raw, (3, 2))[0], values)
    finally:
        del CODECS[Negated], STORAGES["negated"]


def test_two_storages_cannot_have_one_name():
    class Other(FloatCodec):
        storage = type("OtherStorage", (Storage,), {"kind": "float"})

    with pytest.raises(UsageError, match="two storages are called 'float'"):
        register(Other())
