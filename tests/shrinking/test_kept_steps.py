"""Steps in a folder: what is there after a refusal, how it goes on, and what is refused there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from little import PREPROCESS, RECIPE, Counting, assert_same_bits, clothes, network, trained

import convsmith
from convsmith.errors import RunFolderError, UsageError
from convsmith.model import Model, load_model
from convsmith.request import ResumeError
from convsmith.shrinking import work
from convsmith.shrinking.compress import TargetMissedError, compress

QUICK = {"recipe": RECIPE, "epochs": 9}


class Missed(NamedTuple):
    error: TargetMissedError
    folder: Path


@pytest.fixture(scope="module", autouse=True)
def few_images():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "SAMPLE_IMAGES", 256)
        yield


@pytest.fixture(scope="module")
def missed(tmp_path_factory: pytest.TempPathFactory) -> Missed:
    """50 times smaller without any loss: all three ways are tried, and none does it."""
    folder = tmp_path_factory.mktemp("compressions") / "missed"
    with pytest.raises(TargetMissedError) as raised:
        compress(trained(), clothes(), "50x", max_drop=0.0, folder=folder, **QUICK)
    return Missed(raised.value, folder)


def test_a_refusal_says_what_was_reached_and_what_would_be_allowed(missed):
    told = str(missed.error)
    assert told.startswith("to, max_drop: at most ")
    assert "quantize: it loses " in told
    assert "allow a drop of " in told
    assert missed.error.exit_code == 1
    reached = missed.error.reached
    assert (reached.met, reached.after.bytes <= reached.limit) == (False, True)
    drops = [reached.before.val.value - one.figures.val.value for one in reached.tried]
    assert len(drops) == 3
    assert reached.before.val.value - reached.after.val.value == min(drops) > 0
    assert f"{100 * min(drops):.2f} points" in told
    assert "TARGET NOT MET" in str(reached)
    assert not (missed.folder / "model.safetensors").exists()


def test_pruning_and_training_keep_what_quantization_alone_loses(missed):
    tried = {one.name: one.figures for one in missed.error.reached.tried}
    assert tried["prune and quantize"].val.value > tried["quantize"].val.value
    assert tried["slim, prune and quantize"].macs < missed.error.reached.before.macs


def test_each_step_has_its_model_figures_and_log(missed):
    steps = {path.name for path in missed.folder.iterdir() if path.is_dir()}
    assert {"quantize", "prune", "quantize-pruned", "tune", "slim", "slim-tune"} <= steps
    for step in steps:
        size = (missed.folder / step / "model.safetensors").stat().st_size
        assert json.loads((missed.folder / step / "figures.json").read_bytes())["figures"]["bytes"] == size
    events = [json.loads(line)["event"] for line in (missed.folder / "tune/log.jsonl").read_text().splitlines()]
    assert {"started", "epochended"} <= set(events)


def test_pruned_weights_stay_pruned_and_tuned_ones_stay_on_their_grid(missed):
    pruned, small, fine = (
        load_model(missed.folder / step / "model.safetensors") for step in ("prune", "quantize-pruned", "tune")
    )
    key = "fc1.weight"
    assert not small.weights[key][pruned.weights[key] == 0].any()
    assert not fine.weights[key][small.weights[key] == 0].any()
    whole = fine.weights[key] / fine.grids[key]["scale"]
    assert torch.equal(whole.round() * fine.grids[key]["scale"], fine.weights[key])


def test_a_larger_drop_goes_on_with_the_steps_that_are_there(missed):
    counted = Counting()
    again = compress(trained(), clothes(), "50x", max_drop=100, folder=missed.folder, observers=[counted], **QUICK)
    assert (again.met, counted.trainings) == (True, 0)
    assert_same_bits(load_model(missed.folder / "model.safetensors"), again.model)
    assert json.loads((missed.folder / "compressed.json").read_bytes())["met"] is True


def test_another_request_is_refused_in_the_same_folder(missed):
    with pytest.raises(ResumeError) as raised:
        compress(trained(), clothes(), "30x", folder=missed.folder, **QUICK)
    assert raised.value.told(str) == "to 30x: the run has 50x"
    other = Model(network(), convsmith.build(network(), 7).state_dict(), clothes().classes, PREPROCESS)
    with pytest.raises(UsageError, match="another model or for other data"):
        compress(other, clothes(), "50x", folder=missed.folder, **QUICK)


def test_a_compression_goes_on_where_it_was_stopped(tmp_path):
    asked = {"recipe": RECIPE, "epochs": 4, "method": "deep", "max_drop": 100.0}
    whole = compress(trained(), clothes(), "15x", **asked)
    with pytest.raises(KeyboardInterrupt):
        compress(trained(), clothes(), "15x", folder=tmp_path / "parts", observers=[Counting(stop=2)], **asked)
    again = Counting()
    resumed = compress(trained(), clothes(), "15x", folder=tmp_path / "parts", observers=[again], **asked)
    assert_same_bits(resumed.model, whole.model)
    assert again.epochs == 3


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
