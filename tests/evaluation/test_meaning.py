"""Classes of models and data in WordNet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convsmith
from convsmith.errors import DataError
from convsmith.evaluation.evaluate import evaluate
from convsmith.evaluation.nouns.meaning import (
    Meant,
    meanings_of,
    meant_by,
    membership,
    severities,
    specific,
    summed,
)
from convsmith.model import Header, Model
from convsmith.network import Preprocess

BREEDS = ("n02085620", "n02099601", "n02123045", "n02123394")  # two dogs, two cats


def model_of(classes: tuple[str, ...], **provenance: object) -> Model:
    net = convsmith.create("lenet5", classes=len(classes), input=(1, 28, 28))
    header = Header(net, classes, Preprocess(1, (28, 28), 28, (0.5,), (0.5,)), provenance)
    return header.with_weights(convsmith.build(net, 3).state_dict())


def photos(root: Path, classes: tuple[str, ...]) -> Path:
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(6):
            pixels = np.random.default_rng([label, number]).integers(0, 256, (28, 28), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.mark.parametrize(
    "classes", [BREEDS, ("Chihuahua", "golden retriever", "tabby", "Persian cat"), ("chihuahua", "golden_retriever",
                                                                                    "tabby-cat", "persian cat")]
)  # fmt: skip
def test_a_models_classes_are_known_by_id_label_or_word(classes: tuple[str, ...]) -> None:
    assert meant_by(model_of(classes)).ids == BREEDS


def test_ids_in_the_provenance_come_first() -> None:
    assert meant_by(model_of(("a", "b"), wordnet_ids=list(BREEDS[:2]))).ids == BREEDS[:2]


def test_severities_are_the_heights_of_the_lowest_common_ancestors() -> None:
    meant = meant_by(model_of(BREEDS))
    expected = [[meant.hierarchy.severity(one, other) for other in BREEDS] for one in BREEDS]
    assert severities(meant).tolist() == expected


def test_severities_of_all_of_imagenet_are_those_taken_one_by_one() -> None:
    from convsmith.weights.imagenet import synsets
    from convsmith.wordnet import shipped

    ids = tuple(synset.wordnet_id for synset in synsets())
    meant = Meant.of(ids, ids, shipped())
    cost, draw = severities(meant), np.random.default_rng(0)
    for one, other in draw.integers(0, 1000, (1000, 2)):
        assert cost[one, other] == meant.hierarchy.severity(ids[one], ids[other])


def test_membership_says_what_is_a_kind_of_what() -> None:
    meant = meant_by(model_of(BREEDS))
    dogs = membership(meant.ids, meant.hierarchy)[:, list(meant.hierarchy).index("n02084071")]
    assert dogs.tolist() == [True, True, False, False]


def test_an_output_that_is_a_kind_of_the_class_is_no_mistake() -> None:
    meant = meant_by(model_of(BREEDS), ("dog", "tabby"))
    assert severities(meant)[0, :2].tolist() == [0, 0]
    assert severities(meant)[1].tolist()[2] == 0
    assert severities(meant)[1, 3] == meant.hierarchy.severity(BREEDS[2], BREEDS[3])
    assert specific(meant.truths, meant.hierarchy)[0, list(meant.hierarchy).index(BREEDS[0])]


def test_a_class_of_the_data_is_all_of_its_kinds() -> None:
    cat, dog = meanings_of(model_of(BREEDS), ("cat", "dog"))
    assert (cat.outputs.tolist(), dog.outputs.tolist()) == ([2, 3], [0, 1])
    assert (cat.synset.sense, dog.synset.wordnet_id) == ("cat.n.01", "n02084071")
    assert str(dog).startswith("dog: dog.n.01 (n02084071: dog, domestic dog")
    assert str(dog).endswith("2 classes, such as n02085620")


def test_the_probability_of_a_group_is_the_sum_of_its_outputs() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    each = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = np.exp(summed(logits, [np.array([2, 3]), np.array([0])]))
    np.testing.assert_allclose(found, np.stack([each[:, 2] + each[:, 3], each[:, 0]], axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (("dog", "truck"), "is a kind of truck"),
        (("dog", "tabby", "animal"), "is a kind of both"),
        (("dog", "hound", "xyzzy"), "xyzzy"),
    ],
)
def test_classes_that_cannot_be_matched_are_named(classes: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        meanings_of(model_of(BREEDS), classes)


def test_a_model_of_breeds_is_measured_on_cats_and_dogs(tmp_path: Path) -> None:
    found = evaluate(model_of((*BREEDS, "n02835271")), photos(tmp_path, ("cat", "dog")), classes_by="wordnet")
    assert [row.name for row in found.metrics.classes] == ["cat", "dog"]
    assert found.metrics.images == 12
    assert found.outside is not None
    assert f"for {found.outside} images" in str(found)
    assert "  cat: cat.n.01 (n02121620: cat, true cat)" in str(found)
    told = found.to_json()["meanings"]
    assert [(one["name"], one["sense"], one["outputs"]) for one in told] == [
        ("cat", "cat.n.01", [2, 3]),
        ("dog", "dog.n.01", [0, 1]),
    ]
