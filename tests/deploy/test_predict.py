from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convsmith.data.dataset import Images
from convsmith.data.decode.image import decode
from convsmith.data.unlabelled import gather
from convsmith.deploy.classifier import open_classifier
from convsmith.deploy.export import export
from convsmith.deploy.predict import Guess, Prediction, predict, predictions
from convsmith.deploy.streams import BATCH
from convsmith.errors import ModelFileError
from convsmith.model.file import Model, save_model
from convsmith.records import json_text


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


def test_an_answer_that_is_no_number_is_an_error(model: Model, files: list[Path]) -> None:
    name = next(iter(model.weights))
    spoiled = replace(model, weights={**model.weights, name: model.weights[name] * float("nan")})
    for file, prediction in zip(files, predict(spoiled, files), strict=True):
        assert prediction.error == f"{file}: the model's answer is not a finite number"
        assert "NaN" not in json_text(prediction)


def test_an_unreadable_image_gets_an_error_and_the_others_are_predicted(model: Model, files: list[Path]) -> None:
    files[1].write_bytes(b"not an image")
    predictions = predict(model, files)
    assert [prediction.error is None for prediction in predictions] == [True, False, True, True]
    assert files[1].name in str(predictions[1])
    assert predictions[1].guesses == ()


def test_a_prediction_reads_as_a_line_and_as_json() -> None:
    prediction = Prediction("a.png", (Guess("Käfer", 0.75), Guess("bee", 0.25)))
    assert str(prediction) == "a.png: Käfer 75.0%, bee 25.0%"
    assert json.loads(json_text(prediction)) == {
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


BROKEN = (0, 1, 70, *range(BATCH * 2, BATCH * 3), BATCH * 4 + 9)
"""The first, one amidst, a whole batch, the last."""


@pytest.fixture
def many(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{row:04}.png" for row in range(BATCH * 4 + 10)]
    for row, path in enumerate(paths):
        size = ((28, 28), (40, 31), (64, 29))[row % 3]
        Image.fromarray(np.random.default_rng(row).integers(0, 256, (*size, 3), np.uint8)).save(path)
    for row in BROKEN:
        paths[row].write_bytes(b"not an image")
    return paths


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_many_get_the_answers_of_one_at_a_time_in_order(
    model: Model, model_path: Path, many: list[Path], images: Images, suffix: str, workers: int
) -> None:
    export(model_path, model_path.with_suffix(".onnx"), images, limit=3)
    classifier = open_classifier(model_path.with_suffix(suffix))
    found = list(predictions(classifier, gather(many), workers=workers))
    assert [prediction.image for prediction in found] == [str(path) for path in many]
    assert [row for row, prediction in enumerate(found) if prediction.error is not None] == list(BROKEN)
    for path, prediction in zip(many, found, strict=True):
        if prediction.error is not None:
            assert prediction.error.startswith(f"{path}: not an image")
            continue
        wanted = dict(zip(model.classes, classifier.probabilities(decode(path)), strict=True))
        for guess in prediction.guesses:
            assert guess.probability == pytest.approx(wanted[guess.label], abs=1e-5)


def test_a_folder_is_all_the_images_below(model: Model, many: list[Path]) -> None:
    some, whole = predict(model, many[2:6]), predict(model, many)[2:6]
    assert [prediction.image for prediction in some] == [prediction.image for prediction in whole]
    for one, other in zip(some, whole, strict=True):  # a batch of another size rounds differently
        assert [guess.label for guess in one.guesses] == [guess.label for guess in other.guesses]
        expected = pytest.approx([guess.probability for guess in other.guesses], abs=1e-5)
        assert [guess.probability for guess in one.guesses] == expected
    assert predict(model, [many[0].parent]) == predict(model, many)


def test_the_same_file_twice_is_two_predictions(model: Model, many: list[Path]) -> None:
    first, second = predict(model, [many[0], many[0]])
    assert first == second
    assert first.error is not None


def test_a_file_name_cannot_write_lines_of_its_own(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "a\nb.png"
    path.write_bytes(b"not an image")
    (prediction,) = predict(model, [path])
    assert prediction.image == f"{tmp_path}/a\\nb.png"
    assert str(prediction).startswith(f"{tmp_path}/a\\nb.png: not an image")


@pytest.mark.parametrize("ground", [0, 255])
@pytest.mark.parametrize("kind", ["model", "file", "onnx"])
def test_transparent_images_are_put_on_the_ground_that_the_model_was_trained_with(
    model: Model, images: Images, tmp_path: Path, ground: int, kind: str
) -> None:
    trained = replace(model, provenance={"data": {"decoding": {"ground": ground, "bits": 16}}})
    white = Image.new("RGBA", (28, 28), (255, 255, 255, 0))
    white.paste((255, 255, 255, 255), (8, 4, 20, 22))
    white.save(tmp_path / "shape.png")
    source: Model | Path = trained
    if kind == "file":
        save_model(trained, source := tmp_path / "m.safetensors")
    elif kind == "onnx":
        export(trained, source := tmp_path / "m.onnx", images, limit=1)
    pixels = np.full((28, 28, 3), ground, np.uint8)
    pixels[4:22, 8:20] = 255
    (found,), (expected,) = predict(source, [tmp_path / "shape.png"]), predict(source, pixels)
    assert [guess.label for guess in found.guesses] == [guess.label for guess in expected.guesses]
    for mine, wanted in zip(found.guesses, expected.guesses, strict=True):
        assert mine.probability == pytest.approx(wanted.probability, abs=1e-5)
