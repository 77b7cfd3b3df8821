"""The driver: every kind of target, every method, what is refused, and what goes on where it was stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from little import PREPROCESS, RECIPE, Counting, assert_same_bits, clothes, network, trained

import convsmith
from convsmith.data.dataset import Dataset
from convsmith.errors import DataError, RunFolderError, UnknownNameError, UsageError
from convsmith.model import Model, load_model, save_model
from convsmith.request import ResumeError
from convsmith.shrinking import figures, smaller_network
from convsmith.shrinking.compress import TargetMissedError, compress, task_for
from convsmith.shrinking.figures import figures_of, plain_bytes
from convsmith.shrinking.settings import Settings
from convsmith.shrinking.smaller_file import prune_and_quantize, quantize, slim_and_quantize
from convsmith.shrinking.target import Target
from convsmith.shrinking.task import Task
from convsmith.shrinking.work import Work

QUICK = {"recipe": RECIPE, "epochs": 3}


def task(to: str, **settings: object) -> Task:
    asked = Settings(recipe=RECIPE, epochs=6, **settings)
    work = Work(clothes(), RECIPE)
    return task_for(trained(), figures_of(trained(), clothes()), Target.parse(to), asked, work)


def test_a_ratio_is_met_without_training_where_that_is_enough(tmp_path):
    counted = Counting()
    found = convsmith.compress(trained(), clothes(), "6x", max_drop=2, observers=[counted], **QUICK)
    assert (found.met, counted.trainings) == (True, 0)
    assert [one.name for one in found.steps] == ["quantize"]
    save_model(found.model, tmp_path / "m")
    assert (tmp_path / "m").stat().st_size == found.after.bytes <= plain_bytes(trained()) / 6
    assert found.ratio >= 6
    assert_same_bits(load_model(tmp_path / "m"), found.model)
    assert found.before.val.value - found.after.val.value <= 0.02


def test_the_figures_are_those_that_evaluate_finds():
    found = compress(trained(), clothes(), "6x", max_drop=2, **QUICK)
    measured = convsmith.evaluate(found.model, clothes())
    assert found.after.top1 == measured.metrics.top1
    assert found.after.topk == measured.metrics.topk
    before = convsmith.evaluate(trained(), clothes()).metrics.top1.value
    assert found.difference.value == pytest.approx(found.after.top1.value - before)


def test_pruning_and_training_save_what_quantization_alone_loses(tmp_path):
    hard = task("40x")
    alone = quantize(hard)[-1].figures
    steps = prune_and_quantize(hard)
    figures = steps[-1].figures
    assert hard.fits(figures)
    assert figures.val.value > alone.val.value
    assert {one.name for one in steps} >= {"prune-1", "quantize-pruned"}
    save_model(steps[-1].model, tmp_path / "m")
    assert (tmp_path / "m").stat().st_size == figures.bytes
    assert_same_bits(load_model(tmp_path / "m"), steps[-1].model)


def test_slimming_first_ends_in_a_smaller_network():
    hard = task("30x")
    steps = slim_and_quantize(hard)
    assert steps[0].name == "slim"
    assert hard.fits(steps[-1].figures)
    assert steps[-1].figures.macs < hard.before.macs


def test_multiply_adds_are_removed_to_the_target():
    found = compress(trained(), clothes(), "60%-macs", max_drop=100, **QUICK)
    assert convsmith.cost_of(found.model.network).macs <= 0.6 * convsmith.cost_of(network()).macs
    assert [one.name for one in found.steps] == ["slim-1", "slim-2"]
    assert found.model.packing == "plain"


def test_a_latency_is_met_by_the_widest_network_that_is_fast_enough(monkeypatch):
    def by_macs(model):
        net = model.network if isinstance(model, Model) else model
        return convsmith.cost_of(net).macs / 1e5

    monkeypatch.setattr(figures, "latency_ms", by_macs)
    monkeypatch.setattr(smaller_network, "latency_ms", by_macs)
    found = compress(trained(), clothes(), "60%-latency", max_drop=100, **QUICK)
    assert 0.4 < found.after.latency / found.before.latency <= 0.6
    assert [one.name for one in found.tried] == ["int8", "slim"]


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


def test_what_loses_too_much_is_refused_with_what_was_reached_and_what_would_be_allowed():
    with pytest.raises(TargetMissedError) as raised:
        compress(trained(), clothes(), "60x", max_drop=0.0, method="share", **QUICK)
    assert raised.value.exit_code == 1
    assert raised.value.settings == ("to", "max_drop")
    assert raised.value.reached is None
    with pytest.raises(
        TargetMissedError, match=r"quantize: it loses \d+\.\d+ points on val.*allow a drop of"
    ) as raised:
        compress(trained(), clothes(), "80x", max_drop=0.0, **QUICK)
    reached = raised.value.reached
    assert reached.met is False
    assert reached.after.bytes <= reached.limit
    drops = [reached.before.val.value - one.figures.val.value for one in reached.tried]
    assert reached.before.val.value - reached.after.val.value == min(drops)
    assert len(drops) == 3
    assert "TARGET NOT MET" in str(reached)


def test_a_file_smaller_than_its_description_is_refused():
    with pytest.raises(
        TargetMissedError, match=r"at most 300 bytes cannot be reached: quantize: .*the least is"
    ) as raised:
        compress(trained(), clothes(), "300B", max_drop=100, **QUICK)
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


def test_a_coded_model_can_be_made_smaller_still():
    first = compress(trained(), clothes(), "5x", max_drop=5, **QUICK)
    second = compress(first.model, clothes(), "9x", max_drop=20, **QUICK)
    assert second.before.bytes == first.after.bytes
    assert second.after.bytes <= second.limit < first.after.bytes


def test_a_compression_goes_on_where_it_was_stopped(tmp_path):
    asked = {**QUICK, "method": "deep", "max_drop": 100.0}
    whole = compress(trained(), clothes(), "15x", folder=tmp_path / "whole", **asked)
    with pytest.raises(KeyboardInterrupt):
        compress(trained(), clothes(), "15x", folder=tmp_path / "parts", observers=[Counting(stop=1)], **asked)
    again, finished = Counting(), Counting()
    resumed = compress(trained(), clothes(), "15x", folder=tmp_path / "parts", observers=[again], **asked)
    assert_same_bits(resumed.model, whole.model)
    done = compress(trained(), clothes(), "15x", folder=tmp_path / "parts", observers=[finished], **asked)
    assert (again.trainings, finished.trainings) == (2, 0)
    assert_same_bits(done.model, whole.model)
    assert [one.figures for one in done.steps] == [one.figures for one in resumed.steps]


def test_a_folder_holds_each_step_its_log_and_the_report(tmp_path):
    place = tmp_path / "new" / "folder"
    found = compress(trained(), clothes(), "15x", method="deep", max_drop=100, folder=place, **QUICK)
    assert {path.name for path in place.iterdir() if path.is_dir()} == {"prune", "share", "tune"}
    events = [json.loads(line)["event"] for line in (place / "prune/log.jsonl").read_text().splitlines()]
    assert {"started", "epochended"} <= set(events)
    assert_same_bits(load_model(place / "model.safetensors"), found.model)
    assert json.loads((place / "compressed.json").read_text())["met"] is True


def test_another_request_is_refused_in_the_same_folder_but_a_larger_drop_goes_on(tmp_path):
    asked = {**QUICK, "folder": tmp_path / "f"}
    with pytest.raises(TargetMissedError):
        compress(trained(), clothes(), "14x", method="prune", max_drop=0.0, **asked)
    with pytest.raises(ResumeError) as raised:
        compress(trained(), clothes(), "15x", method="prune", **asked)
    assert raised.value.told(str) == "to 15x: the run has 14x"
    other = Model(network(), convsmith.build(network(), 7).state_dict(), clothes().classes, PREPROCESS)
    with pytest.raises(UsageError, match="another model or for other data"):
        compress(other, clothes(), "14x", method="prune", **asked)
    counted = Counting()
    found = compress(trained(), clothes(), "14x", method="prune", max_drop=100, observers=[counted], **asked)
    assert (found.met, counted.trainings) == (True, 0)


def test_a_folder_of_something_else_or_damaged_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/photo.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"^folder: .* holds something else"):
        compress(trained(), clothes(), "6x", folder=tmp_path / "full")
    asked = {**QUICK, "max_drop": 5, "folder": tmp_path / "f"}
    compress(trained(), clothes(), "6x", **asked)
    (tmp_path / "f/quantize/figures.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"figures.json is damaged .*remove"):
        compress(trained(), clothes(), "6x", **asked)
    (tmp_path / "f/compress.json").write_text("[]")
    with pytest.raises(RunFolderError, match=r"compress.json is damaged"):
        compress(trained(), clothes(), "6x", **asked)


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compress(trained(), clothes(), "6x", max_drop=5, **QUICK)
    assert list(Path(tmp_path).iterdir()) == []


def test_the_same_seed_gives_the_same_model():
    asked = {**QUICK, "method": "deep", "max_drop": 100.0}
    one, other = (compress(trained(), clothes(), "15x", seed=3, **asked).model for _ in range(2))
    assert_same_bits(one, other)


def test_the_report_says_what_each_step_bought():
    found = compress(trained(), clothes(), "60%-macs", max_drop=100, **QUICK)
    text = str(found)
    assert "slim-2: channels removed, " in text
    assert "target met" in text
    assert all("multiply-adds -" in bought for bought in found.bought())
    data = json.loads(json.dumps(found.to_json()))
    assert [one["name"] for one in data["steps"]] == ["slim-1", "slim-2"]
    assert data["after"] == data["steps"][-1]["figures"]


def test_training_images_among_the_test_images_are_said():
    mixed = replace(clothes(), splits={**clothes().splits, "test": clothes().split("train")})
    provenance = {"data": {"sketch": convsmith.evaluation.training_data.TrainingData.of(clothes()).sketch}}
    counted = Counting()
    compress(replace(trained(), provenance=provenance), mixed, "6x", max_drop=5, observers=[counted], **QUICK)
    assert any("TRAINED ON" in line for line in counted.lines)


def test_weights_left_are_exactly_on_their_grid():
    steps = prune_and_quantize(task("20x"))
    for key, grid in steps[-1].model.grids.items():
        whole = steps[-1].model.weights[key] / grid["scale"]
        assert torch.equal(whole.round() * grid["scale"], steps[-1].model.weights[key])
