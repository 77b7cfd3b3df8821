"""How parameters are stored, as data on a network."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st

import convsmith
from convsmith.errors import ShapeError, UnknownNameError, UsageError
from convsmith.network import Network
from convsmith.network.storage import (
    FLOAT32,
    CodebookStorage,
    FloatStorage,
    IntegerStorage,
    with_storage,
)

NET = convsmith.create("lenet5")
storages = st.one_of(
    st.builds(FloatStorage, st.sampled_from(["float64", "float32", "bfloat16", "float16"])),
    st.builds(IntegerStorage, st.integers(2, 8), st.none() | st.just(0), st.booleans()),
    st.builds(CodebookStorage, st.integers(1, 2**16)),
)


@given(st.dictionaries(st.sampled_from(list(NET.parameters)), storages))
def test_a_stored_network_reads_back_equal(storage):
    net = with_storage(NET, storage)
    again = Network.from_json(json.dumps(net.to_json(), allow_nan=False))
    assert again == net
    assert hash(again) == hash(net)
    assert all(again.storage_of(key) == storage.get(key, FLOAT32) for key in NET.parameters)


def test_a_network_in_float32_says_nothing_of_storage():
    assert "storage" not in NET.to_json()
    assert with_storage(NET, {"fc1.weight": FLOAT32}) == NET


def test_the_order_of_saying_does_not_matter():
    one, other = ("fc1.weight", IntegerStorage()), ("fc2.weight", FloatStorage("float16"))
    assert with_storage(NET, dict([one, other])) == with_storage(NET, dict([other, one]))


def test_inference_keeps_how_its_parameters_are_stored():
    assert with_storage(NET, {"fc1.weight": IntegerStorage()}).inference.storage_of("fc1.weight") == IntegerStorage()


def test_a_parameter_that_there_is_not_is_refused_with_its_neighbours():
    with pytest.raises(UnknownNameError, match=r"parameter of lenet5 'fc4\.weight'; nearest: fc"):
        with_storage(NET, {"fc4.weight": IntegerStorage()})


def test_an_axis_that_there_is_not_is_refused():
    with pytest.raises(ShapeError, match=r"fc1\.bias: a parameter of shape 120 has no axis 1"):
        with_storage(NET, {"fc1.bias": IntegerStorage(8, 1)})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IntegerStorage(1), "2 to 16 bits, not in 1"),
        (lambda: IntegerStorage(17), "2 to 16 bits, not in 17"),
        (lambda: IntegerStorage(9, 0, False), "no zero point"),
        (lambda: IntegerStorage(8, -1), "counts from 0, not -1"),
        (lambda: CodebookStorage(0), "1 to 65,536 entries, not 0"),
        (lambda: FloatStorage("float8"), "float type 'float8'; nearest: float64"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_stored_is_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_bytes_are_those_of_the_parts():
    assert IntegerStorage(8, 0).bytes((6, 5, 5)) == 150 + 6 * 4
    assert IntegerStorage(4, 0, symmetric=False).bytes((3, 5)) == 8 + 3 * 4 + 3
    assert CodebookStorage(5).bytes((3, 3)) == 4 + 5 * 4
    assert FloatStorage("bfloat16").bytes((3, 3)) == 18


def test_costs_of_stored_networks_add_up():
    cost = convsmith.cost_of(with_storage(NET, {"fc1.weight": IntegerStorage(4, 0)}))
    others = sum(int(np.prod(p.shape)) for key, p in NET.parameters.items() if key != "fc1.weight")
    assert cost.stored_bytes == 4 * others + 120 * 400 // 2 + 120 * 4
    assert cost.to_json()["stored_bytes"] == cost.stored_bytes
