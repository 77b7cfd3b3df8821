from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convsmith.data.dataset import Images
from convsmith.deploy.export import export
from convsmith.deploy.predict import Guess, Prediction, predict
from convsmith.errors import ModelFileError
from convsmith.weights.file import Model


@pytest.fixture
def files(tmp_path: Path, images: Images) -> list[Path]:
    paths = [tmp_path / images.name(i) for i in range(4)]
    for i, path in enumerate(paths):
        Image.fromarray(images[i]).save(path)
    return paths


def test_predictions_are_ranked_and_sum_to_one(model: Model, files: list[Path]) -> None:
    for file, prediction in zip(files, predict(model, files), strict=True):
        probabilities = [guess.probability for guess in prediction.guesses]
        assert prediction.image == str(file)
        assert prediction.error is None
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        assert {guess.label for guess in prediction.guesses} == set(model.classes)


def test_model_file_and_exported_file_predict_the_same(model_path: Path, files: list[Path], images: Images) -> None:
    onnx = model_path.with_suffix(".onnx")
    export(model_path, onnx, images, limit=3)
    for trained, exported in zip(predict(model_path, files), predict(onnx, files), strict=True):
        assert [guess.label for guess in trained.guesses] == [guess.label for guess in exported.guesses]
        np.testing.assert_allclose(
            [guess.probability for guess in trained.guesses],
            [guess.probability for guess in exported.guesses],
            atol=1e-5,
        )


def test_top_limits_the_guesses(model: Model, files: list[Path]) -> None:
    assert [len(prediction.guesses) for prediction in predict(model, files, top=1)] == [1] * 4


def test_an_unreadable_image_gets_an_error_and_the_others_are_predicted(model: Model, files: list[Path]) -> None:
    files[1].write_bytes(b"not an image")
    predictions = predict(model, files)
    assert [prediction.error is None for prediction in predictions] == [True, False, True, True]
    assert files[1].name in str(predictions[1])
    assert predictions[1].guesses == ()


def test_a_prediction_reads_as_a_line_and_as_json() -> None:
    prediction = Prediction("a.png", (Guess("Käfer", 0.75), Guess("bee", 0.25)))
    assert str(prediction) == "a.png: Käfer 75.0%, bee 25.0%"
    assert json.loads(json.dumps(prediction.to_json())) == {
        "image": "a.png",
        "guesses": [{"label": "Käfer", "probability": 0.75}, {"label": "bee", "probability": 0.25}],
        "error": None,
    }


@pytest.mark.parametrize("content", [b"", b"damaged", None])
def test_a_damaged_or_missing_onnx_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.onnx") as error:
        predict(path, [])
    assert "\n" not in str(error.value)
