"""Labelled images to measure on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small import PREPROCESS, clothes, trained

from convsmith.backend.preprocess import PreprocessModule
from convsmith.compression import sample_of
from convsmith.compression.sample import loss_and_accuracy
from convsmith.errors import DataError
from convsmith.evaluation.evaluate import evaluate


def test_images_are_prepared_as_the_model_takes_them():
    found, test = sample_of(trained(), clothes(), 64, split="test"), clothes().split("test")
    prepared = torch.cat([PreprocessModule(PREPROCESS)(torch.as_tensor(image[None])) for image, _ in test])
    distance = (prepared[None] - found.images[:4, None]).abs().amax((2, 3, 4))
    nearest = distance.argmin(1)
    assert distance.min(1).values.max() < 1e-5
    assert found.labels[:4].tolist() == test.labels[nearest].tolist()


def test_a_seed_draws_the_same_images_again():
    one, same, other = (sample_of(trained(), clothes(), 64, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.images, other.images)


def test_accuracy_over_a_whole_split_is_what_evaluate_says():
    whole = sample_of(trained(), clothes(), len(clothes().split("test")), split="test")
    measured = evaluate(trained(), clothes(), split="test").metrics
    assert loss_and_accuracy(trained(), whole)[1] == pytest.approx(measured.top1.value, abs=0.01)


def test_data_with_other_classes_are_refused():
    with pytest.raises(DataError, match="does not have the classes"):
        sample_of(trained(), replace(clothes(), classes=tuple("abcdefghij")))
