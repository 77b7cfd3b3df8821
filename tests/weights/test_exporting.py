"""Models written as other libraries' checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import convsmith
from convsmith.errors import ModelFileError, OutputError, UsageError
from convsmith.network import Network, Preprocess
from convsmith.transform.width import scale_width
from convsmith.weights import Model, match, save_model
from convsmith.weights.exporting import counterpart, export_weights
from convsmith.weights.formats.checkpoints import read

PREPROCESS = Preprocess(3, (64, 64), 64, (0.5,) * 3, (0.5,) * 3)


def model(name: str) -> Model:
    net = convsmith.create(name, classes=2, input=(3, 64, 64))
    return Model(net, convsmith.build(net).state_dict(), ("cat", "dog"), PREPROCESS)


@pytest.mark.parametrize(
    ("name", "library", "file"),
    [
        ("torchvision/squeezenet1_1", "torchvision", "w.pth"),
        ("torchvision/squeezenet1_1", "torchvision", "w.safetensors"),
        ("timm/mobilenetv2_050", "timm", "w.pt"),
        ("keras/MobileNet:0.25", "keras", "w.h5"),
        ("keras/MobileNet:0.25", "keras", "w.weights.h5"),
    ],
)
def test_an_exported_checkpoint_reads_back_the_same(name: str, library: str, file: str, tmp_path: Path) -> None:
    made = model(name)
    written = export_weights(made, library, tmp_path / file)
    assert written.bytes == (tmp_path / file).stat().st_size
    assert written.network == name
    back = read(tmp_path / file, made.network).complete()
    assert all(torch.equal(back[key], made.weights[key]) for key in made.network.parameters)


def test_a_pth_holds_a_plain_state_dict_with_every_buffer_that_torch_expects(tmp_path: Path) -> None:
    made = model("torchvision/resnet18")
    export_weights(made, "torchvision", tmp_path / "w.pth")
    state = torch.load(tmp_path / "w.pth", weights_only=True)
    assert {"conv1.weight", "layer2.0.downsample.0.weight", "bn1.num_batches_tracked"} <= state.keys()
    assert match(made.network, state, "torchvision").problems == ()


@pytest.mark.parametrize(
    ("name", "library", "theirs"),
    [
        ("resnet18", "torchvision", "torchvision/resnet18"),
        ("resnet18", "timm", "timm/resnet18"),
        ("resnet50_v1_5", "torchvision", "torchvision/resnet50"),
        ("torchvision/resnet50", "timm", "timm/resnet50"),
        ("mobilenet_v1:1.25", "timm", "timm/mobilenetv1_125"),
        ("keras/MobileNet:0.25", "keras", "keras/MobileNet:0.25"),
        ("keras/MobileNet:0.5-128", "keras", "keras/MobileNet:0.5"),
    ],
)
def test_the_librarys_own_name_of_the_network_is_found(name: str, library: str, theirs: str) -> None:
    net = convsmith.create(name, classes=5)
    assert counterpart(net, library).name == theirs


@pytest.mark.parametrize(
    ("name", "library", "hint"),
    [
        ("resnet50", "keras", "created as keras/ResNet50 can"),
        ("mobilenet_v1", "keras", "created as keras/MobileNet can"),
        ("resnet50", "torchvision", "has no network"),
        ("lenet5", "timm", "has no network"),
    ],
)
def test_a_network_that_computes_otherwise_there_is_refused(name: str, library: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        counterpart(convsmith.create(name), library)


def test_a_width_that_was_set_by_keyword_is_found_too() -> None:
    assert counterpart(convsmith.create("keras/MobileNet", width=0.25), "keras").name == "keras/MobileNet:0.25"


def test_a_model_of_an_older_file_is_known_by_being_the_same() -> None:
    net = replace(convsmith.create("resnet50_v1_5", classes=5), origin=None)
    assert counterpart(net, "torchvision").name == "torchvision/resnet50"


def test_a_scaled_network_is_not_passed_off_as_the_librarys() -> None:
    for net in (convsmith.create("torchvision/mobilenet_v2"), convsmith.create("resnet18")):
        with pytest.raises(UsageError, match="torchvision has no network that computes the same as"):
            counterpart(scale_width(net, 0.5), "torchvision")


def test_a_changed_network_is_not_passed_off_as_the_librarys() -> None:
    net = convsmith.create("torchvision/resnet18")
    shorter = Network(net.name, net.input, net.nodes[:-1], net.nodes[-2].name)
    with pytest.raises(UsageError, match="no network that computes the same as torchvision/resnet18"):
        counterpart(shorter, "torchvision")


def test_other_endings_and_libraries_are_refused(tmp_path: Path) -> None:
    made = model("torchvision/squeezenet1_1")
    with pytest.raises(UsageError, match=r"ends in \.pth, \.pt, \.safetensors"):
        export_weights(made, "torchvision", tmp_path / "w.h5")
    with pytest.raises(UsageError, match="not to 'mxnet'"):
        export_weights(made, "mxnet", tmp_path / "w.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        export_weights(model("torchvision/squeezenet1_1"), "torchvision", tmp_path / "nowhere/w.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_model_file_is_not_imported_again(tmp_path: Path) -> None:
    made = model("torchvision/squeezenet1_1")
    save_model(made, tmp_path / "model.safetensors")
    with pytest.raises(ModelFileError, match="is already a model file of convsmith"):
        read(tmp_path / "model.safetensors", made.network).complete()
