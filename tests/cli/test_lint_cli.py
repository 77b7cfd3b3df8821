"""`convsmith lint` and `convsmith gradients` at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from command import Command

import convsmith as library
from convsmith.model import Model, load_model, save_model
from convsmith.network import Network, Preprocess
from convsmith.network.builder import batch_norm, conv, global_avg_pool, linear, relu, write

MODULE = """
from torch import nn

def make_model():
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 5), nn.Softmax(dim=1),
    )

class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 5)

    def forward(self, x):
        if x.mean() > 0:
            x = -x
        return self.fc(self.conv(x).mean((2, 3)))
"""


def faulty() -> Network:
    def body(x):  # type: ignore[no-untyped-def]
        for width in (32, 64, 64):
            x = relu(batch_norm(conv(x, width, 3)))
        return linear(global_avg_pool(x), 10)

    return write("faulty", (3, 6, 6), body)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODULE)
    (tmp_path / "net.json").write_text(json.dumps(faulty().to_json()))
    return tmp_path


def test_what_a_card_explains_does_not_fail(convsmith: Command) -> None:
    done = convsmith("lint", "vgg16", "resnet50")
    assert done.code == 0
    assert "vgg16: 0 findings, 3 explained" in done.out
    assert "explained by its card" in done.out


def test_findings_fail_like_a_code_linters(convsmith: Command) -> None:
    done = convsmith("lint", "net.json")
    assert done.code == 1
    assert "CS401 bias-before-norm: conv1, conv2, conv3" in done.out
    assert "source: Ioffe and Szegedy 2015" in done.out
    assert done.err == ""


def test_a_users_module_is_linted(convsmith: Command) -> None:
    done = convsmith("lint", "net.py:make_model", "--input", "3x8x8", "--json")
    assert done.code == 1
    (entry,) = json.loads(done.out)
    found = {finding["code"]: finding["nodes"] for finding in entry["findings"]}
    assert entry["network"] == "net.py:make_model"
    assert found == {"CS101": ["0"], "CS110": ["0"], "CS401": ["0"], "CS505": ["6"]}


def test_control_flow_that_cannot_be_read_is_told_in_a_line(convsmith: Command) -> None:
    done = convsmith("lint", "net.py:Branching", "--input", "3x8x8")
    assert done.code == 2
    assert "depends on the values of the image" in done.err
    assert len(done.err.splitlines()) == 1


def test_an_onnx_file_is_linted(convsmith: Command, folder: Path) -> None:
    module = library.build(faulty()).eval()
    torch.onnx.export(module, (torch.zeros(1, 3, 6, 6),), str(folder / "net.onnx"), dynamo=False)
    done = convsmith("lint", "net.onnx", "--json")
    assert done.code in (0, 1)
    assert json.loads(done.out)[0]["network"] == "net.onnx"


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (("--select", "CS4"), ["CS401"]),
        (("--ignore", "CS4"), []),
        (("--select", "CS1,CS401", "--ignore", "CS401"), []),
    ],
)
def test_rules_are_selected_and_ignored(convsmith: Command, words: tuple[str, ...], codes: list[str]) -> None:
    done = convsmith("lint", "net.json", "--json", *words)
    assert [finding["code"] for finding in json.loads(done.out)[0]["findings"]] == codes
    assert done.code == bool(codes)


def test_pyproject_is_heeded_and_the_command_line_wins(convsmith: Command, folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.convsmith.lint]\nignore = ["CS401"]\n')
    assert convsmith("lint", "net.json").code == 0
    assert convsmith("lint", "net.json", "--ignore", "CS1").code == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "NETWORKS: name a network"),
        (("net.json", "--select", "XX"), "unknown rule 'XX'"),
        (("net.py:make_model",), "--input"),
        (("gone.json",), "gone.json: no such file"),
        (("resnet5O",), "nearest:"),
        (("net.json", "lenet5", "--fix", "out.json"), "--fix: mends one network"),
        (("net.json", "--fix", "out.txt"), "--fix: out.txt must end in .json"),
        (("lenet5", "--data", "gone/"), "gone"),
    ],
)
def test_bad_usage_is_a_line_and_exit_code_2(convsmith: Command, words: tuple[str, ...], message: str) -> None:
    done = convsmith("lint", *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def test_a_fixed_network_is_written_and_has_no_fault(convsmith: Command, folder: Path) -> None:
    done = convsmith("lint", "net.json", "--fix", "fixed.json")
    assert "fixed CS401 bias-before-norm: conv1, conv2, conv3" in done.err
    assert convsmith("lint", "fixed.json").code == 0
    assert Network.from_json((folder / "fixed.json").read_text()).input == (3, 6, 6)


def test_a_fixed_model_gives_the_same_answers(convsmith: Command, folder: Path) -> None:
    net = faulty()
    weights = {key: torch.rand(p.shape) for key, p in net.parameters.items()}
    model = Model(net, weights, tuple("0123456789"), Preprocess(3, (6, 6), 6, (0.5,) * 3, (0.5,) * 3))
    save_model(model, folder / "model.safetensors")
    convsmith("lint", "model.safetensors", "--fix", "fixed.safetensors")
    images = torch.rand(4, 3, 6, 6)
    fixed = load_model(folder / "fixed.safetensors")
    assert len(fixed.weights) == len(weights) - 3
    torch.testing.assert_close(fixed.module()(images), model.module()(images), rtol=1e-4, atol=1e-4)


def test_the_rules_are_listed_with_reason_and_source(convsmith: Command) -> None:
    done = convsmith("lint", "--rules")
    assert done.code == 0
    assert "CS401 bias-before-norm (can be fixed)" in done.out
    listed = json.loads(convsmith("lint", "--rules", "--json").out)
    assert {"code", "name", "rationale", "source", "fixable"} == set(listed[0])
    assert done.out.count("source:") == len(listed)


def test_gradients_are_told_and_drawn(convsmith: Command, folder: Path) -> None:
    done = convsmith("gradients", "lenet5", "resnet20", "--steps", "1", "--batch-size", "4", "--plot", "flow.svg")
    assert done.code == 0
    assert "lenet5 on random images, batch 4" in done.out
    assert "7 of 9 shortcuts are the identity" in done.out
    assert "verdict" in done.out
    assert (folder / "flow.svg").is_file()


def test_gradients_as_json_name_their_criterion(convsmith: Command) -> None:
    (flow,) = json.loads(convsmith("gradients", "lenet5", "--steps", "0", "--batch-size", "4", "--json").out)
    assert flow["verdict"] == "healthy"
    assert [layer["name"] for layer in flow["moments"][0]["layers"]] == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    assert "below 1/100" in flow["criterion"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("lenet5", "--plot", "flow.txt"), "--plot: flow.txt must end in"),
        (("lenet5", "--lr", "-1"), "--lr: must be above 0"),
        (("net.py:make_model",), "--input"),
        (("lenet5", "--data", "gone/"), "gone"),
    ],
)
def test_gradients_refuse_bad_usage_in_a_line(convsmith: Command, words: tuple[str, ...], message: str) -> None:
    done = convsmith("gradients", *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1
