"""The zoo by year."""

from __future__ import annotations

import re

import pytest

from convsmith.cost.table import display_width
from convsmith.zoo.registry import VARIANTS
from convsmith.zoo.timeline import WIDTH, text_of, timeline

PAPERS = {variant.paper.source: variant.paper for variant in VARIANTS.values() if variant.flagship}


def test_every_paper_of_the_zoo_has_a_flagship():
    assert {variant.paper for variant in VARIANTS.values()} == set(PAPERS.values())


@pytest.mark.parametrize("paper", [pytest.param(paper, id=source) for source, paper in PAPERS.items()])
def test_a_preprints_number_has_its_year_and_month(paper):
    number = re.match(r"arXiv (\d\d)(\d\d)\.", paper.source)
    assert 1 <= paper.month <= 12
    # The card of Deep Compression dates it by its conference.
    if number and paper.title != "Deep Compression":
        assert (paper.year, paper.month) == (2000 + int(number[1]), int(number[2]))


def test_landmarks_are_in_order_and_carry_what_the_cards_say():
    found = timeline()
    assert [one.date for one in found] == sorted(one.date for one in found)
    by_name = {one.network: one for one in found}
    alexnet = by_name["alexnet"]
    assert (alexnet.date, alexnet.params, alexnet.top1) == ("2012-12", 60_965_224, 59.3)
    assert by_name["googlenet"].params == 6_998_552  # without the heads, as papers count
    assert by_name["unet"].top1 is None
    assert "resnet20" in by_name["resnet152"].networks
    assert found[0].to_json()["date"] == "1998-11"


def test_text_says_what_was_new_in_100_columns():
    found = timeline()
    words = text_of(found)
    assert max(map(display_width, words.splitlines())) <= WIDTH
    flat = " ".join(words.split())
    assert all(one.paper.new in flat for one in found)
    assert "He et al. 2015, arXiv 1512.03385. Top-1: ten crops (table 3)." in flat
    assert "Simonyan and Zisserman 2014" in flat
