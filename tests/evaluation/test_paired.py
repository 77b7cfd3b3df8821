"""Two models against each other: McNemar's exact test and the paired bootstrap."""

from __future__ import annotations

import json
from dataclasses import replace
from math import comb
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import convsmith
from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError
from convsmith.evaluation.measured import measured
from convsmith.evaluation.metrics import mean_of, wilson
from convsmith.evaluation.paired import compared, mcnemar, paired
from convsmith.model import Header, Model
from convsmith.network import Preprocess

CLASSES = ("a", "b", "c")


def model(seed: int, classes: tuple[str, ...] = CLASSES) -> Model:
    net = convsmith.create("lenet5", classes=len(classes), input=(1, 28, 28))
    return Header(net, classes, Preprocess(1, (28, 28), 28, (0.5,), (0.5,))).with_weights(
        convsmith.build(net, seed).state_dict()
    )


@pytest.fixture(scope="module")
def data() -> Dataset:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (120, 28, 28), dtype=np.uint8)
    return Dataset.from_arrays(images, draw.integers(0, 3, 120), CLASSES)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (5, 5), (10, 2), (3, 40), (150, 100)])
def test_mcnemars_p_value_is_the_sum_of_binomial_terms(only_first: int, only_second: int) -> None:
    count, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(comb(count, i) for i in range(fewer + 1)) / 2**count
    assert mcnemar(only_first, only_second) == pytest.approx(min(1.0, 2 * tail))


TABLES = json.loads((Path(__file__).parents[1] / "reference/statsmodels_tables.json").read_text())


def test_mcnemars_p_values_are_statsmodels() -> None:
    for only_first, only_second, p_value in TABLES["mcnemar"]:
        assert mcnemar(only_first, only_second) == pytest.approx(p_value, rel=1e-9)


def test_wilsons_intervals_are_statsmodels() -> None:
    for hits, count, low, high in TABLES["wilson"]:
        found = wilson(hits, count)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(("only_first", "only_second", "both"), [(10, 30, 200), (3, 40, 100), (60, 55, 885)])
def test_the_paired_bootstrap_is_scipys_on_tables_of_answers(only_first: int, only_second: int, both: int) -> None:
    first = np.repeat([1.0, 1.0, 0.0, 0.0], [both, only_first, only_second, 60])
    second = np.repeat([1.0, 0.0, 1.0, 0.0], [both, only_first, only_second, 60])
    found = mean_of(second - first)
    theirs = stats.bootstrap(
        (first, second),
        lambda x, y, axis: y.mean(axis) - x.mean(axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.08 * width)


def test_counts_and_difference_are_those_of_the_answers(data: Dataset) -> None:
    one, other = model(1), model(2)
    answers = [measured(each, data, split="train") for each in (one, other)]
    hits = [each.logits.argmax(axis=1) == each.labels for each in answers]
    found = paired(one, other, data, split="train")
    assert found.only == (int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum()))
    assert found.both == int((hits[0] & hits[1]).sum())
    assert found.difference.value == pytest.approx(hits[1].mean() - hits[0].mean())
    assert found.p_value == mcnemar(*found.only)


def test_the_bootstrap_interval_is_scipys(data: Dataset) -> None:
    answers = [measured(model(seed), data, split="train") for seed in (1, 2)]
    hits = [(each.logits.argmax(axis=1) == each.labels).astype(float) for each in answers]
    found = compared(answers[0], answers[1], ("a", "b")).difference
    theirs = stats.bootstrap(
        (hits[0], hits[1]),
        lambda x, y, axis: y.mean(axis) - x.mean(axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_a_model_does_not_differ_from_itself(data: Dataset) -> None:
    found = paired(model(1), model(1), data, split="train")
    assert found.only == (0, 0)
    assert found.p_value == 1.0
    assert "No difference beyond chance" in str(found)


def test_a_better_model_is_named(data: Dataset) -> None:
    answers = measured(model(1), data, split="train")
    right = replace(answers, logits=np.eye(3)[answers.labels])
    assert "good is better" in str(compared(answers, right, ("bad", "good")))


def test_models_of_different_classes_are_refused(data: Dataset) -> None:
    with pytest.raises(UsageError, match="different classes: c, d"):
        paired(model(1), model(2, ("a", "b", "d")), data)


def test_answers_to_different_images_are_refused(data: Dataset) -> None:
    one = measured(model(1), data, split="train")
    other = measured(model(1), data, split="val")
    with pytest.raises(UsageError, match="different images"):
        compared(one, other, ("a", "b"))
