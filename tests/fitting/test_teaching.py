"""`fit` with a teacher: what it records, what it refuses, and how it resumes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import convsmith
from convsmith import Model, Preprocess, Request
from convsmith.cluster import Job, train as worker
from convsmith.errors import UsageError
from convsmith.fitting.fit import Extras
from convsmith.report.page import page
from convsmith.report.record import read_run
from convsmith.request import ResumeError
from convsmith.train import EpochEnded
from convsmith.train.run.store import RunStore

QUICK = Request(epochs=2, precision="float32", memory_format="contiguous", compiled=False)


@pytest.fixture(scope="module")
def dataset() -> convsmith.Dataset:
    labels = np.arange(240) % 2
    images = np.random.default_rng(0).integers(0, 120, (240, 16, 16), dtype=np.uint8)
    images[labels == 1, :, 4:8] += 100
    return convsmith.Dataset.from_arrays(images, labels, classes=("plain", "bar"))


@pytest.fixture(scope="module")
def student() -> convsmith.Network:
    return convsmith.create("lenet5", classes=2, input=(1, 16, 16))


@pytest.fixture(scope="module")
def teacher() -> Model:
    """Untrained, of three classes, at another size and in colour."""
    net = convsmith.create("resnet20", classes=3, input=(3, 32, 32))
    preprocess = Preprocess(3, (32, 32), 32, (0.4,) * 3, (0.3,) * 3)
    return Model(net, convsmith.build(net, 1).state_dict(), ("bar", "other", "plain"), preprocess)


def test_the_run_says_who_taught_and_how_well_it_sees(
    dataset: convsmith.Dataset, student: convsmith.Network, teacher: Model, tmp_path: Path
) -> None:
    request = replace(QUICK, teacher=teacher, distill="attention", temperature=2.0)
    made = convsmith.fit(dataset, student, request, out=tmp_path / "run")
    assert made.network == student
    assert made.verification.passed
    told = json.loads((tmp_path / "run/run.json").read_text())["taught_by"]
    assert told["network"] == "resnet20"
    assert told["distillation"]["kind"] == "attention"
    assert told["distillation"]["temperature"] == 2.0
    assert told["split"] == "val"
    assert 0 <= told["accuracy"]["low"] <= told["accuracy"]["value"] <= told["accuracy"]["high"] <= 1
    assert made.model.provenance["taught_by"] == told
    shown = page(read_run(tmp_path / "run"))
    assert f"resnet20, {told['accuracy']['value']:.2%} on val" in shown


@pytest.mark.parametrize("kind", ["soft", "hints"])
def test_a_stopped_run_resumes_with_the_teacher_that_it_kept(
    dataset: convsmith.Dataset, student: convsmith.Network, teacher: Model, tmp_path: Path, kind: str
) -> None:
    def stop(event: object, training: convsmith.Training | None) -> None:
        if isinstance(event, EpochEnded) and training is not None:
            training.stop()

    file = tmp_path / "teacher.safetensors"
    convsmith.save_model(teacher, file)
    request = replace(QUICK, teacher=str(file), distill=kind)
    whole = convsmith.fit(dataset, student, request, out=tmp_path / "whole")
    convsmith.fit(dataset, student, request, out=tmp_path / "broken", observers=[stop])
    for left in ("model.safetensors", "model.onnx"):
        (tmp_path / "broken" / left).unlink(missing_ok=True)
    file.unlink()
    resumed = convsmith.fit(dataset, request=Request(), out=tmp_path / "broken", resume=True)
    assert len(resumed.training.history) == 2
    for name, value in whole.training.weights.items():
        assert torch.equal(value, resumed.training.weights[name]), name


def test_another_way_of_teaching_is_refused_on_resume(
    dataset: convsmith.Dataset, student: convsmith.Network, teacher: Model, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    convsmith.fit(dataset, student, replace(QUICK, epochs=1, teacher=teacher), out=out)
    other = Request(teacher=teacher, distill="hints", temperature=9.0)
    with pytest.raises(ResumeError, match=r"distill hints: the run has soft; temperature 9.0: the run has 4.0"):
        convsmith.fit(dataset, request=other, out=out, resume=True)


def test_a_worker_of_a_cluster_finds_the_teacher_in_the_runs_folder(
    dataset: convsmith.Dataset,
    student: convsmith.Network,
    teacher: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = convsmith.fit(dataset, student, replace(QUICK, epochs=1, teacher=teacher), out=tmp_path / "whole")
    there = tmp_path / "there"
    there.mkdir()
    shutil.copy(tmp_path / "whole/teacher.safetensors", there)
    plan = json.loads((tmp_path / "whole/run.json").read_text())
    monkeypatch.setattr(worker, "open_dataset", lambda *words, **settings: dataset)
    job = Job(plan, "bars", 0, False, 0.1, str(there), None)
    worker._train(job, torch.device("cpu"), SimpleNamespace(put=lambda event: None))
    saved, _ = RunStore(there).load()
    assert saved is not None
    for name, value in whole.training.weights.items():
        assert torch.equal(value, saved.tensors[f"delivered/{name}"]), name


def test_a_time_limit_counts_the_teacher(
    dataset: convsmith.Dataset, student: convsmith.Network, teacher: Model, tmp_path: Path
) -> None:
    """The pace is measured on the objective's own steps: a heavy teacher leaves time for fewer updates."""
    from convsmith.fitting.choice import choose_plan
    from convsmith.fitting.measured import _task
    from convsmith.fitting.teaching import with_teacher
    from convsmith.train.distillation.distilling import REGRESSOR, DistillationLoss

    request = replace(QUICK, network=student, teacher=teacher, distill="hints")
    chosen = with_teacher(request, choose_plan(request, dataset), dataset)
    task = _task(chosen.plan, chosen, dataset, None)
    assert isinstance(task.objective, DistillationLoss)
    assert f"{REGRESSOR}.weight" in task.module.state_dict()


def test_what_cannot_be_taught_is_refused_and_leaves_no_folder(
    dataset: convsmith.Dataset, student: convsmith.Network, teacher: Model, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    strange = replace(teacher, classes=("a", "b", "c"))
    with pytest.raises(UsageError, match="does not know the classes plain, bar"):
        convsmith.fit(dataset, student, replace(QUICK, teacher=strange), out=out)
    frozen = replace(QUICK, teacher=teacher, pretrained=teacher, freeze="features")
    with pytest.raises(UsageError, match="teacher, freeze: a classifier on frozen features"):
        convsmith.fit(dataset, None, frozen, out=out)
    own = Extras(objective=lambda outputs, batch, module: outputs.sum())
    with pytest.raises(UsageError, match="teacher: is an objective of its own"):
        convsmith.fit(dataset, student, replace(QUICK, teacher=teacher), out=out, extras=own)
    assert not out.exists()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"distill": "hints"}, "distill: needs? a teacher"),
        ({"temperature": 2.0}, "temperature: needs? a teacher"),
        ({"teacher": "t", "temperature": 0.0}, "temperature: must be above 0"),
        ({"teacher": "t", "distill": "warm"}, "unknown kind of distillation 'warm'"),
    ],
)
def test_settings_of_a_teacher_are_checked(settings: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Request(**settings)
