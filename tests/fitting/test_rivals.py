"""Without a network that is named, `fit` looks at the data, designs, and compares by short trainings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convsmith
from convsmith import Request
from convsmith.errors import LimitError
from convsmith.evaluation.metrics import wilson
from convsmith.fitting import rivals
from convsmith.fitting.choice import choose_plan
from convsmith.fitting.fit import fit
from convsmith.report.choice import choice_of
from convsmith.report.page import page
from convsmith.report.record import read_run
from convsmith.train.run.events import EpochEnded

QUICK = Request(epochs=2, precision="float32", memory_format="contiguous", compiled=False)


def bars(count: int = 400, side: int = 16, colour: bool = False) -> convsmith.Dataset:
    """Two classes, a bar that lies or stands, hardly brighter than the noise around it."""
    labels = np.arange(count) % 2
    generator = np.random.default_rng(0)
    images = generator.integers(0, 160, (count, side, side, 3 if colour else 1), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        at = generator.integers(2, side - 4)
        image[(slice(None), slice(at, at + 2)) if label else (slice(at, at + 2), slice(None))] += 60
    return convsmith.Dataset.from_arrays(images, labels, classes=("lies", "stands"))


def test_the_choice_is_designed_compared_and_recorded(tmp_path: Path) -> None:
    told: list[str] = []
    made = fit(bars(), request=QUICK, out=tmp_path, observers=(lambda event, training: told.append(str(event)),))
    choice = json.loads((tmp_path / "run.json").read_text())["choice"]
    assert {trial["kind"] for trial in choice["trials"]} == {"own design", "zoo"}
    assert any(trial["network"] == made.network.name for trial in choice["trials"])
    assert {decision["name"] for decision in choice["design"]["decisions"]} >= {"channels", "kernels", "augmentation"}
    assert choice["design"]["evidence"]["basics"]["classes"] == 2
    assert any("measuring" in line for line in told)


def test_the_page_shows_the_choice_its_evidence_and_what_was_rejected(tmp_path: Path) -> None:
    fit(bars(), request=QUICK, out=tmp_path)
    record = read_run(tmp_path)
    shown = choice_of(record)
    assert shown is not None
    text = page(record)
    assert all(trial["network"] in text for trial in shown.trials)
    assert all(name in text for name in ("Reasons", "what would change it", "expected accuracy"))
    damaged = replace(record, plan={**record.plan, "choice": {"trials": 3, "design": {"candidates": [None, "x"]}}})
    assert "Choice" in page(damaged)


def test_a_run_that_is_resumed_does_not_choose_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(event: object, training: object) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fit(bars(), request=replace(QUICK, epochs=3), out=tmp_path, observers=(stop,))
    network = json.loads((tmp_path / "run.json").read_text())["network"]["name"]
    monkeypatch.setattr(rivals, "gather", None)
    assert fit(bars(), out=tmp_path, resume=True).network.name == network


@pytest.mark.parametrize("best", ["own design", "zoo"])
def test_what_the_best_trial_says_is_taken(best: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "SHORTEST_TRIAL", float("-inf"))
    right = iter({"own design": 50, "zoo": 50, best: 90}.values())
    monkeypatch.setattr(rivals, "accuracy_in", lambda *_: wilson(next(right), 100))
    chosen = choose_plan(replace(QUICK, data=bars()), bars())
    assert chosen.choice is not None
    taken = [trial.kind for trial in chosen.choice.trials if trial.verdict.startswith("taken")]
    assert taken == [best]


def test_the_real_trial_tells_a_network_that_learns_from_one_that_cannot() -> None:
    from convsmith.fitting.trials import accuracy_in

    dataset = bars(1200)
    chosen = choose_plan(replace(QUICK, data=dataset, network="lenet5"), dataset)
    stuck = replace(chosen, plan=replace(chosen.plan, recipe=replace(chosen.plan.recipe, learning_rate=1e-9)))
    learns, cannot = (accuracy_in(each, dataset, 3.0, 1e-3) for each in (chosen, stuck))
    assert learns is not None
    assert cannot is not None
    assert learns.value > cannot.value + 0.1


def test_without_weights_at_hand_nothing_is_fetched_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "weights_at_hand", lambda: [])
    monkeypatch.setattr("urllib.request.urlopen", None)
    told: list[str] = []
    photos = bars(60, 64, colour=True)
    chosen = choose_plan(replace(QUICK, data=photos), photos, told.append)
    assert chosen.start is None
    assert any("no pretrained weights are at hand" in line for line in told)


@pytest.mark.parametrize(("limit", "bound"), [("max_params", 4000), ("max_macs", 90_000), ("max_size", 60_000)])
def test_limits_hold_for_whatever_is_chosen(limit: str, bound: int) -> None:
    from convsmith import cost_of
    from convsmith.design.limits import Limits, keeps

    chosen = choose_plan(replace(QUICK, data=bars(), **{limit: bound}), bars())
    assert keeps(Limits(**{limit: bound}), cost_of(chosen.plan.network))


def test_a_limit_that_nothing_meets_is_refused_before_the_data_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "gather", None)
    with pytest.raises(LimitError, match="the smallest network designed"):
        choose_plan(replace(QUICK, data=bars(), max_params=5), bars())


def test_the_side_and_the_recipe_that_are_asked_for_are_heeded() -> None:
    request = replace(QUICK, data=bars(), side=24, recipe="fast", batch_size=16)
    plan = choose_plan(request, bars()).plan
    assert plan.preprocess.crop == (24, 24)
    assert (plan.recipe.name, plan.recipe.batch_size, plan.recipe.epochs) == ("fast", 16, 2)


def test_other_epochs_take_other_time_but_get_the_same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    paces = []

    def noted(*args: Any, seconds: float, epochs: int, **more: Any) -> Any:
        paces.append(seconds / epochs)
        raise LimitError("enough is known")

    monkeypatch.setattr(rivals, "designed", noted)
    for request in (QUICK, replace(QUICK, epochs=200), replace(QUICK, epochs=None, recipe="fast")):
        with pytest.raises(LimitError, match="enough"):
            rivals.best_way(replace(request, data=bars()), bars())
    assert paces == pytest.approx([paces[0]] * 3)
