"""`convsmith.verify`: an exported file in every engine, against the model or ONNX Runtime."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import convsmith
from convsmith.backend.onnx import Form
from convsmith.cli.model import verify as verb
from convsmith.data.dataset import Images
from convsmith.deploy import agreement
from convsmith.deploy.classifier import OnnxClassifier
from convsmith.deploy.engines import ENGINES
from convsmith.deploy.export import export, to_bytes
from convsmith.deploy.trial_images import ODD_SIZES
from convsmith.errors import ExportError, ModelFileError, UsageError
from convsmith.model.file import Model

RUNNER = CliRunner()
APP = typer.Typer()
APP.command()(verb.verify)
JUDGED = [kind for kind in ENGINES if kind.judged and kind.installed]
HERE = [kind.name for kind in JUDGED if not kind.one_size]
FORMS = {
    "batch": Form(batch=True),
    "one size": Form(size=(30, 41)),
    "one size in a batch": Form(size=(30, 41), batch=True),
    "no preprocessing": Form(preprocess=False),
    "older opset": Form(opset=18),
    "newer opset": Form(opset=22),
}


@pytest.fixture
def exported(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(to_bytes(model))
    return path


@pytest.fixture
def image(images: Images) -> list[np.ndarray]:
    return [images[0], images[1]]


def test_every_installed_engine_agrees_with_the_model(exported: Path, model: Model, image: list[np.ndarray]) -> None:
    found = convsmith.verify(exported, image, model=model)
    assert found.passed
    assert found.reference == "PyTorch"
    assert found.images == 2 + len(ODD_SIZES)
    assert len([one for one in found.engines if one.judged]) == len(HERE)
    assert all(one.agreement == 1 and one.largest_difference < 1e-5 for one in found.engines if one.judged)


@pytest.mark.skipif(len(HERE) == 1, reason="ONNX Runtime is alone")
def test_without_a_model_onnx_runtime_is_what_engines_are_compared_with(
    exported: Path, image: list[np.ndarray]
) -> None:
    found = convsmith.verify(exported, image)
    assert found.passed
    assert found.reference.startswith("ONNX Runtime")
    assert not any(one.engine.startswith("ONNX Runtime") for one in found.engines)


def test_nothing_to_compare_with_is_said(
    exported: Path, image: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement, "ENGINES", ENGINES[:1])
    with pytest.raises(UsageError, match="model: ONNX Runtime is the only engine that is installed"):
        convsmith.verify(exported, image)


def test_a_file_of_another_model_fails(exported: Path, model: Model, image: list[np.ndarray]) -> None:
    other = replace(model, weights={name: tensor + 0.1 for name, tensor in model.weights.items()})
    found = convsmith.verify(exported, image, model=other, engines=["onnxruntime"])
    assert not found.passed
    assert "FAIL" in str(found)
    assert f"differs most on {found.engines[0].differs_most}" in str(found)


def test_a_file_with_other_classes_is_refused(exported: Path, model: Model, image: list[np.ndarray]) -> None:
    other = replace(model, classes=("a", "b", "c"))
    with pytest.raises(ModelFileError, match=r"model\.onnx: has different classes"):
        convsmith.verify(exported, image, model=other)


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_every_form_is_verified_in_every_engine(
    form: Form, model: Model, image: list[np.ndarray], tmp_path: Path
) -> None:
    names = [kind.name for kind in JUDGED if form.size is not None or not kind.one_size]
    # The classic engine of OpenCV takes one image at a time.
    found = export(
        model, tmp_path / "m.onnx", image, form=form, engines=[n for n in names if not form.batch or n in HERE]
    )
    assert found.passed
    assert all(one.passed for one in found.others)
    assert OnnxClassifier(tmp_path / "m.onnx").exported.form == replace(form, opset=Form().opset)


def test_a_batch_gives_what_its_images_give_one_by_one(model: Model, images: Images, tmp_path: Path) -> None:
    (tmp_path / "one.onnx").write_bytes(to_bytes(model))
    (tmp_path / "many.onnx").write_bytes(to_bytes(model, Form(batch=True)))
    batch = np.stack([images[0], images[3], images[6]])
    single = OnnxClassifier(tmp_path / "one.onnx")
    together = OnnxClassifier(tmp_path / "many.onnx").of_batch(batch)
    np.testing.assert_allclose(together, [single.probabilities(image) for image in batch], atol=1e-6)


def test_a_file_for_one_size_refuses_others(model: Model, images: Images, tmp_path: Path) -> None:
    (tmp_path / "one.onnx").write_bytes(to_bytes(model, Form(size=(30, 41))))
    with pytest.raises(UsageError, match=r"takes images of 30x41 \(height x width\) only, not 28x28"):
        OnnxClassifier(tmp_path / "one.onnx").probabilities(images[0])


def test_an_opset_that_cannot_say_it_is_refused_and_the_first_that_can_is_named(
    model: Model, image: list[np.ndarray], tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="lenet5 cannot be written in opset 9; the first that can say it is 15"):
        export(model, tmp_path / "m.onnx", image, form=Form(opset=9))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"opset": 0}, "opset: must be from 1 to"),
        ({"opset": 999}, "opset: must be from 1 to"),
        ({"size": (0, 4)}, "image_size: an image has at least one pixel a side"),
        ({"preprocess": False, "batch": True}, "batch: is about images"),
        ({"preprocess": False, "size": (4, 4)}, "image_size: is about images"),
    ],
)
def test_forms_that_contradict_themselves_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Form(**settings)  # type: ignore[arg-type]


def test_an_engine_that_cannot_run_the_file_leaves_nothing_behind(
    model: Model, image: list[np.ndarray], tmp_path: Path
) -> None:
    if "opencv-classic" not in [kind.name for kind in JUDGED]:
        pytest.skip("no OpenCV")
    with pytest.raises(ExportError, match="OpenCV, classic cannot run it") as error:
        export(model, tmp_path / "m.onnx", image, engines=["opencv-classic"])
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_the_verb_prints_a_table_and_exits_with_0(exported: Path, model_path: Path, data: Path) -> None:
    result = RUNNER.invoke(APP, [str(exported), str(data), "--model", str(model_path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == f"{exported} on {4 + len(ODD_SIZES)} images, against PyTorch"
    assert result.stdout.count(" pass") == len(HERE)


def test_the_verb_exits_with_1_where_an_engine_differs(exported: Path, model_path: Path, data: Path) -> None:
    arguments = [str(exported), str(data), "--model", str(model_path), "--with", "onnxruntime", "--tolerance", "0"]
    result = RUNNER.invoke(APP, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["passed"] is False
    assert found["engines"][0]["largest_difference"] > 0


@pytest.mark.parametrize(("words", "message"), [("opencvv", "unknown engine"), ("", "name an engine")])
def test_the_verb_refuses_engines_that_there_are_not(exported: Path, data: Path, words: str, message: str) -> None:
    result = RUNNER.invoke(APP, [str(exported), str(data), "--with", words])
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
