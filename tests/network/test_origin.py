"""Where a network comes from, carried by the network: provenance, and no part of the value."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from convsmith.errors import UsageError
from convsmith.network import Network, Node, Origin, ops

words = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)
settings = st.dictionaries(words, st.booleans() | st.integers() | st.floats(allow_nan=False) | words, max_size=3)
origins = st.builds(Origin, words, words, words, st.just("") | words, settings.map(lambda d: tuple(d.items())))

RELU = Node("relu1", ops.Activation("relu"), ("input",))
ZOO = Origin("keras/MobileNet", "mobilenet_v1", "mobilenet_v1", "keras")


def network(origin: Origin | None) -> Network:
    return Network("net", (3, 8, 8), (RELU,), "relu1", origin=origin)


def test_networks_that_differ_in_their_origin_alone_are_equal() -> None:
    known, unknown = network(ZOO), network(None)
    assert known == unknown
    assert hash(known) == hash(unknown)
    assert known.origin != unknown.origin


@given(origins)
def test_an_origin_comes_back_from_json(origin: Origin) -> None:
    text = json.dumps(network(origin).to_json(), allow_nan=True)
    again = Network.from_json(text)
    assert again.origin == origin
    assert hash(again.origin) == hash(origin)
    assert json.dumps(again.to_json()) == text


def test_files_without_an_origin_are_read_and_have_none() -> None:
    data = network(ZOO).to_json()
    del data["origin"]
    assert Network.from_json(data).origin is None
    assert "origin" not in network(None).to_json()


def test_what_is_empty_is_not_written() -> None:
    assert Origin("resnet18", "resnet", "resnet18").to_json().keys() == {"name", "family", "variant"}


@pytest.mark.parametrize(
    "damage",
    [None, 3, "resnet", [], {}, {"name": "a"}, {"name": 1, "family": "b", "variant": "c"}]
    + [{**ZOO.to_json(), "settings": wrong} for wrong in (3, [["width"]], [["width", None]], [["width", []]], {"a": 1})]
    + [{**ZOO.to_json(), key: "two\nlines"} for key in ("name", "family", "variant", "library")],
)
def test_a_damaged_origin_is_a_usage_error(damage: object) -> None:
    with pytest.raises(UsageError, match=r"not a network: its origin [^\n]*$"):
        Network.from_json({**network(None).to_json(), "origin": damage})


def test_a_network_with_settings_is_not_what_its_name_says() -> None:
    narrow = ZOO.with_setting("width", 0.5)
    assert ZOO.as_named
    assert not narrow.as_named
    assert narrow.setting("width") == 0.5
    assert narrow.with_setting("width", 0.25).settings == (("width", 0.25),)
    assert replace(narrow, settings=()) == ZOO
    assert ZOO.setting("width") is None
