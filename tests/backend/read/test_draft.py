"""A network under construction: names, shared parameters, what is left out, misfits."""

from __future__ import annotations

import pytest
import torch

import convsmith
from convsmith.backend.read.draft import Draft
from convsmith.errors import ReadError
from convsmith.network import Auxiliary, ops

RELU = ops.Activation("relu")
CONV = ops.Conv(4, (1, 1))


def test_names_are_made_valid_and_unique():
    draft = Draft("net", (3, 4, 4))
    names = [draft.add(RELU, draft.input, name=wish).name for wish in ("a.b", "a.b", "input", "a b", "type", "")]
    assert names == ["a.b", "a.b_2", "input_2", "a_b", "type_", "layer"]


def test_a_layer_is_not_named_like_a_parameter_of_its_scope():
    draft, weight = Draft("net", (4, 2, 2)), torch.rand(4, 4, 1, 1)
    x = draft.add(CONV, draft.input, name="a", weights={"weight": weight})
    y = draft.add(RELU, x, name="a.weight")
    read = draft.finish(y)
    assert y.name == "a.weight_2"
    assert convsmith.build(read.network).load_state_dict(read.weights)


def test_equal_ops_on_the_same_tensors_share_them():
    draft, weight = Draft("net", (4, 2, 2)), torch.rand(4, 4, 1, 1)
    x = draft.add(CONV, draft.input, name="a", weights={"weight": weight})
    x = draft.add(CONV, x, name="b", weights={"weight": weight})
    x = draft.add(CONV, x, name="c", weights={"weight": weight.clone()})
    network, weights = draft.finish(x)
    assert [node.shares for node in network] == [None, "a", None]
    assert list(weights) == ["a.weight", "c.weight"] == list(network.parameters)


def test_what_leads_nowhere_is_left_out_and_its_weights_pass_on():
    draft, weight = Draft("net", (4, 2, 2)), torch.rand(4, 4, 1, 1)
    draft.add(CONV, draft.input, name="dead", weights={"weight": weight})
    x = draft.add(CONV, draft.input, name="alive", weights={"weight": weight})
    aux = draft.add(ops.Flatten(), x, name="aux")
    network, weights = draft.finish(draft.add(ops.Flatten(), x, name="out"), [Auxiliary(aux.name, 0.3)])
    assert [node.name for node in network] == ["alive", "aux", "out"]
    assert network["alive"].shares is None
    assert torch.equal(weights["alive.weight"], weight)


def test_weights_are_copies_in_float32():
    draft, weight = Draft("net", (4, 2, 2)), torch.rand(4, 4, 1, 1, dtype=torch.float64)
    _, weights = draft.finish(draft.add(CONV, draft.input, name="a", weights={"weight": weight}))
    weight.zero_()
    assert weights["a.weight"].dtype == torch.float32
    assert weights["a.weight"].count_nonzero() == 16


def test_misfits_name_the_place():
    draft = Draft("net", (3, 2, 2))
    with pytest.raises(ReadError, match=r"net.py:3: a: window of 5 is larger than its padded input 2"):
        draft.add(ops.MaxPool((5, 5), (1, 1)), draft.input, name="a", place="net.py:3")
    with pytest.raises(ReadError, match=r"net.py:4: a: conv needs weight 4x3x1x1, not 4x4x1x1"):
        draft.add(CONV, draft.input, name="a", weights={"weight": torch.rand(4, 4, 1, 1)}, place="net.py:4")
    with pytest.raises(ReadError, match="not as given: weight"):
        draft.add(CONV, draft.input, name="a")


def test_a_network_that_computes_nothing_is_refused():
    draft = Draft("net", (3, 2, 2))
    with pytest.raises(ReadError, match="returns its input as it is"):
        draft.finish(draft.input)
