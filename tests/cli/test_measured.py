"""What is measured is said: which images, which of them are left out, and in any terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Command
from PIL import Image

import convsmith as library
from convsmith.evaluation.overlap import sketch

CLASSES = ("ant", "Łoś")
EACH = 20


def save_model(path: Path, provenance: Mapping[str, Any]) -> Path:
    network = library.create("lenet5", classes=2, input=(1, 28, 28))
    preprocess = library.Preprocess(1, (28, 28), 28, (0.5,), (0.25,))
    weights = library.build(network, seed=1).state_dict()
    library.save_model(library.Model(network, weights, CLASSES, preprocess, provenance), path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of twenty images each, without splits."""
    root = tmp_path / "data"
    generator = np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for number in range(EACH):
            size = 28 + number % 2  # of two sizes, so that files stay files
            pixels = generator.integers(0, 256, (size, size, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02}.png")
    return root


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path / "model.safetensors", {})


def damage(folder: Path, count: int) -> None:
    for number in range(count):
        file = folder / CLASSES[number % 2] / f"{number:02}.png"
        file.write_bytes(file.read_bytes()[:50])


def test_other_data_without_splits_are_measured_whole(convsmith: Command, model: Path, folder: Path) -> None:
    done = convsmith("evaluate", model, folder, "--json")
    assert done.code == 0, done.err
    measured = json.loads(done.out)
    assert (measured["data"], measured["split"], measured["images"]) == ("data", "all", 2 * EACH)


def test_too_few_images_to_split_are_enough_to_measure_on(convsmith: Command, model: Path, folder: Path) -> None:
    for file in [path for path in folder.rglob("*.png") if path.stem != "00"]:
        file.unlink()
    assert json.loads(convsmith("evaluate", model, folder, "--json").out)["images"] == 2


@pytest.mark.parametrize("seed", [0, 7])
def test_the_data_of_the_training_are_split_as_then(
    convsmith: Command, tmp_path: Path, folder: Path, seed: int
) -> None:
    trained_on = library.open_dataset(folder, seed=seed)
    provenance = {"data": {"name": "data", "fingerprint": trained_on.fingerprint, "seed": seed}}
    model = save_model(tmp_path / "trained.safetensors", provenance)
    measured = json.loads(convsmith("evaluate", model, folder, "--json").out)
    assert (measured["split"], measured["images"]) == ("test", len(trained_on.split("test")))
    wanted = library.evaluate(library.load_model(model), trained_on).metrics
    assert measured["confusion"] == [list(row) for row in wanted.confusion]


def test_a_seed_splits_any_data(convsmith: Command, model: Path, folder: Path) -> None:
    measured = json.loads(convsmith("evaluate", model, folder, "--seed", 3, "--json").out)
    assert (measured["split"], measured["images"]) == ("test", len(library.open_dataset(folder, seed=3).split("test")))


def test_images_that_were_trained_on_are_said_aloud(convsmith: Command, tmp_path: Path, folder: Path) -> None:
    train = library.open_dataset(folder, seed=7).split("train")
    model = save_model(tmp_path / "trained.safetensors", {"data": {"sketch": sketch(train.content)}})
    measured = convsmith("evaluate", model, folder)
    assert measured.out.startswith(f"TRAINED ON {len(train)} OF {2 * EACH} IMAGES: ".replace("OF 40", "of 40"))
    assert json.loads(convsmith("evaluate", model, folder, "--json").out)["trained_on"] == len(train)
    fresh = save_model(tmp_path / "fresh.safetensors", {"data": {"sketch": sketch(train.content + 1)}})
    assert "TRAINED ON" not in convsmith("evaluate", fresh, folder).out


def test_a_split_that_data_lack_is_refused_and_those_there_are_named(
    convsmith: Command, model: Path, folder: Path
) -> None:
    done = convsmith("evaluate", model, folder, "--split", "val")
    assert done.code == 1
    assert "no split 'val'; it has: all" in done.err


def test_evaluate_says_what_it_left_out(convsmith: Command, model: Path, folder: Path) -> None:
    damage(folder, 8)
    done = convsmith("evaluate", model, folder)
    assert done.code == 1
    assert "32 images (8 unreadable left out)" in done.out.splitlines()[0]
    assert sum(line.startswith("error: ") and ".png" in line for line in done.err.splitlines()) == 8
    measured = json.loads(convsmith("evaluate", model, folder, "--json").out)
    assert measured["images"] == 32
    assert len(measured["unreadable_files"]) == measured["unreadable"] == 8


def test_files_of_another_split_are_not_missed(convsmith: Command, model: Path, folder: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in CLASSES:
            (tmp_path / "split" / split).mkdir(parents=True, exist_ok=True)
            (folder / name).rename(tmp_path / "split" / split / name)
            (folder / name).mkdir()
            Image.new("RGB", (28, 28)).save(folder / name / "one.png")
    damage(tmp_path / "split/train", 4)
    done = convsmith("evaluate", model, tmp_path / "split")
    assert done.code == 0, done.err
    assert "test split, 2 images; " in done.out


def test_features_say_what_they_left_out(convsmith: Command, model: Path, folder: Path, tmp_path: Path) -> None:
    damage(folder, 3)
    done = convsmith("features", model, folder, "-o", tmp_path / "f.npz")
    assert done.code == 1
    assert "37 images (3 unreadable left out)" in done.out
    assert (tmp_path / "f.npz").exists()
    done = convsmith("features", model, folder, "-o", tmp_path / "f.npz", "--json")
    assert len(json.loads(done.out)["unreadable"]) == 3


def test_an_export_says_what_it_was_not_verified_on(convsmith: Command, model: Path, folder: Path) -> None:
    damage(folder, 12)
    done = convsmith("export", model, "--data", folder)
    assert done.code == 1
    assert "28 of 28 images (12 unreadable left out)" in done.out
    assert "2 more could not be read" in done.err
    assert model.with_suffix(".onnx").exists()
    assert len(json.loads(convsmith("export", model, "--data", folder, "--json").out)["unreadable"]) == 12


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("words", [("evaluate", "MODEL", "DATA"), ("predict", "DATA/Łoś/00.png", "--model", "MODEL")])
def test_a_class_name_that_the_terminal_cannot_print_is_escaped(
    model: Path, folder: Path, encoding: str, words: tuple[str, ...]
) -> None:
    places = {"MODEL": str(model), "DATA": str(folder)}
    filled = [word.replace("MODEL", places["MODEL"]).replace("DATA", places["DATA"]) for word in words]
    for extra in ((), ("--json",)):
        done = subprocess.run(
            [sys.executable, "-c", "from convsmith.cli.main import main; main()", *filled, *extra],
            env=os.environ | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        text = done.stdout.decode(encoding)
        assert "Łoś" in (json.dumps(json.loads(text), ensure_ascii=False) if extra else text.replace("\\u0141", "Ł")
                         .replace("\\u015b", "ś"))  # fmt: skip


def test_json_has_no_number_that_json_lacks(convsmith: Command, model: Path, folder: Path) -> None:
    same_for_all = library.load_model(model)
    weights = {name: torch.zeros_like(tensor) for name, tensor in same_for_all.weights.items()}
    library.save_model(replace(same_for_all, weights=weights), model)
    done = convsmith("evaluate", model, folder, "--json")
    assert "NaN" not in done.out
    never_called = [row for row in json.loads(done.out)["classes"].values() if row["precision"]["value"] is None]
    assert len(never_called) == 1
