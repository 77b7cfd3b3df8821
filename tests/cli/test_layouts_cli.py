"""Data sets in their published layouts at the command line: inspected, trained on, measured on, cropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command

import convsmith as library
from convsmith.model import Header, save_model
from convsmith.network import Preprocess
from published_trees import cifar10, cub, dogs, flowers, food

QUICK = ("--model", "lenet5", "--epochs", "1", "--float32")


@pytest.mark.parametrize("tree", [flowers, cifar10])
def test_fit_trains_and_evaluate_measures_on_the_published_test(convsmith: Command, tmp_path: Path, tree) -> None:
    root = tree(tmp_path / "set")
    done = convsmith("fit", root, *QUICK, "--side", "32", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    found = json.loads(convsmith("evaluate", tmp_path / "run", root, "--json").out)
    assert (found["split"], found["images"]) == ("test", 20 if tree is cifar10 else 6)
    assert found["unreadable_files"] == []
    assert len(found["risk_coverage"]) == 100
    assert found["aurc"]["value"] == pytest.approx(
        1 - sum(one["accuracy"] for one in found["risk_coverage"]) / 100, abs=0.1
    )


def test_a_classifier_of_imagenet_is_measured_on_dogs(convsmith: Command, tmp_path: Path) -> None:
    names = ("tench", "Chihuahua", "Japanese spaniel", "Pekinese")
    net = library.create("lenet5", classes=4, input=(3, 32, 32))
    header = Header(net, names, Preprocess(3, (32, 32), 32, (0.5,) * 3, (0.5,) * 3))
    save_model(header.with_weights(library.build(net).state_dict()), tmp_path / "model.safetensors")
    done = convsmith("evaluate", tmp_path / "model.safetensors", dogs(tmp_path / "dogs"))
    assert done.code == 0, done.err
    assert "dogs: test split, 6 images" in done.out
    by_kind = convsmith("evaluate", tmp_path / "model.safetensors", tmp_path / "dogs", "--classes-by", "wordnet").out
    assert "  Chihuahua: chihuahua.n.03 (n02085620: Chihuahua); 1 class, Chihuahua" in by_kind


def test_boxes_are_packed_and_the_shards_are_a_data_set(convsmith: Command, tmp_path: Path) -> None:
    done = convsmith("data", "pack", cub(tmp_path / "CUB_200_2011"), "-o", tmp_path / "birds", "--boxes")
    assert done.code == 0, done.err
    told = convsmith("inspect", tmp_path / "birds").out
    assert "2 classes; colour, median size 21x20" in told
    refused = convsmith("data", "pack", food(tmp_path / "food"), "-o", tmp_path / "none", "--boxes")
    assert (refused.code, refused.err.strip().splitlines()[-1]) == (
        2,
        "convsmith: --boxes: food has no boxes; Stanford Dogs and CUB-200-2011 have them",
    )


def test_corruptions_stand_below_the_figures_and_in_the_json(
    convsmith: Command, trained: Path, photo_folder: Path
) -> None:
    done = convsmith("evaluate", trained, photo_folder, "--corruptions")
    assert "mean corruption error" in done.out
    found = json.loads(convsmith("evaluate", trained, photo_folder, "--corruptions", "--json").out)
    told = found["robustness"]
    assert told["clean_error"]["value"] == pytest.approx(found["top1_error"]["value"], abs=0.1)
    assert f"{told['mean_corruption_error']['value']:.2%}" in done.out
    assert told["images"] == found["images"]


@pytest.mark.parametrize("words", [("--protocol", "alexnet"), ("--side", "32", "--side", "32")])
def test_corruptions_of_several_views_or_sides_are_refused(
    convsmith: Command, trained: Path, photo_folder: Path, words: tuple[str, ...]
) -> None:
    done = convsmith("evaluate", trained, photo_folder, "--corruptions", *words)
    assert done.code == 2
    assert "--corruptions: corruptions are measured at one side, on one view of an image" in done.err
