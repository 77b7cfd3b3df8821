"""From words to values: what a file is, is seen from its content, and what it is not is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import convsmith
from convsmith.errors import ConvsmithError, ModelFileError, UnknownNameError, UsageError
from convsmith.resolve import file_of, kind_of, model_of, network_of


@pytest.fixture(scope="session")
def model() -> convsmith.Model:
    network = convsmith.create("lenet5", classes=2, input=(1, 28, 28))
    preprocess = convsmith.Preprocess(1, (28, 28), 28, (0.5,), (0.5,))
    return convsmith.Model(network, convsmith.build(network).state_dict(), ("ant", "bee"), preprocess)


@pytest.fixture(scope="session")
def files(model: convsmith.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each kind, in a folder that is also a run's."""
    folder = tmp_path_factory.mktemp("files")
    convsmith.save_model(model, folder / "model.safetensors")
    convsmith.export(model, folder / "model.onnx", torch.zeros(2, 28, 28, 1, dtype=torch.uint8).numpy())
    (folder / "network.json").write_text(json.dumps(model.network.to_json()))
    torch.save(dict(model.weights), folder / "weights.pth")
    save_file(dict(model.weights), folder / "tensors.safetensors")
    (folder / "notes.txt").write_text("no model")
    return folder


KINDS = {
    "model.safetensors": "model",
    "model.onnx": "onnx",
    "network.json": "network",
    "weights.pth": "checkpoint",
    "tensors.safetensors": "checkpoint",
    "notes.txt": "unknown",
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_a_file_is_known_by_its_content(files: Path, tmp_path: Path, name: str, kind: str) -> None:
    disguised = tmp_path / "anything"
    disguised.write_bytes((files / name).read_bytes())
    assert kind_of(disguised) == kind


def test_the_same_network_by_every_name(model: convsmith.Model, files: Path) -> None:
    wanted = model.network
    for source in (wanted, model, files, files / "network.json", str(files / "model.safetensors")):
        assert network_of(source) == wanted
    assert network_of("lenet5") == convsmith.create("lenet5")


def test_the_same_model_by_every_name(model: convsmith.Model, files: Path) -> None:
    assert model_of(model) is model
    for source in (files, files / "model.safetensors", str(files / "model.safetensors")):
        assert model_of(source).network == model.network


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("network.json", UsageError, "is a network without weights"),
        ("model.onnx", UsageError, "is an ONNX file"),
        ("weights.pth", ModelFileError, "another library's checkpoint; `convsmith weights import"),
        ("tensors.safetensors", ModelFileError, "another library's checkpoint"),
        ("notes.txt", ModelFileError, "not a safetensors file"),
        ("gone.safetensors", UsageError, "no such file"),
    ],
)
def test_what_is_no_model_is_called_what_it_is(files: Path, name: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        model_of(str(files / name))
    assert name in str(raised.value)


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("lenet5", UsageError, "lenet5 is a network without weights"),
        ("torchvision/resnet5", UnknownNameError, "torchvision/resnet50"),
    ],
)
def test_a_name_without_weights(source: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        model_of(source)


@pytest.mark.parametrize("name", ["weights.pth", "notes.txt", "gone.json", "gone.onnx"])
def test_what_is_no_network_is_named(files: Path, name: str) -> None:
    with pytest.raises(ConvsmithError, match=name.replace(".", r"\.")):
        network_of(str(files / name))


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder without model\.safetensors"):
        file_of(tmp_path)


def test_a_network_is_resolved_without_torch(files: Path) -> None:
    code = (
        "import sys; from convsmith.resolve import network_of;"
        f"[network_of(source) for source in ('resnet18', {str(files)!r}, {str(files / 'network.json')!r})];"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


CODE = """
from torch import nn

def make_model():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
"""


def test_a_torch_module_by_the_code_that_makes_it(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(CODE)
    network = network_of(f"{tmp_path}/net.py:make_model", input=(3, 32, 32))
    assert network.input == (3, 32, 32)
    assert convsmith.cost_of(network).params == 3 * 8 * 9 + 8 + 8 * 2 + 2
    with pytest.raises(UsageError, match=r"^input: .*net\.py:make_model is read with an example image"):
        network_of(f"{tmp_path}/net.py:make_model")


def test_an_onnx_file_is_a_network(model: convsmith.Model, files: Path, tmp_path: Path) -> None:
    for path in (files / "model.onnx", tmp_path / "disguised"):
        path.write_bytes((files / "model.onnx").read_bytes())
        network = network_of(path)
        assert convsmith.cost_of(network).macs == convsmith.cost_of(model.network).macs
