"""The zoo against the rules: whatever a network of a paper breaks, its card explains; and no card explains too much."""

from __future__ import annotations

from dataclasses import replace

import pytest

import convsmith
from convsmith.design.lint import lint
from convsmith.network import Network
from convsmith.network.builder import relu, write
from convsmith.zoo.card import card
from convsmith.zoo.registry import VARIANTS, departures_of

ONE_OF_EACH = tuple({variant.family_name: name for name, variant in reversed(VARIANTS.items())}.values())


def unexplained(net: Network) -> list[str]:
    return [str(finding) for finding in lint(net) if finding.counts]


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_network_of_each_family_breaks_nothing_that_its_card_does_not_explain(name: str) -> None:
    assert unexplained(convsmith.create(name)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", convsmith.models())
def test_no_network_of_the_zoo_breaks_what_its_card_does_not_explain(name: str) -> None:
    assert unexplained(convsmith.create(name)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", list(VARIANTS))
def test_no_card_explains_what_its_network_keeps(name: str) -> None:
    net = convsmith.create(name)
    assert net.origin is not None
    assert set(departures_of(net.origin)) <= {finding.code for finding in lint(net)}


@pytest.mark.parametrize("name", ["vgg16", "plain34", "resnet50", "keras/ResNet50"])
def test_the_cards_words_are_those_of_the_findings(name: str) -> None:
    found = {finding.explained for finding in lint(name)}
    words = " ".join(card(name).split())
    assert found
    assert all(" ".join(explanation.split()) in words for explanation in found)


def test_vggs_dense_layers_are_found_and_explained() -> None:
    findings = {finding.code: finding for finding in lint("vgg16")}
    assert findings["CS304"].nodes == ("fc6", "fc7", "fc8")
    assert not findings["CS304"].counts


def test_a_narrower_network_is_explained_by_the_same_card() -> None:
    findings = lint(convsmith.create("vgg11", classes=10, input=(3, 64, 64)))
    assert {finding.code for finding in findings if finding.counts} == set()


def test_a_card_does_not_explain_what_somebody_has_changed() -> None:
    net = convsmith.create("vgg16")
    wider = tuple(replace(n, op=replace(n.op, bias=False)) if n.name == "fc8" else n for n in net)
    findings = {finding.code: finding for finding in lint(replace(net, nodes=wider))}
    assert findings["CS304"].counts
    assert not findings["CS302"].counts


def test_a_layer_that_was_added_to_a_zoo_network_counts() -> None:
    net = convsmith.create("vgg16")
    last = net[net.output]
    findings = lint(
        replace(net, nodes=(*net.nodes, replace(net["block1.relu1"], name="end", inputs=(last.name,))), output="end")
    )
    assert [finding.nodes for finding in findings if finding.code == "CS506"] == [("end",)]
    assert any(finding.counts for finding in findings)


def test_a_network_without_origin_is_explained_by_nobody() -> None:
    assert all(finding.counts for finding in lint(replace(convsmith.create("lenet5"), origin=None)))
    assert lint(write("mine", (3, 8, 8), lambda x: relu(x)))[0].counts
