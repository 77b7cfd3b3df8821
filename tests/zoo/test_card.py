import pytest

from convsmith import models
from convsmith.errors import UnknownNameError
from convsmith.zoo.card import card, card_json


def test_a_card_tells_paper_year_authors_what_was_new_and_the_figures():
    words = card("vgg16")
    for fact in ("Very deep convolutional networks", "Simonyan, Zisserman, 2014", "new  ", "138 M", "138,357,544"):
        assert fact in words


def test_a_deviation_is_explained_on_the_card():
    assert "truncated rather than rounded" in card("resnet50")


def test_a_librarys_card_says_what_it_does_otherwise():
    assert "resnet50, with norm eps 1.001e-05, norm momentum 0.01, bias before norm yes" in card("keras/ResNet50")


def test_a_narrower_network_has_the_figures_published_for_it():
    assert card_json("mobilenet_v1:0.25-128")["published"]["top1"] == 41.5
    assert card_json("mobilenet_v1:0.3")["published"]["top1"] is None


@pytest.mark.parametrize("name", models())
def test_every_network_has_a_card(name):
    facts = card_json(name)
    assert facts["paper"]["new"].endswith(".")
    assert facts["figures"]
    assert card(name).startswith("network")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"nearest: .*resnet50"):
        card("resnet5O")
