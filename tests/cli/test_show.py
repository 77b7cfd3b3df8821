"""The verbs that read networks: `show`, `models`, `compare`."""

from __future__ import annotations

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import torch
import typer
from typer.testing import CliRunner

import convsmith
from convsmith.cli.network import compare, models, show
from convsmith.cli.source import network_of
from convsmith.errors import ModelFileError, UsageError
from convsmith.network import Preprocess
from convsmith.weights import Header, save_model

app = typer.Typer()
app.command()(show.show)
app.command()(models.models)
app.command()(compare.compare)


def run(*arguments: str) -> str:
    """Standard output of a verb; its errors are raised."""
    return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


def test_show_prints_every_layer_and_the_totals():
    lines = run("show", "lenet5").splitlines()
    assert all(any(line.startswith(node.name) for line in lines) for node in convsmith.create("lenet5"))
    assert any(line.startswith("parameters") and "61,706" in line for line in lines)


def test_show_json_is_the_cost_and_the_network():
    data = json.loads(run("show", "resnet18", "--classes", "10", "--input", "1x64x64", "--json"))
    net = convsmith.create("resnet18", classes=10, input=(1, 64, 64))
    assert data["macs"] == convsmith.cost_of(net).macs
    assert convsmith.Network.from_json(data["architecture"]) == net


def test_show_takes_a_width_multiplier():
    half = json.loads(run("show", "mobilenet_v1", "--width", "0.5", "--json"))
    assert half["params"] == convsmith.cost_of(convsmith.create("mobilenet_v1", width=0.5)).params


def test_show_reads_a_networks_json(tmp_path):
    file = tmp_path / "net.json"
    file.write_text(json.dumps(convsmith.create("lenet5").to_json()))
    assert run("show", str(file)) == run("show", "lenet5")


def test_show_reads_what_it_printed(tmp_path):
    file = tmp_path / "net.json"
    file.write_text(run("show", "lenet5", "--json"))
    assert run("show", str(file)) == run("show", "lenet5")


def test_show_reads_a_model_file(tmp_path):
    net = convsmith.create("lenet5")
    header = Header(net, tuple("0123456789"), Preprocess(1, (32, 32), (32, 32), (0.5,), (0.5,)))
    save_model(header.with_weights(convsmith.build(net).state_dict()), tmp_path / "model.safetensors")
    assert run("show", str(tmp_path / "model.safetensors")) == run("show", "lenet5")


def test_show_verifies_a_model_file(tmp_path):
    net, path = convsmith.create("lenet5"), tmp_path / "model.safetensors"
    header = Header(net, tuple("0123456789"), Preprocess(1, (32, 32), (32, 32), (0.5,), (0.5,)))
    save_model(header.with_weights(convsmith.build(net).state_dict()), path)
    assert "as they were written" in run("show", str(path), "--verify")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelFileError, match="do not match their checksum"):
        run("show", str(path), "--verify")


def test_only_a_file_is_verified():
    with pytest.raises(UsageError, match="there is no file lenet5"):
        run("show", "lenet5", "--verify")


def test_a_pickle_is_never_loaded(tmp_path):
    file = tmp_path / "model.pt"
    torch.save({}, file)
    with pytest.raises(ModelFileError, match=r"model\.pt"):
        run("show", str(file))


def test_show_writes_a_picture_and_leaves_json_alone_on_stdout(tmp_path):
    file = tmp_path / "net.svg"
    json.loads(run("show", "lenet5", "--svg", str(file), "--json"))
    assert ElementTree.parse(file).getroot().tag.endswith("svg")
    assert list(tmp_path.iterdir()) == [file]


def test_models_lists_what_create_knows():
    listed = [row["name"] for row in json.loads(run("models", "lenet*", "--json"))]
    assert listed == convsmith.models("lenet*")
    table = run("models", "resnet[15]*")
    assert "Deep residual learning" in table
    assert "resnet152" in table


def test_models_says_when_nothing_matches():
    with pytest.raises(UsageError, match=r"no network matches 'zz\*'"):
        run("models", "zz*")


def test_compare_puts_networks_side_by_side():
    header, _, *rows = run("compare", "vgg16", "resnet50").splitlines()
    assert header.split() == ["vgg16", "resnet50"]
    assert next(row for row in rows if row.startswith("parameters")).split()[1:] == ["138", "M", "25.6", "M"]


def test_compare_shows_the_papers_accuracy_for_the_papers_network_only():
    def accuracies(*arguments: str) -> list[float | None]:
        return [column["published_top1"] for column in json.loads(run("compare", *arguments, "--json"))]

    assert accuracies("resnet50", "mobilenet_v1:0.5", "keras/ResNet50") == [77.15, None, None]
    assert accuracies("resnet50", "--classes", "10") == [None]


@pytest.mark.parametrize("words", ["3x10", "3x0x10", "axbxc", "3,224,224", "3x-1x4", "²x2x2"])
def test_an_input_that_is_not_three_sizes_is_refused(words):
    with pytest.raises(UsageError, match="input: must be channels x height x width"):
        network_of("resnet50", input=words)


@pytest.mark.parametrize(("words", "meant"), [("224x224x3", "3x224x224"), ("28x28x1", "1x28x28")])
def test_sizes_in_the_order_of_arrays_are_told_from_ours(words, meant):
    with pytest.raises(UsageError, match=f"input: channels come first: {meant}, not {words}"):
        network_of("resnet50", input=words)


def test_a_network_of_many_channels_is_still_one():
    assert network_of("resnet50", input="64x8x8").input == (64, 8, 8)


def test_a_file_that_is_missing_or_no_network_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.json: no such file"):
        network_of(str(tmp_path / "gone.json"))
    file = tmp_path / "bad.json"
    file.write_bytes(b"\xff\xfe{}")
    with pytest.raises(UsageError, match=r"bad\.json"):
        network_of(str(file))
    file.write_text("{}")
    with pytest.raises(UsageError, match=r"bad\.json: not a network in format 1"):
        network_of(str(file))
    with pytest.raises(UsageError, match="classes: only a network by name can be changed"):
        network_of(str(file), classes=10)


def test_showing_imports_neither_torch_nor_numpy_nor_rich():
    code = (
        "import sys, typer; from convsmith.cli.network import compare, models, show; show.show('resnet50');"
        "print([m for m in ('torch', 'numpy', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
