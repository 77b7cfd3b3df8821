"""Accuracies for comparison: from papers, and from model files."""

from __future__ import annotations

from pathlib import Path

import pytest

import convsmith
from convsmith.errors import UsageError
from convsmith.report.compared import Accuracy, ComparedNetwork, measured_accuracy, published_accuracy, require_accuracy
from convsmith.zoo import create, find
from convsmith.zoo.paper import PaperFigures

PREPROCESS = convsmith.Preprocess(1, (32, 32), 32, (0.5,), (0.25,))
METRICS = {"split": "test", "images": 1200, "top1": {"value": 0.912, "low": 0.89, "high": 0.931}}


def model_file(path: Path, **known: object) -> str:
    network = create("lenet5", classes=2)
    weights = convsmith.build(network, seed=1).state_dict()
    convsmith.save_model(convsmith.Model(network, weights, ("a", "b"), PREPROCESS, **known), path)  # type: ignore[arg-type]
    return str(path)


def test_a_model_files_accuracy_says_on_what_it_was_measured(tmp_path: Path) -> None:
    name = model_file(tmp_path / "model.safetensors", metrics=METRICS, provenance={"data": {"name": "digits"}})
    wanted = Accuracy(91.2, "digits", "1,200 test images of digits", 89.0, 93.1)
    for source in (name, str(tmp_path)):
        found = measured_accuracy(source)
        assert found is not None
        assert (found.data, found.protocol, found.published) == (wanted.data, wanted.protocol, False)
        assert (found.top1, found.low, found.high) == pytest.approx((91.2, 89.0, 93.1))
    assert str(found) == "91.2% (89.0 to 93.1)"


@pytest.mark.parametrize("metrics", [{}, {"top1": {}}, {"top1": 0.9}, {"top1": {"value": None}}])
def test_a_model_file_without_metrics_has_no_accuracy(tmp_path: Path, metrics: dict[str, object]) -> None:
    name = model_file(tmp_path / "model.safetensors", metrics=metrics)
    assert measured_accuracy(name) is None
    with pytest.raises(UsageError, match=r"^plot: .*model.safetensors has no accuracy: the file holds none"):
        require_accuracy(name, None)


def test_a_model_of_unnamed_data_says_so(tmp_path: Path) -> None:
    found = measured_accuracy(model_file(tmp_path / "m.safetensors", metrics=METRICS))
    assert found is not None
    assert found.protocol == "1,200 test images of unnamed images"


def test_a_networks_accuracy_is_its_papers() -> None:
    assert published_accuracy(find("vgg16")[0].published) == Accuracy(
        74.4, "ImageNet", "dense evaluation, test scale 256 or 384 (table 3)", published=True
    )
    assert published_accuracy(PaperFigures(params_m=1.0)) is None
    assert published_accuracy(None) is None
    with pytest.raises(UsageError, match=r"^plot: unet has no accuracy: its paper prints none"):
        require_accuracy("unet", None)


def test_json_says_which_accuracy_it_is() -> None:
    own = Accuracy(91.2, "digits", "300 test images of digits", 89.0, 93.1)
    measured = ComparedNetwork("mine", create("lenet5"), own).to_json()
    assert (measured["published_top1"], measured["measured"]) == (None, own)
    printed = ComparedNetwork("vgg16", create("vgg16"), published_accuracy(find("vgg16")[0].published)).to_json()
    assert (printed["published_top1"], printed["measured"]) == (74.4, None)
    assert (printed["name"], printed["params"]) == ("vgg16", 138_357_544)
