"""The driver: every kind of target, every method, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from little import RECIPE, Counting, assert_same_bits, clothes, network, trained

import convsmith
from convsmith.data.dataset import Dataset
from convsmith.errors import DataError, UnknownNameError, UsageError
from convsmith.evaluation.training_data import TrainingData
from convsmith.model import Model, load_model, save_model
from convsmith.shrinking import figures, smaller_network, work
from convsmith.shrinking.compress import TargetMissedError, compress
from convsmith.shrinking.figures import figures_of, plain_bytes
from convsmith.shrinking.outcome import Compressed

QUICK = {"recipe": RECIPE, "epochs": 1}


@pytest.fixture(scope="module", autouse=True)
def few_images():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "SAMPLE_IMAGES", 256)
        yield


@pytest.fixture(scope="module")
def quantized() -> Compressed:
    return convsmith.compress(trained(), clothes(), "6x", max_drop=2, **QUICK)


def test_a_ratio_is_met_without_training_where_that_is_enough(quantized, tmp_path):
    assert quantized.met
    assert [one.name for one in quantized.steps] == ["quantize"]
    save_model(quantized.model, tmp_path / "m")
    assert (tmp_path / "m").stat().st_size == quantized.after.bytes <= plain_bytes(trained()) / 6
    assert quantized.ratio >= 6
    assert_same_bits(load_model(tmp_path / "m"), quantized.model)
    assert quantized.before.val.value - quantized.after.val.value <= 0.02


def test_the_figures_are_those_that_evaluate_finds(quantized):
    measured = convsmith.evaluate(quantized.model, clothes())
    assert quantized.after.top1 == measured.metrics.top1
    assert quantized.after.topk == measured.metrics.topk
    before = convsmith.evaluate(trained(), clothes()).metrics.top1.value
    assert quantized.difference.value == pytest.approx(quantized.after.top1.value - before)


def test_multiply_adds_are_removed_to_the_target_and_the_report_says_so():
    found = compress(trained(), clothes(), "60%-macs", max_drop=100, **QUICK)
    assert convsmith.cost_of(found.model.network).macs <= 0.6 * convsmith.cost_of(network()).macs
    assert [one.name for one in found.steps] == ["slim-1", "slim-2"]
    assert found.model.packing == "plain"
    assert "slim-2: channels removed, " in str(found)
    assert "target met" in str(found)
    assert "multiply-adds -" in found.bought()[0]
    data = json.loads(json.dumps(found.to_json()))
    assert [one["name"] for one in data["steps"]] == ["slim-1", "slim-2"]
    assert data["after"] == data["steps"][-1]["figures"]


def test_a_latency_is_met_by_a_thinner_network(monkeypatch):
    def by_macs(model):
        net = model.network if isinstance(model, Model) else model
        return convsmith.cost_of(net).macs / 1e5

    monkeypatch.setattr(figures, "latency_ms", by_macs)
    monkeypatch.setattr(smaller_network, "latency_ms", by_macs)
    found = compress(trained(), clothes(), "60%-latency", max_drop=100, **QUICK)
    assert found.after.latency <= 0.6 * found.before.latency
    assert [(one.name, one.figures.latency <= found.limit) for one in found.tried] == [("int8", False), ("slim", True)]


@pytest.mark.parametrize(
    ("method", "to", "bits"),
    [
        ("svd", "1.5x", "32"),
        ("slim", "2x", "32"),
        ("int8", "2x", "8"),
        ("share", "6x", None),
        ("prune", "12x", "8"),
        ("deep", "12x", None),
    ],
)
def test_each_method_comes_to_the_target(method, to, bits, tmp_path):
    found = compress(trained(), clothes(), to, method=method, max_drop=100, **QUICK)
    save_model(found.model, tmp_path / "m")
    assert (tmp_path / "m").stat().st_size == found.after.bytes <= found.limit
    assert_same_bits(load_model(tmp_path / "m"), found.model)
    assert found.after.top1.value > 0.4
    assert bits in (None, found.after.bits)


def test_a_file_smaller_than_its_description_is_refused():
    words = r"at most 300 bytes cannot be reached: share: with 2 values a layer the file has"
    with pytest.raises(TargetMissedError, match=words) as raised:
        compress(trained(), clothes(), "300B", method="share", max_drop=100, **QUICK)
    assert raised.value.exit_code == 1
    assert raised.value.settings == ("to", "max_drop")
    assert raised.value.reached is None


def test_a_target_that_is_met_already_is_refused():
    for to in ("10MB", "30G-macs"):
        with pytest.raises(UsageError, match=r"^to: the model has .* already"):
            compress(trained(), clothes(), to, **QUICK)


@pytest.mark.parametrize(
    ("method", "to"), [("svd", "2ms"), ("prune", "50%-macs"), ("int8", "50%-macs"), ("deep", "2ms")]
)
def test_a_method_that_does_not_lower_the_measure_is_refused(method, to):
    with pytest.raises(UsageError, match=f"^method, to: {method} lowers"):
        compress(trained(), clothes(), to, method=method)


def test_settings_out_of_range_are_named():
    with pytest.raises(UnknownNameError, match="unknown method 'slimm'; nearest: slim"):
        compress(trained(), clothes(), "5x", method="slimm")
    with pytest.raises(UnknownNameError, match="unknown recipe 'sourdough'"):
        compress(trained(), clothes(), "5x", recipe="sourdough")
    with pytest.raises(UsageError, match=r"^max_drop: must be 0 to 100 points"):
        compress(trained(), clothes(), "5x", max_drop=-1)
    with pytest.raises(UsageError, match=r"^epochs: must be at least 1"):
        compress(trained(), clothes(), "5x", epochs=0)


def test_other_classes_are_refused_and_the_same_in_another_order_are_not():
    images = np.random.default_rng(0).integers(0, 255, (40, 14, 14), np.uint8)
    others = Dataset.from_arrays(images, np.arange(40) % 2, ("cat", "dog"), name="pets")
    with pytest.raises(DataError, match="pets has other classes than the model"):
        compress(trained(), others, "5x")
    given = clothes()
    turned = tuple(reversed(given.classes))
    splits = {name: replace(split, labels=9 - split.labels) for name, split in given.splits.items()}
    found = compress(trained(), replace(given, classes=turned, splits=splits), "5x", max_drop=5, **QUICK)
    assert found.before.top1 == figures_of(trained(), given).top1


def test_a_model_that_computes_in_integers_is_refused():
    small = compress(trained(), clothes(), "2x", method="int8", max_drop=100, **QUICK).model
    with pytest.raises(UsageError, match="computes in integers already"):
        compress(small, clothes(), "9x")


def test_a_coded_model_can_be_made_smaller_still(quantized):
    second = compress(quantized.model, clothes(), "9x", max_drop=20, **QUICK)
    assert second.before.bytes == quantized.after.bytes
    assert second.after.bytes <= second.limit < quantized.after.bytes


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compress(trained(), clothes(), "6x", max_drop=5, **QUICK)
    assert list(Path(tmp_path).iterdir()) == []


def test_training_images_among_the_test_images_are_said():
    again = replace(clothes().split("train"))
    mixed = replace(clothes(), splits={**clothes().splits, "test": again})
    provenance = {"data": {"sketch": TrainingData.of(clothes()).sketch}}
    counted = Counting()
    compress(replace(trained(), provenance=provenance), mixed, "6x", max_drop=5, observers=[counted], **QUICK)
    assert any(line.startswith("TRAINED ON 1,") for line in counted.lines)
    assert counted.trainings == 0
