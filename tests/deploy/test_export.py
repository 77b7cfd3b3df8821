from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import convsmith
from convsmith.data.dataset import Images
from convsmith.deploy import classifier
from convsmith.deploy.export import export, to_bytes
from convsmith.errors import DataError, ExportError, OutputError
from convsmith.model.file import Model


def test_an_export_answers_as_the_model_does_on_every_image(model_path: Path, images: Images) -> None:
    result = export(model_path, model_path.with_suffix(".onnx"), images)
    assert result.images == len(images)
    assert result.agreement == 1
    assert result.largest_difference < 1e-5
    assert result.passed


def test_an_exported_file_carries_classes_provenance_and_preprocessing(
    model_path: Path, images: Images, model: Model
) -> None:
    path = model_path.with_suffix(".onnx")
    export(model_path, path, images)
    exported = onnx.load(path)
    onnx.checker.check_model(exported, full_check=True)
    metadata = {entry.key: entry.value for entry in exported.metadata_props}
    assert tuple(json.loads(metadata["classes"])) == model.classes
    assert json.loads(metadata["provenance"]) == model.provenance
    assert json.loads(metadata["preprocess"])["crop"] == [28, 28]
    assert [value.name for value in exported.graph.input] == ["image"]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("resize", [28, 32, (28, 28), (30, 32)])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_every_initializer_is_used_so_that_no_engine_warns(interpolation: str, resize: object, order: str) -> None:
    network = convsmith.create("lenet5", classes=2, input=(3, 28, 28))
    preprocess = convsmith.Preprocess(3, (28, 28), resize, (0.5,) * 3, (0.25,) * 3, interpolation, order)
    made = convsmith.Model(network, convsmith.build(network).state_dict(), ("ant", "bee"), preprocess)
    graph = onnx.load_from_string(to_bytes(made)).graph
    used = {name for node in graph.node for name in node.input}
    assert {initializer.name for initializer in graph.initializer} <= used


def test_the_same_model_exports_to_the_same_bytes(model_path: Path, images: Images, tmp_path: Path) -> None:
    first, second = tmp_path / "a.onnx", tmp_path / "b.onnx"
    export(model_path, first, images)
    export(model_path, second, images, limit=1)
    assert first.read_bytes() == second.read_bytes()


def test_an_export_that_differs_is_refused_and_leaves_nothing(
    model_path: Path, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = classifier.OnnxClassifier.probabilities

    def wrong(self: classifier.OnnxClassifier, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return honest(self, 255 - image)

    monkeypatch.setattr(classifier.OnnxClassifier, "probabilities", wrong)
    with pytest.raises(ExportError, match=r"model\.onnx: not written.*noise-\d+\.png.*tolerance 0\.001") as error:
        export(model_path, model_path.with_suffix(".onnx"), images)
    assert "\n" not in str(error.value)
    assert [path.name for path in model_path.parent.iterdir()] == ["model.safetensors"]


def test_a_tolerance_that_rounding_exceeds_is_refused_and_the_earlier_export_stays(
    model_path: Path, images: Images
) -> None:
    path = model_path.with_suffix(".onnx")
    path.write_bytes(b"earlier")
    with pytest.raises(ExportError):
        export(model_path, path, images, tolerance=0)
    assert path.read_bytes() == b"earlier"
    assert len(list(path.parent.iterdir())) == 2


def test_an_unreadable_image_ends_the_export_and_leaves_nothing(model_path: Path) -> None:
    class Gone:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> NDArray[np.uint8]:
            raise DataError("a.png: truncated")

        def name(self, index: int) -> str:
            return "a.png"

    with pytest.raises(DataError, match=r"a\.png"):
        export(model_path, model_path.with_suffix(".onnx"), Gone())
    assert [path.name for path in model_path.parent.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("name", ["missing/model.onnx", "folder"])
def test_a_path_that_cannot_be_written_is_named(model_path: Path, images: Images, name: str) -> None:
    (model_path.parent / "folder").mkdir()
    with pytest.raises(OutputError, match=f"cannot write .*{name}"):
        export(model_path, model_path.parent / name, images)
    assert sorted(path.name for path in model_path.parent.iterdir()) == ["folder", "model.safetensors"]
