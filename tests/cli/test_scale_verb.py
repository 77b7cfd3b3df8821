"""`convsmith scale`: sizes, files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command

from convsmith import cost_of, create, load_model
from convsmith.resolve import network_of


def test_a_network_is_scaled_and_written(convsmith: Command, tmp_path: Path) -> None:
    out = tmp_path / "larger.json"
    done = convsmith("scale", "resnet20", "--to", "4x", "-o", out)
    assert done.code == 0
    base = cost_of(create("resnet20")).macs
    assert 3.5 * base < cost_of(network_of(out)).macs <= 4 * base
    for words in ("The family", "At equal cost", "depth only", "width only", "resolution only", "EfficientNet's"):
        assert words in done.out


def test_as_json_with_constants(convsmith: Command) -> None:
    data = json.loads(convsmith("scale", "vgg11", "--phi", 1, "--constants", "1.2,1.1,1.15", "--json").out)
    assert data["chosen"]["depth"] == 1.2
    assert data["architecture"]["input"] == [3, 258, 258]


def test_on_photographs_with_a_plot(convsmith: Command, photo_folder: Path, tmp_path: Path) -> None:
    plot = tmp_path / "scaling.png"
    done = convsmith("scale", "lenet5", photo_folder, "--to", "2x", "--epochs", 1, "--no-compare", "--plot", plot)
    assert done.code == 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "found on the data" in done.out
    assert "trainings of up to 1 epoch" in done.err


def test_a_model_file_gives_a_model_file(convsmith: Command, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "wider.safetensors"
    done = convsmith("scale", trained, "--to", "2x", "--constants", "1,1.4,1", "-o", out)
    assert done.code == 0
    assert "the same outputs as the trained network" in done.err
    before, after = load_model(trained / "model.safetensors"), load_model(out)
    assert after.classes == before.classes
    assert cost_of(after.network).macs > 1.4 * cost_of(before.network).macs


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("resnet20",), "--to, --phi: say how large the network is to be"),
        (("resnet20", "--to", "big"), "--to: must be 4x, 300M-macs, 5M-params, 2MB or 5ms, not 'big'"),
        (("resnet20", "--to", "1B"), "--to: 1 B cannot be met: the smallest resnet20"),
        (("resnet20", "--to", "2x", "--constants", "2"), "--constants: must be three numbers"),
        (("resnet20", "--to", "2x", "-o", "net.txt"), "--out: net.txt must end in .json or .safetensors"),
        (("resnet20", "--to", "2x", "-o", "m.safetensors"), "--out, --carry: m.safetensors is for a trained"),
        (("resnet20", "--to", "2x", "--plot", "p.svg"), "--plot: there is nothing to draw"),
        (
            ("lenet5", "digits", "--to", "2x", "--constants", "1,1.2,1.1", "--no-compare", "--plot", "p.svg"),
            "--plot: there is nothing to draw",
        ),
        (("resnet20", "digits", "--to", "2x", "--classes", "3"), "--classes: the images settle these"),
        (("resnet20", "digits", "--to", "2x", "--epochs", "1", "--time", "1m"), "--epochs, --time: give one"),
        (("resnet21", "--to", "2x"), "unknown model 'resnet21'"),
    ],
)
def test_bad_input_is_one_line(convsmith: Command, words: tuple[str, ...], message: str) -> None:
    refused = convsmith("scale", *words)
    assert refused.code == 2
    assert refused.err.startswith(f"convsmith: {message}")
    assert len(refused.err.splitlines()) == 1
    assert refused.out == ""
