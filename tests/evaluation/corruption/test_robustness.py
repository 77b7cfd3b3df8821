"""A model's errors on corrupted images are those of corrupting them by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import convsmith
from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError
from convsmith.evaluation.corruption.corrupt import CORRUPTIONS, corrupt
from convsmith.evaluation.corruption.robustness import Robustness, robustness
from convsmith.evaluation.evaluate import evaluate
from convsmith.model import Header, Model
from convsmith.network import Preprocess
from convsmith.records import json_text

CLASSES = ("a", "b", "c")


def model_of(channels: int, order: str = "RGB") -> Model:
    net = convsmith.create("lenet5", classes=3, input=(channels, 28, 28))
    preprocess = Preprocess(channels, (28, 28), 28, (0.4,) * channels, (0.3,) * channels, order=order)  # type: ignore[arg-type]
    return Header(net, CLASSES, preprocess).with_weights(convsmith.build(net, 5).state_dict())


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Grey images, so that both kinds of network take them."""
    draw = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = (80 * labels[:, None, None] + draw.integers(0, 90, (60, 28, 28))).astype(np.uint8)
    return Dataset.from_arrays(images, labels, CLASSES)


@pytest.fixture(scope="module")
def measured(dataset: Dataset) -> Robustness:
    return robustness(model_of(1), dataset, split="train")


def test_errors_are_those_of_images_corrupted_by_hand(dataset: Dataset, measured: Robustness) -> None:
    model = model_of(1)
    split = dataset.split("train")
    for name, severity in (("gaussian_noise", 5), ("contrast", 2), ("snow", 4)):
        spoiled = [corrupt(split.images[row][..., :1], name, severity, row) for row in range(len(split))]
        inputs = (torch.from_numpy(np.stack(spoiled)).permute(0, 3, 1, 2).float() / 255 - 0.4) / 0.3
        with torch.inference_mode():
            answers = model.module().eval()(inputs).argmax(dim=1).numpy()
        found = next(one for one in measured.corruptions if one.name == name)
        assert found.errors[severity - 1] == pytest.approx(float((answers != split.labels).mean()))


def test_means_are_those_of_the_errors(dataset: Dataset, measured: Robustness) -> None:
    assert [one.name for one in measured.corruptions] == list(CORRUPTIONS)
    errors = np.array([one.errors for one in measured.corruptions])
    assert [one.mean.value for one in measured.corruptions] == pytest.approx(errors.mean(axis=1).tolist())
    assert measured.mean.value == pytest.approx(errors.mean())
    assert measured.mean.low <= measured.mean.value <= measured.mean.high
    assert measured.clean.value == pytest.approx(1 - evaluate(model_of(1), dataset, split="train").metrics.top1.value)


def test_the_same_data_give_the_same_figures(dataset: Dataset, measured: Robustness) -> None:
    assert robustness(model_of(1), dataset, split="train") == measured


def test_blue_first_is_as_good_as_red_first_on_grey_images(dataset: Dataset) -> None:
    assert (
        robustness(model_of(3, "BGR"), dataset, split="val").clean
        == robustness(model_of(3), dataset, split="val").clean
    )


def test_text_and_json_name_what_was_left_out(measured: Robustness) -> None:
    told = str(measured)
    assert "severity 5" in told
    assert "gaussian noise" in told
    assert "not divided by AlexNet's, and without frost" in told
    found = json.loads(json_text(measured.to_json()))
    assert found["left_out"] == ["frost"]
    assert len(found["corruptions"]) == 14
    assert found["corruptions"][0]["errors"] == pytest.approx(list(measured.corruptions[0].errors))


def test_several_views_are_refused(dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="one view of an image; alexnet has 10"):
        robustness(model_of(1), dataset, protocol="alexnet")
