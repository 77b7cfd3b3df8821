"""What a class name means."""

from __future__ import annotations

import pytest

from convsmith.errors import DataError, UnknownNameError
from convsmith.weights.imagenet import labels, synsets
from convsmith.wordnet import Meanings, shipped, synsets_of

CRANE_BIRD, CRANE_MACHINE = "n02012849", "n03126707"


@pytest.mark.parametrize(
    "name",
    [
        "n02099601", "n02099601-golden_retriever", "golden_retriever", "Golden Retriever", "golden-retriever",
        "golden retriever (n02099601)", "golden_retriever.n.01",
    ],
)  # fmt: skip
def test_usual_spellings_are_understood(name: str) -> None:
    assert Meanings(shipped()).of(name) == "n02099601"


def test_a_label_of_imagenet_never_means_another_class() -> None:
    classes = [synset.wordnet_id for synset in synsets()]
    meanings, undecided = Meanings(shipped(), among=classes), 0
    for name, wordnet_id in zip(labels(), classes, strict=True):
        try:
            assert meanings.of(name) == wordnet_id
        except DataError:  # "amphibian" is a vehicle there, and the frogs above
            undecided += 1
    assert undecided < 20


def test_several_meanings_are_named_not_guessed() -> None:
    with pytest.raises(DataError, match=f"'crane' has 2 meanings.*{CRANE_BIRD}.*{CRANE_MACHINE}"):
        Meanings(shipped()).of("crane")


def test_the_models_classes_decide_between_meanings() -> None:
    assert Meanings(shipped(), among=[CRANE_BIRD]).of("crane") == CRANE_BIRD


def test_an_unknown_noun_comes_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"nearest: .*retriever"):
        Meanings(shipped()).of("golden retreiver")


def test_all_classes_without_a_synset_are_named_at_once() -> None:
    with pytest.raises(DataError, match=r"xyzzy.*plugh"):
        synsets_of(["dog", "xyzzy", "plugh"], shipped())


def test_two_classes_of_one_synset_are_refused() -> None:
    with pytest.raises(DataError, match="'tabby' and 'tabby cat' both mean"):
        synsets_of(["tabby", "tabby cat"], shipped())
