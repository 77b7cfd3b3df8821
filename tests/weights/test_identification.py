"""What network of the zoo a checkpoint is of."""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

import convsmith
from convsmith.errors import ModelFileError
from convsmith.network import Network
from convsmith.transform.width import scale_width
from convsmith.weights import to_library
from convsmith.weights.formats.hdf5 import write_by_number, write_legacy
from convsmith.weights.identification import Identity, identify
from convsmith.weights.translate.keras_layers import keras_layers


def state_of(network: Network, library: str) -> dict[str, Tensor]:
    """A checkpoint of zeros, which take no room until they are looked at."""
    zeros = {key: torch.zeros(1).expand(tuple(p.shape)) for key, p in network.parameters.items()}
    return to_library(network, zeros, library) if library else zeros


def saved(state: Mapping[str, Tensor], path: Path) -> Path:
    torch.save(OrderedDict(state), path)
    return path


def exact_of(path: Path) -> Identity:
    exact = identify(path).exact
    assert exact is not None
    return exact


@pytest.mark.parametrize(
    "name",
    [
        "torchvision/resnet18",
        "torchvision/squeezenet1_0",
        "torchvision/mobilenet_v2",
        "torchvision/densenet121",
        "torchvision/shufflenet_v2_x0_5",
        "timm/resnetv2_50",
        "timm/efficientnet_lite0",
        "timm/legacy_seresnet18",
        "efficientnet_pytorch timm/tf_efficientnet_lite0",
        "lenet5",
        "resnet20",
        "mobilenet_v1",
    ],
)
@pytest.mark.parametrize("classes", [7, 1000])
def test_a_checkpoint_is_known_by_its_keys_and_shapes(name: str, classes: int, tmp_path: Path) -> None:
    package, _, name = name.rpartition(" ")
    library = package or name.rpartition("/")[0]
    state = state_of(convsmith.create(name, classes=classes), library)
    exact = exact_of(saved(state, tmp_path / "file"))
    assert name in (exact.name, *exact.also)
    assert (exact.classes, exact.naming, exact.width) == (classes, library or "convsmith", 1.0)
    assert exact.differences == ()


@pytest.mark.parametrize("write", [write_legacy, write_by_number])
@pytest.mark.parametrize("name", ["keras/MobileNet:0.25", "keras/MobileNetV2", "keras/DenseNet121"])
def test_a_file_of_keras_is_known(name: str, write: object, tmp_path: Path) -> None:
    network = convsmith.create(name, classes=3)
    content = write(keras_layers(network), state_of(network, "keras"))  # type: ignore[operator]
    (tmp_path / "file").write_bytes(content)
    exact = exact_of(tmp_path / "file")
    assert (exact.name, exact.classes, exact.naming) == (name, 3, "keras")


def test_a_width_multiplier_is_found(tmp_path: Path) -> None:
    network = convsmith.create("torchvision/mobilenet_v2", width=0.35)
    exact = exact_of(saved(state_of(network, "torchvision"), tmp_path / "file"))
    assert exact.name == "torchvision/mobilenet_v2:0.35"
    assert convsmith.create(exact.name).nodes == network.nodes


def test_a_network_of_scaled_layers_is_found(tmp_path: Path) -> None:
    network = scale_width(convsmith.create("torchvision/resnet18"), 0.5)
    exact = exact_of(saved(state_of(network, "torchvision"), tmp_path / "file"))
    assert (exact.name, exact.width) == ("torchvision/resnet18", 0.5)


def test_what_differs_from_the_nearest_is_said(tmp_path: Path) -> None:
    state = state_of(convsmith.create("torchvision/resnet18"), "torchvision")
    state["layer1.0.conv1.weight"] = torch.zeros(64, 32, 3, 3)
    state["extra.weight"] = state.pop("layer4.1.bn2.weight")
    found = identify(saved(state, tmp_path / "file"))
    assert found.exact is None
    assert found.matches[0].name == "torchvision/resnet18"
    assert found.matches[0].differences == (
        "layer1.0.conv1.weight has shape (64, 32, 3, 3), not (64, 64, 3, 3)",
        "missing layer4.1.bn2.weight",
        "left over extra.weight",
    )


def test_a_checkpoint_without_a_classifier_is_nearest_to_its_network(tmp_path: Path) -> None:
    state = state_of(convsmith.create("torchvision/resnet18"), "torchvision")
    trunk = {key: tensor for key, tensor in state.items() if not key.startswith("fc.")}
    nearest = identify(saved(trunk, tmp_path / "file")).matches[0]
    assert (nearest.variant, nearest.classes) == ("resnet18", None)
    assert nearest.differences == ("missing fc.weight", "missing fc.bias")


def test_weights_of_no_network_here_have_no_match(tmp_path: Path) -> None:
    state = {f"vit.encoder.layer.{i}.attention.weight": torch.zeros(3, 3) for i in range(12)}
    found = identify(saved(state, tmp_path / "file"))
    assert (found.matches, found.exact, found.tensors) == ((), None, 12)


def test_published_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from convsmith.download import sha256
    from convsmith.weights.published_weights import find_published

    path = saved(state_of(convsmith.create("timm/resnet18"), "timm"), tmp_path / "file")
    row = replace(find_published("torchvision/resnet18"), name="the published", model="timm/resnet18")
    monkeypatch.setattr("convsmith.weights.published_weights._registry", lambda: (replace(row, sha256=sha256(path)),))
    found = identify(path)
    assert found.published == "the published"
    assert found.exact is not None
    assert (found.exact.name, found.exact.also) == ("timm/resnet18", ("torchvision/resnet18",))


def test_no_numbers_are_read(tmp_path: Path) -> None:
    path = saved(state_of(convsmith.create("torchvision/squeezenet1_1"), "torchvision"), tmp_path / "whole")
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(tmp_path / "bare", "w") as bare:
        for name in whole.namelist():
            if "/data/" not in name:
                bare.writestr(name, whole.read(name))
    assert exact_of(tmp_path / "bare").name == "torchvision/squeezenet1_1"


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("nothing")
    with pytest.raises(ModelFileError, match="file is not a checkpoint"):
        identify(tmp_path / "file")
