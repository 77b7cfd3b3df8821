"""Against Keras itself, on its torch backend: its files load here, ours load there, and both predict the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import convsmith
from convsmith.network import Network
from convsmith.weights import to_library
from convsmith.weights.formats.checkpoints import read
from convsmith.weights.formats.hdf5 import write_by_number, write_legacy
from convsmith.weights.translate.keras_layers import keras_layers

WRITERS = {".h5": write_legacy, ".weights.h5": write_by_number}
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""Keras 3.15 with NumPy 2."""

MODELS = {
    "EfficientNetB0": {"input_shape": (64, 64, 3)},
    "MobileNet:0.25": {"alpha": 0.25, "input_shape": (96, 96, 3)},
    "ResNet50": {"input_shape": (64, 64, 3)},
    "ResNet50V2": {"input_shape": (64, 64, 3)},
}
LARGE = ("DenseNet121", "InceptionResNetV2", "InceptionV3", "MobileNetV2", "NASNetLarge", "VGG16", "Xception")
CLASSES = 10


def theirs(name: str, **changes: Any) -> Any:
    """The model of keras.applications by this name, with weights and statistics that are not those of a fresh one."""
    import keras

    settings = {**MODELS.get(name, {}), **changes}
    model = getattr(keras.applications, name.partition(":")[0])(weights=None, classes=CLASSES, **settings)
    generator = np.random.default_rng(0)
    for variable in model.variables:
        if "seed" not in variable.path:
            statistic = "variance" in variable.path
            noise = generator.standard_normal(variable.shape).astype(np.float32)
            variable.assign(1 + 0.1 * abs(noise) if statistic else keras.ops.convert_to_numpy(variable) + 0.02 * noise)
    return model


def ours(name: str) -> Network:
    side = MODELS.get(name, {}).get("input_shape", (None,))[0]
    return convsmith.create(f"keras/{name}", classes=CLASSES, input=(3, side, side) if side else None)


def image(net: Network) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((1, *net.input)).astype(np.float32)


def predict(net: Network, weights: dict[str, torch.Tensor]) -> NDArray[np.float32]:
    module = convsmith.build(net).eval()
    module.load_state_dict(weights)
    with torch.inference_mode():
        probabilities: NDArray[np.float32] = module(torch.from_numpy(image(net))).softmax(dim=1).numpy()
    return probabilities


def predict_in_keras(model: Any, net: Network) -> NDArray[np.float32]:
    with torch.inference_mode():
        answer: NDArray[np.float32] = model(image(net).transpose(0, 2, 3, 1), training=False).numpy(force=True)
    return answer


def save(model: Any, path: Path) -> None:
    model.save_weights(path) if path.name.endswith(".weights.h5") else model.save(path)


@pytest.mark.parametrize("suffix", [".h5", ".weights.h5", ".keras"])
def test_mobilenet_saved_by_keras_predicts_the_same_here(suffix: str, tmp_path: Path) -> None:
    model, net = theirs("MobileNet:0.25"), ours("MobileNet:0.25")
    save(model, tmp_path / f"mobilenet{suffix}")
    weights = read(tmp_path / f"mobilenet{suffix}", net).complete()
    np.testing.assert_allclose(predict(net, weights), predict_in_keras(model, net), atol=1e-5)


def weights_for(net: Network) -> dict[str, torch.Tensor]:
    """Weights whose neighbours all differ, under our names."""
    generator = torch.Generator().manual_seed(2)
    return {
        name: tensor + 0.05 * torch.rand(tensor.shape, generator=generator)
        for name, tensor in convsmith.build(net, 2).state_dict().items()
        if name in net.parameters
    }


def load_into_keras(model: Any, net: Network, suffix: str, folder: Path) -> dict[str, torch.Tensor]:
    """Our weights, after they went into a Keras model through a file."""
    weights = weights_for(net)
    path = folder / f"ours{suffix}"
    path.write_bytes(WRITERS[suffix](keras_layers(net), to_library(net, weights, "keras")))
    model.load_weights(path)
    return weights


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("name", MODELS)
def test_our_files_load_into_keras_and_predict_the_same(name: str, suffix: str, tmp_path: Path) -> None:
    model, net = theirs(name), ours(name)
    weights = load_into_keras(model, net, suffix, tmp_path)
    np.testing.assert_allclose(predict_in_keras(model, net), predict(net, weights), atol=1e-5)


def test_our_legacy_file_loads_by_name_too(tmp_path: Path) -> None:
    model, net = theirs("MobileNet:0.25"), ours("MobileNet:0.25")
    weights = weights_for(net)
    (tmp_path / "ours.h5").write_bytes(write_legacy(keras_layers(net), to_library(net, weights, "keras")))
    model.load_weights(tmp_path / "ours.h5", by_name=True)
    np.testing.assert_allclose(predict_in_keras(model, net), predict(net, weights), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("name", LARGE)
def test_every_tensor_of_the_large_models_goes_there_and_back(name: str, suffix: str, tmp_path: Path) -> None:
    model, net = theirs(name), ours(name)
    weights = load_into_keras(model, net, suffix, tmp_path)
    save(model, tmp_path / f"back{suffix}")
    back = read(tmp_path / f"back{suffix}", net).complete()
    assert all(torch.equal(back[key], weights[key]) for key in net.parameters)
