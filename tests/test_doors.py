"""The functions at the package's root: values in, values out, whatever was imported before."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import convsmith
from convsmith.errors import UsageError

CLASSES = ("dark", "light")


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    """Noise, dark and light by turns, (28, 28, 3)."""
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 128, (28, 28, 3), np.uint8) + np.uint8(127 * (i % 2)) for i in range(count)]


@pytest.fixture(scope="session")
def model() -> convsmith.Model:
    network = convsmith.create("lenet5", classes=2, input=(1, 28, 28))
    preprocess = convsmith.Preprocess(1, (28, 28), 28, (0.5,), (0.25,))
    return convsmith.Model(network, convsmith.build(network, seed=1).state_dict(), CLASSES, preprocess)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the two classes, ten images each, without splits."""
    root = tmp_path_factory.mktemp("pictures")
    for number, picture in enumerate(pictures(20)):
        file = root / CLASSES[number % 2] / f"{number:02}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(file)
    return root


@pytest.mark.parametrize("name", convsmith.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(convsmith, name) is not None
    assert name in dir(convsmith)


@pytest.mark.parametrize("name", convsmith.__all__)
def test_no_module_takes_the_name_of_a_function(name: str) -> None:
    assert find_spec(f"convsmith.{name}") is None


@pytest.mark.parametrize("before", ["convsmith.evaluation.evaluate", "convsmith.deploy.export", "convsmith.cli.main"])
def test_a_verb_is_a_function_whatever_was_imported_before(before: str) -> None:
    code = f"import {before}, convsmith; assert all(map(callable, (convsmith.evaluate, convsmith.export)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="frobnicate"):
        convsmith.frobnicate  # noqa: B018


def test_predict_takes_paths_arrays_and_pillow_images_alike(
    model: convsmith.Model, folder: Path, tmp_path: Path
) -> None:
    arrays = pictures(4)
    files = [tmp_path / f"{i}.png" for i in range(4)]
    for array, file in zip(arrays, files, strict=True):
        Image.fromarray(array).save(file)
    wanted = [prediction.guesses for prediction in convsmith.predict(model, files)]
    for images in (arrays, np.stack(arrays), [Image.fromarray(array) for array in arrays], [*map(Image.open, files)]):
        found = [prediction.guesses for prediction in convsmith.predict(model, images)]
        assert [[guess.label for guess in one] for one in found] == [[g.label for g in one] for one in wanted]
        for one, other in zip(found, wanted, strict=True):
            assert [g.probability for g in one] == pytest.approx([g.probability for g in other], abs=1e-6)
    assert len(convsmith.predict(model, arrays[0])) == 1
    assert len(convsmith.predict(model, arrays[0][..., 0])) == 1
    assert len(convsmith.predict(model, np.stack(arrays)[..., 0])) == 4
    assert convsmith.predict(model, torch.from_numpy(arrays[0]).permute(2, 0, 1)) == convsmith.predict(model, arrays[0])
    assert len(convsmith.predict(model, str(files[0]))) == 1
    assert len(convsmith.predict(model, folder)) == 20


def test_a_model_may_be_a_value_or_a_file_or_a_run_folder(model: convsmith.Model, tmp_path: Path) -> None:
    convsmith.save_model(model, tmp_path / "model.safetensors")
    wanted = convsmith.predict(model, pictures(2))
    for source in (tmp_path / "model.safetensors", str(tmp_path / "model.safetensors"), tmp_path):
        assert convsmith.predict(source, pictures(2)) == wanted


def test_evaluate_takes_a_data_set_or_its_path(model: convsmith.Model, folder: Path) -> None:
    dataset = convsmith.open_dataset(folder, seed=3)
    assert convsmith.evaluate(model, dataset).metrics == convsmith.evaluate(model, folder, seed=3).metrics


def test_features_of_a_data_set_know_their_labels_and_those_of_images_do_not(
    model: convsmith.Model, folder: Path
) -> None:
    of_data = convsmith.features(model, folder)
    assert len(of_data) == len(of_data.labels) == len(of_data.names) == 20
    assert of_data.classes == CLASSES
    of_images = convsmith.features(model, [Image.open(name) for name in of_data.names])
    np.testing.assert_allclose(of_images.values, of_data.values, atol=1e-5)
    assert of_images.labels.size == 0


def test_features_of_a_layer_may_stay_maps(model: convsmith.Model) -> None:
    layer = next(node.name for node in model.network if node.op.kind == "conv")
    assert convsmith.features(model, pictures(3), layer=layer, pool=False).values.ndim == 4
    assert convsmith.features(model, pictures(3), layer=layer).values.ndim == 2


def test_export_verifies_on_arrays_or_on_a_data_set(model: convsmith.Model, folder: Path, tmp_path: Path) -> None:
    assert convsmith.export(model, tmp_path / "a.onnx", pictures(5)).images == 5
    assert convsmith.export(model, str(tmp_path / "b.onnx"), folder).images == 20
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_nothing_is_written_but_what_is_asked_for(
    model: convsmith.Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    convsmith.evaluate(model, folder)
    convsmith.features(model, folder)
    convsmith.predict(model, folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (np.full((28, 28, 3), 300.0), UsageError, "expected uint8, or floats from 0 to 1"),
        (np.zeros((2, 28, 28, 5), np.uint8), UsageError, "expected 1 channel"),
        (np.zeros((0, 28, 28, 3), np.uint8), UsageError, r"shape \(0, 28, 28, 3\)"),
        ([np.zeros((2, 28, 28, 3), np.uint8)], UsageError, r"expected \(H, W\) or \(H, W, C\)"),
        ([np.zeros((28, 28), np.uint8), "a.png"], UsageError, r"^images: .*all paths or all in memory"),
        ([7], UsageError, r"images\[0\]"),
        (7, UsageError, "Pillow.s images, not int"),
    ],
)
def test_what_is_no_image_is_refused(
    model: convsmith.Model, images: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        convsmith.predict(model, images)


def test_no_images_are_no_predictions(model: convsmith.Model) -> None:
    assert convsmith.predict(model, []) == []


def test_settings_out_of_range_are_named(model: convsmith.Model, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"^top: must be at least 1, not 0"):
        convsmith.predict(model, pictures(1), top=0)
    with pytest.raises(UsageError, match=r"^k: must be at least 1, not 0"):
        convsmith.evaluate(model, folder, k=0)
