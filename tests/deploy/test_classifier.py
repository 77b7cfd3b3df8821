from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import convsmith
from convsmith.backend.onnx import to_onnx
from convsmith.backend.preprocess import PreprocessModule
from convsmith.data.dataset import Images
from convsmith.deploy.classifier import OnnxClassifier, TorchClassifier
from convsmith.errors import ModelFileError
from convsmith.model.file import Model


def test_the_torch_classifier_is_preprocessing_then_network_then_softmax(model: Model, images: Images) -> None:
    module = convsmith.build(model.network).eval()
    module.load_state_dict(dict(model.weights))
    with torch.inference_mode():
        prepared = PreprocessModule(model.preprocess)(torch.from_numpy(images[1]))
        expected = module(prepared).softmax(1)[0].numpy()
    np.testing.assert_allclose(TorchClassifier(model).probabilities(images[1]), expected, rtol=1e-6)


def test_an_onnx_file_that_takes_no_image_is_refused(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "bare.onnx"
    weights = {name: tensor.numpy() for name, tensor in model.weights.items()}
    path.write_bytes(to_onnx(model.network, weights).SerializeToString())
    with pytest.raises(ModelFileError, match=r"bare\.onnx: not exported by convsmith"):
        OnnxClassifier(path)


@pytest.mark.parametrize("classes", ["not json", '"ant"', '["ant", "bee"]', "null"])
def test_an_onnx_file_whose_class_names_are_damaged_is_refused(model: Model, tmp_path: Path, classes: str) -> None:
    path = tmp_path / "damaged.onnx"
    weights = {name: tensor.numpy() for name, tensor in model.weights.items()}
    graph = to_onnx(model.network, weights, model.preprocess, metadata={"classes": classes})
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelFileError, match=r"damaged\.onnx.*classes"):
        OnnxClassifier(path)
