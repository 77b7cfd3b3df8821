"""Temperature scaling: as sure as right, with the same answers, in the classifier's own weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import convsmith
from convsmith.data.dataset import Dataset
from convsmith.errors import DataError, UsageError
from convsmith.evaluation.temperature import calibrate, scaled, temperature_for
from convsmith.model import Header, Model, load_model, save_model
from convsmith.model.rounding import integer_weights, round_weights
from convsmith.network import Preprocess


def model(name: str, classes: int = 3) -> Model:
    net = convsmith.create(name, classes=classes, input=(3, 32, 32))
    header = Header(net, tuple("abcdefgh"[:classes]), Preprocess(3, (32, 32), 32, (0.5,) * 3, (0.5,) * 3))
    return header.with_weights(convsmith.build(net, 1).state_dict())


def logits(one: Model) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = one.module().eval()(torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    return found


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "squeezenet1_1", "mobilenet_v2", "densenet40_k12"])
def test_logits_are_divided_by_the_temperature(name: str) -> None:
    one = model(name)
    torch.testing.assert_close(logits(scaled(one, 2.5)) * 2.5, logits(one), atol=1e-5, rtol=1e-4)


def test_temperatures_multiply_and_are_kept_in_the_file(tmp_path: Path) -> None:
    save_model(scaled(scaled(model("lenet5"), 2.0), 1.5), tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors").provenance["temperature"] == pytest.approx(3.0)


def test_a_model_in_int8_stays_on_its_grid(tmp_path: Path) -> None:
    float_model = model("lenet5")
    one = round_weights(float_model, integer_weights(float_model.network))
    save_model(scaled(one, 2.0), tmp_path / "m.safetensors")
    torch.testing.assert_close(logits(load_model(tmp_path / "m.safetensors")) * 2, logits(one), atol=1e-4, rtol=1e-4)


def test_a_network_whose_last_layer_is_not_linear_is_refused() -> None:
    with pytest.raises(UsageError, match="which a temperature cannot be put into"):
        scaled(model("lenet5_1998"), 2.0)


def test_the_temperature_of_scaled_logits_is_found_again() -> None:
    draw = np.random.default_rng(0)
    calibrated = draw.normal(size=(20_000, 5)) * 2
    chances = np.exp(calibrated) / np.exp(calibrated).sum(axis=1, keepdims=True)
    labels = (chances.cumsum(axis=1) < draw.random((20_000, 1))).sum(axis=1)
    assert temperature_for(calibrated * 3, labels) == pytest.approx(3.0, rel=0.05)


def test_no_temperature_fits_answers_that_are_all_right() -> None:
    with pytest.raises(DataError, match="all 3 answers are right"):
        temperature_for(np.eye(3), np.arange(3))


def test_it_is_measured_on_other_images_than_it_was_fitted_on() -> None:
    draw = np.random.default_rng(0)
    data = Dataset.from_arrays(draw.integers(0, 256, (150, 32, 32, 3), dtype=np.uint8), draw.integers(0, 3, 150))
    net = convsmith.create("lenet5", classes=3, input=(3, 32, 32))
    header = Header(net, data.classes, Preprocess(3, (32, 32), 32, (0.5,) * 3, (0.1,) * 3))
    weights = {key: 8 * value for key, value in convsmith.build(net, 1).state_dict().items()}
    found = calibrate(header.with_weights(weights), data)
    assert (found.fitted_on, found.before.split) == ("val", "test")
    assert found.temperature > 1.5  # noise is answered far too surely
    assert found.after.loss.value < found.before.loss.value
    assert found.after.top1 == found.before.top1
    with pytest.raises(UsageError, match="measure_on"):
        calibrate(header.with_weights(weights), data, measure_on="val")
