import json
from decimal import Decimal
from pathlib import Path

import pytest

from convsmith.zoo import registry
from convsmith.zoo.certify import certified_names, certify, in_units, peers, rounded_as
from convsmith.zoo.libraries import NAMES
from convsmith.zoo.paper import PaperFigures

REFERENCES = Path(__file__).parents[1] / "reference"


@pytest.fixture(scope="module")
def whole_zoo():
    return list(certify())


def test_no_figure_of_the_zoo_differs_without_an_explanation(whole_zoo):
    assert [row for row in whole_zoo if row.verdict == "differs"] == []


def test_every_network_has_a_verdict(whole_zoo):
    assert {row.network for row in whole_zoo} == set(certified_names())
    assert set(certified_names()) >= {*registry.VARIANTS, *NAMES, *registry.POINTS}


def test_every_explanation_has_words(whole_zoo):
    explained = [row for row in whole_zoo if row.verdict == "explained"]
    assert explained
    assert all(len(row.why) > 10 for row in explained)


@pytest.mark.parametrize(
    ("printed", "exact", "power", "rounded"),
    [
        (138, 138_357_544, 6, "138"),
        (19.6, 19_632_062_464, 9, "19.6"),
        (0.27, 269_722, 6, "0.27"),
        (5, 4_500_000, 6, "5"),
    ],
)
def test_a_figure_is_rounded_as_the_paper_prints_its_own(printed, exact, power, rounded):
    assert rounded_as(printed, exact, power) == Decimal(rounded)


def test_figures_are_shown_with_their_units():
    assert in_units(3.8, 9) == "3.8 G"
    assert in_units(0.569, 9) == "569 M"
    assert in_units(138, 6) == "138 M"


def test_a_wrong_figure_differs_and_an_idle_explanation_too(monkeypatch):
    vgg = registry.VARIANTS["vgg16"]
    for published, verdict in (
        (PaperFigures(params_m=139), "differs"),
        (PaperFigures(params_m=139, deviations={"params_m": "counted by hand"}), "explained"),
        (PaperFigures(params_m=138, deviations={"params_m": "counted by hand"}), "differs"),
        (PaperFigures(params_m=138), "equal"),
    ):
        monkeypatch.setitem(registry.VARIANTS, "vgg16", registry.replace(vgg, published=published))
        assert next(certify("vgg16")).verdict == verdict


def test_auxiliary_heads_do_not_count_against_the_paper():
    row = next(certify("googlenet"))
    assert row.ours == "6,998,552"
    assert next(certify("torchvision/googlenet")).ours == "13,004,888"


def test_peers_are_what_the_references_have():
    for path in REFERENCES.glob("*__*.json"):
        reference = json.loads(path.read_text())
        name = f"{reference['source']}/{reference['name'].removesuffix(':1.0')}"
        assert peers()[name]["params"] == reference["params"]
        assert peers()[name].get("macs") == reference["macs"]
