"""Checkpoints made model files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import convsmith
from convsmith.download import sha256
from convsmith.errors import ModelFileError, UsageError
from convsmith.network import Preprocess
from convsmith.transform.width import scale_width
from convsmith.weights import imagenet, load_model, save_model, to_library
from convsmith.weights.importing import import_weights
from convsmith.weights.preprocessing import usual_preprocess
from convsmith.weights.published_weights import PublishedWeights, find_published

NAME = "torchvision/squeezenet1_1"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole checkpoint of torchvision's SqueezeNet, to be read only."""
    path = tmp_path_factory.mktemp("checkpoint") / "mine.pth"
    net = convsmith.create(NAME)
    torch.save(to_library(net, convsmith.build(net).state_dict(), "torchvision"), path)
    return path


@pytest.fixture
def known(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedWeights:
    """The checkpoint as published weights, with a preprocessing of its own."""
    preprocess = replace(find_published(NAME).preprocess, resize=231)
    row = replace(find_published(NAME), name="the published", sha256=sha256(checkpoint)[:8], preprocess=preprocess)
    monkeypatch.setattr("convsmith.weights.published_weights._registry", lambda: (row,))
    return row


def test_a_published_file_brings_network_classes_and_preprocessing(checkpoint: Path, known: PublishedWeights) -> None:
    imported = import_weights(checkpoint)
    assert imported.published == known
    assert not imported.assumed
    assert imported.model.network == convsmith.create(NAME)
    assert imported.model.classes == imagenet.labels()
    assert imported.model.preprocess == known.preprocess
    assert imported.model.provenance["wordnet_ids"][281] == "n02123045"
    assert imported.model.provenance["imported"]["published"]["top1"] == known.top1


def test_another_file_needs_a_network_and_assumes_what_is_usual(checkpoint: Path) -> None:
    with pytest.raises(
        UsageError, match=r"mine.pth is none of the published weights: name its network \(model\), .*squeezenet1_1"
    ):
        import_weights(checkpoint)
    imported = import_weights(checkpoint, NAME)
    assert imported.assumed
    assert imported.published is None
    assert imported.model.preprocess == find_published(NAME).preprocess


def test_an_imported_model_is_saved_and_loaded(checkpoint: Path, tmp_path: Path) -> None:
    imported = import_weights(checkpoint, NAME)
    save_model(imported.model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.header == imported.model.header
    assert torch.equal(loaded.weights["conv1.weight"], imported.model.weights["conv1.weight"])


def test_given_classes_and_preprocessing_are_taken(tmp_path: Path) -> None:
    net = convsmith.create(NAME, classes=2, input=(3, 96, 96))
    torch.save(to_library(net, convsmith.build(net).state_dict(), "torchvision"), tmp_path / "pets.pth")
    preprocess = Preprocess(3, (96, 96), (96, 96), (0.5,) * 3, (0.5,) * 3)
    imported = import_weights(tmp_path / "pets.pth", NAME, classes=("cat", "dog"), preprocess=preprocess)
    assert imported.model.network == net
    assert imported.model.classes == ("cat", "dog")
    assert imported.model.preprocess == preprocess
    assert imported.model.provenance["wordnet_ids"] == []


def test_nothing_is_taken_in_part_unless_asked(checkpoint: Path) -> None:
    with pytest.raises(ModelFileError, match=r"its classifier has 1000 classes.*conv10 needs \(2, 512, 1, 1\)"):
        import_weights(checkpoint, NAME, classes=("cat", "dog"))
    imported = import_weights(checkpoint, NAME, classes=("cat", "dog"), partial=True)
    assert [problem.partition(" ")[0] for problem in imported.problems] == ["classifier.1.weight", "classifier.1.bias"]
    assert imported.model.provenance["not_imported"] == list(imported.problems)
    assert imported.random == ("conv10.weight", "conv10.bias")
    whole = import_weights(checkpoint, NAME).model
    assert torch.equal(imported.model.weights["conv1.weight"], whole.weights["conv1.weight"])
    assert imported.model.weights["conv10.weight"].shape == (2, 512, 1, 1)


@pytest.mark.parametrize("spoiled", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(spoiled: float, checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)
    state["features.0.bias"][3] = spoiled
    torch.save(state, tmp_path / "diverged.pth")
    with pytest.raises(ModelFileError, match=r"diverged.pth: some numbers of conv1.bias are not finite: its training"):
        import_weights(tmp_path / "diverged.pth", NAME)


@pytest.mark.parametrize(
    "kept",
    [
        lambda state: {"something.else": torch.zeros(3)},
        # Most of the tensors, but a small part of the numbers; and the other way round.
        lambda state: {key: value for key, value in state.items() if value.numel() < 40_000},
        lambda state: {key: value for key, value in state.items() if value.numel() > 5_000},
    ],
)
def test_nothing_is_imported_where_most_would_stay_random(
    kept: Callable[[dict[str, Tensor]], dict[str, Tensor]], checkpoint: Path, tmp_path: Path
) -> None:
    torch.save(kept(torch.load(checkpoint, weights_only=True)), tmp_path / "part.pth")
    with pytest.raises(ModelFileError, match=r"of the 52 tensors of .* most of it would stay random, so nothing"):
        import_weights(tmp_path / "part.pth", NAME, partial=True)


def test_the_average_is_taken_unless_the_raw_weights_are_asked_for(checkpoint: Path, tmp_path: Path) -> None:
    raw = torch.load(checkpoint, weights_only=True)
    average = {f"module.{key}": tensor + 1 for key, tensor in raw.items()}
    torch.save({"model": raw, "model_ema": {"n_averaged": torch.tensor(3), **average}}, tmp_path / "both.pth")
    key = "features.0.weight"
    for weights, expected in ((None, raw[key] + 1), ("ema", raw[key] + 1), ("raw", raw[key])):
        imported = import_weights(tmp_path / "both.pth", NAME, weights=weights)  # type: ignore[arg-type]
        assert torch.equal(imported.model.weights["conv1.weight"], expected)
    assert imported.notes == (
        "the raw weights (model) are taken; there are averaged ones too (model_ema), for which ask for weights ema",
    )


def test_an_average_that_is_not_there_is_said(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="weights: the file holds only raw weights"):
        import_weights(checkpoint, NAME, weights="ema")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot read .*nowhere\.pth"):
        import_weights(tmp_path / "nowhere.pth", NAME)


@pytest.mark.parametrize(
    ("name", "mean", "order"),
    [
        ("torchvision/resnet50", 0.485, "RGB"),
        ("timm/resnetv2_50", 0.485, "RGB"),
        ("keras/MobileNet", 0.5, "RGB"),
        ("keras/ResNet50V2", 0.5, "RGB"),
        ("keras/DenseNet121", 0.485, "RGB"),
        ("keras/ResNet50", 103.939 / 255, "BGR"),
        ("keras/EfficientNetB0", 0.0, "RGB"),
        ("keras/VGG16", 103.939 / 255, "BGR"),
        ("timm/inception_v4", 0.5, "RGB"),
        ("timm/nasnetalarge", 0.5, "RGB"),
        ("torchvision/googlenet", 0.5, "RGB"),
    ],
)
def test_what_is_usual_differs_from_library_to_library(name: str, mean: float, order: str) -> None:
    preprocess = usual_preprocess(convsmith.create(name, input=(3, 224, 224)))
    assert (preprocess.mean[0], preprocess.order) == (mean, order)
    assert (preprocess.resize, preprocess.crop) == (256, (224, 224))


def test_what_is_usual_follows_the_networks_input() -> None:
    grey = usual_preprocess(convsmith.create("timm/resnet18", input=(1, 112, 112)))
    assert (grey.channels, grey.crop, grey.resize, grey.mean) == (1, (112, 112), 128, (0.5,))


def test_what_was_published_for_a_network_is_not_taken_for_a_scaled_one() -> None:
    net = convsmith.create("torchvision/efficientnet_b0")
    assert usual_preprocess(net).interpolation == "bicubic"
    narrow = scale_width(net, 0.5)
    assert narrow.name == net.name
    assert usual_preprocess(narrow).interpolation == "bilinear"
    assert usual_preprocess(convsmith.create("torchvision/efficientnet_b0", width=0.5)).interpolation == "bilinear"


def test_what_is_usual_for_a_family_holds_at_any_width() -> None:
    assert usual_preprocess(scale_width(convsmith.create("keras/ResNet50"), 0.5)).order == "BGR"


def test_a_change_of_the_normalization_inside_a_model_holds_at_any_side() -> None:
    assert usual_preprocess(convsmith.create("torchvision/googlenet", input=(3, 160, 160))).mean == (0.5, 0.5, 0.5)


def test_a_network_of_unknown_origin_is_prepared_as_most_are() -> None:
    net = replace(convsmith.create("lenet5", input=(3, 32, 32)), name="mine", origin=None)
    assert usual_preprocess(net).mean == (0.485, 0.456, 0.406)
