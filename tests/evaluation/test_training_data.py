"""Files are decoded for a model as those were that it was trained on, by every verb and in every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convsmith
from convsmith import records
from convsmith.data.decode.decoding import USUAL, Decoding
from convsmith.evaluation.training_data import TrainingData


def test_it_is_read_as_it_was_written() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    dataset = convsmith.Dataset.from_arrays(images, np.arange(40) % 2, seed=3)
    written = TrainingData.of(dataset)
    assert written.seed == 3
    assert TrainingData.known_to({"data": records.to_json(written)}) == written


@pytest.mark.parametrize("data", [None, {}, "photos", {"seed": "x"}, {"decoding": {"ground": 999}}, {"name": "old"}])
def test_what_is_missing_or_damaged_is_as_if_nothing_were_known(data: Any) -> None:
    assert TrainingData.known_to({"data": data}).decoding == USUAL


@pytest.fixture
def model() -> convsmith.Model:
    """A model for white shapes on a transparent ground, which it saw on black."""
    network = convsmith.create("lenet5", classes=2, input=(1, 28, 28))
    preprocess = convsmith.Preprocess(1, (28, 28), 28, (0.5,), (0.25,))
    provenance = {"data": records.to_json(TrainingData(decoding=Decoding(ground=0)))}
    weights = convsmith.build(network, seed=1).state_dict()
    return convsmith.Model(network, weights, ("bar", "dot"), preprocess, provenance)


def test_predictions_of_files_are_those_of_what_was_trained_on(model: convsmith.Model, tmp_path: Path) -> None:
    shape = np.zeros((28, 28, 4), np.uint8)
    shape[8:20, 8:20] = 255
    Image.fromarray(shape, "RGBA").save(tmp_path / "shape.png")
    convsmith.export(model, tmp_path / "model.onnx", [shape[..., :3]])
    (wanted,) = convsmith.predict(model, shape[..., :3])
    for source in (model, tmp_path / "model.onnx"):
        (found,) = convsmith.predict(source, tmp_path / "shape.png")
        for one, other in zip(found.guesses, wanted.guesses, strict=True):
            assert one.probability == pytest.approx(other.probability, abs=1e-5)
    of_file = convsmith.features(model, tmp_path / "shape.png").values
    np.testing.assert_allclose(of_file, convsmith.features(model, shape[..., :3]).values, atol=1e-5)
