"""Ancestors, heights and severity, on the synsets of ImageNet and on small graphs."""

from __future__ import annotations

import pytest

from convsmith.errors import UnknownNameError, UsageError
from convsmith.weights.imagenet import synsets
from convsmith.wordnet import Hierarchy, Synset, shipped

TABBY, PERSIAN, TANDEM, DOG, CAT = "n02123045", "n02123394", "n02835271", "n02084071", "n02121620"


def graph(**parents: str) -> Hierarchy:
    return Hierarchy(Synset(name, f"{name}.n.01", (name,), tuple(above.split())) for name, above in parents.items())


def test_every_class_of_imagenet_is_there_with_the_names_it_is_published_with() -> None:
    for synset in synsets():
        assert {name.casefold() for name in synset.names} <= {
            name.casefold() for name in shipped()[synset.wordnet_id].names
        }


def test_all_is_below_entity() -> None:
    assert [shipped()[root].sense for root in shipped().roots] == ["entity.n.01"]


def test_ancestors_include_the_synset_itself() -> None:
    assert {TABBY, CAT, "n00001740"} <= shipped().ancestors(TABBY)
    assert DOG not in shipped().ancestors(TABBY)


def test_severity_is_the_height_of_the_lowest_common_ancestor() -> None:
    tree = graph(all="", animal="all", cat="animal", dog="animal", poodle="dog", car="all")
    assert tree.severity("cat", "cat") == 0
    assert tree.severity("cat", "poodle") == tree.heights["animal"] == 2
    assert tree.severity("cat", "car") == tree.severity("car", "cat") == 3


def test_of_several_ways_up_the_lowest_counts() -> None:
    tree = graph(all="", pet="all", animal="all", cat="animal pet", fish="pet", trout="fish")
    assert tree.lowest_common("cat", "trout") == "pet"
    assert tree.distance("cat", "trout") == 3


def test_a_tabby_is_nearer_to_a_persian_than_to_a_bicycle() -> None:
    over = shipped().above([TABBY, PERSIAN, TANDEM])
    assert over.severity(TABBY, PERSIAN) < over.severity(TABBY, TANDEM)


def test_the_path_goes_from_the_root_down() -> None:
    path = [synset.names[0] for synset in shipped().path(CAT)]
    assert path[0] == "entity"
    assert path[-2:] == ["feline", "cat"]


def test_what_is_no_noun_is_said() -> None:
    with pytest.raises(UsageError, match="v02084071 is a verb"):
        shipped()["v02084071"]
    with pytest.raises(UnknownNameError, match="nearest"):
        shipped()["n02084072"]


def test_graphs_that_are_no_hierarchy_are_refused() -> None:
    with pytest.raises(UsageError, match="which the hierarchy does not have"):
        graph(cat="animal")
    with pytest.raises(UsageError, match="a kind of itself"):
        _ = graph(a="b", b="a").heights


def test_two_roots_have_nothing_in_common() -> None:
    with pytest.raises(UsageError, match="no ancestor in common"):
        graph(a="", b="").severity("a", "b")
