"""Mistakes by severity, accuracy at every level, and hedged answers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from convsmith.errors import DataError, UnknownNameError
from convsmith.evaluation.nouns.hedging import hedged
from convsmith.evaluation.nouns.hierarchical import by_wordnet
from convsmith.evaluation.nouns.meaning import Meant
from convsmith.weights.imagenet import synsets
from convsmith.wordnet import shipped

CHIHUAHUA, RETRIEVER, TABBY, TANDEM = IDS = ("n02085620", "n02099601", "n02123045", "n02835271")
MEANT = Meant.of(IDS, IDS, shipped())
LABELS = np.array([0, 0, 1, 2, 3])
ANSWERS = np.array([0, 1, 1, 0, 2])


def logits_of(answers: NDArray[np.int64], classes: int = 4) -> NDArray[np.float64]:
    return np.eye(classes)[answers] * 5


def found():
    return by_wordnet(logits_of(ANSWERS), LABELS, MEANT, data="photos", split="test")


def test_severities_are_counted() -> None:
    severe = MEANT.hierarchy.severity
    expected = [0, severe(CHIHUAHUA, RETRIEVER), 0, severe(TABBY, CHIHUAHUA), severe(TANDEM, TABBY)]
    assert found().error.value == pytest.approx(np.mean(expected))
    assert found().severity.value == pytest.approx(np.mean([one for one in expected if one]))
    assert sum(found().severities) == 5
    assert found().severities[0] == 2


def test_of_several_guesses_the_mildest_counts() -> None:
    assert found().guesses == 4
    assert found().error_of_guesses.value == 0.0


def test_a_chihuahua_called_a_retriever_is_a_dog() -> None:
    dog = found().level("dog")
    assert (dog.images, dog.predicted, dog.right) == (3, 4, 3)
    assert dog.recall.value == 1.0
    assert dog.precision.value == 0.75


def test_everything_is_an_entity() -> None:
    entity = found().level("entity")
    assert (entity.images, entity.predicted, entity.right) == (5, 5, 5)


def test_a_kind_that_is_not_there_is_said() -> None:
    with pytest.raises((UnknownNameError, DataError)):
        found().level("teapot")


def test_mistakes_are_named_by_class_answer_and_what_they_share() -> None:
    by_pair = {(one.true, one.answer): one for one in found().mistakes}
    assert by_pair[CHIHUAHUA, RETRIEVER].common == "n02084071"
    assert len(by_pair) == 3
    assert sum(one.images for one in by_pair.values()) == 3


def test_no_mistake_has_no_severity() -> None:
    right = by_wordnet(logits_of(LABELS), LABELS, MEANT, data="photos", split="test")
    assert np.isnan(right.severity.value)
    assert right.error.value == 0.0


def unsure(count: int = 2_000) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A classifier of ImageNet that often takes a class for a near one."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 1000, count)
    near = np.clip(labels + draw.integers(-1, 2, count), 0, 999)  # neighbours in the list are mostly of one kind
    return np.eye(1000)[labels] * 6 + np.eye(1000)[near] * 6 + draw.normal(size=(count, 1000)), labels


def test_hedged_answers_are_right_as_often_as_asked() -> None:
    ids = tuple(synset.wordnet_id for synset in synsets())
    meant = Meant.of(ids, ids, shipped())
    logits, labels = unsure()
    plain = (logits.argmax(axis=1) == labels).mean()
    assert plain < 0.8
    at90, at98 = (hedged(logits, labels, meant, target) for target in (0.9, 0.98))
    assert at90.accuracy.value == pytest.approx(0.9, abs=0.02)
    assert at98.accuracy.value == pytest.approx(0.98, abs=0.01)
    assert at98.information < at90.information < at90.most_bits
    assert at98.classes < at90.classes < 1
    assert at90.commonest


def test_a_target_that_is_already_reached_costs_nothing() -> None:
    one = hedged(logits_of(LABELS) * 10, LABELS, MEANT, 0.5)
    assert one.classes == 1.0
    assert one.accuracy.value == 1.0


def test_any_breed_is_a_right_answer_for_a_dog() -> None:
    truths = ("n02084071", "n02121620")  # dog, cat
    meant = Meant.of(IDS, truths, shipped())
    one = by_wordnet(logits_of(np.array([0, 1, 2, 3])), np.array([0, 0, 0, 1]), meant, data="photos", split="test")
    assert one.top1.value == 0.5
    assert one.severities[0] == 2
    assert (one.level("dog").images, one.level("dog").right) == (3, 2)
    assert one.level("Chihuahua").images == one.level("Chihuahua").predicted == 0  # nobody said which breed
    assert one.level("cat").predicted == 1
    assert one.level("tandem bicycle").predicted == 1
