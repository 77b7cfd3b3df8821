"""Protocols, comparisons and calibration from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command


def test_the_protocol_stands_below_the_figure_and_in_the_json(
    convsmith: Command, trained: Path, photo_folder: Path
) -> None:
    words = ("evaluate", trained, photo_folder, "--protocol", "resnet-10-crop")
    done = convsmith(*words)
    assert done.code == 1  # one photograph of the split is damaged, which is said
    assert done.out.splitlines()[1].startswith("protocol: resnet-10-crop: shorter side")
    assert "error" in done.out
    found = json.loads(convsmith(*words, "--json").out)
    assert found["protocol"]["views"] == 10
    assert found["top1_error"]["value"] == pytest.approx(1 - found["top1"]["value"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--protocol", "resnet-10crop"), "resnet-10-crop"),
        (("--resize", "8"), "--resize: crops of"),
        (("--crops", "7"), "--crops: must be 1"),
        (("--plot", "figure.txt"), "--plot: must end in"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    convsmith: Command, trained: Path, photo_folder: Path, words: tuple[str, ...], said: str
) -> None:
    done = convsmith("evaluate", trained, photo_folder, *words)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_two_models_are_compared(convsmith: Command, trained: Path, photo_folder: Path) -> None:
    done = convsmith("evaluate", trained, trained / "model.safetensors", photo_folder)
    assert done.code == 0, done.err
    assert "No difference beyond chance" in done.out
    assert convsmith("evaluate", trained, trained, trained, photo_folder).code == 2


def test_reliability_is_drawn_and_the_worst_images_are_named(
    convsmith: Command, trained: Path, photo_folder: Path, tmp_path: Path
) -> None:
    done = convsmith("evaluate", trained, photo_folder, "--plot", tmp_path / "r.svg", "--worst", "2")
    assert done.code == 1  # one photograph of the split is damaged
    assert "<svg" in (tmp_path / "r.svg").read_text()
    assert done.out.partition("most wrong:\n")[2].count("cross-entropy") == 2


def test_a_temperature_is_not_measured_where_it_was_fitted(
    convsmith: Command, trained: Path, photo_folder: Path, tmp_path: Path
) -> None:
    done = convsmith("calibrate", trained, photo_folder, "-o", tmp_path / "c.safetensors", "--fit-on", "test")
    assert done.code == 2
    assert "--measure-on: a temperature is not measured on the images" in done.err
    assert not (tmp_path / "c.safetensors").exists()
