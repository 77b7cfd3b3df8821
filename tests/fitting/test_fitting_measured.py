"""What is measured before a run shortens what was chosen for a faster machine, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_rivals import QUICK, bars

from convsmith.fitting import measured
from convsmith.fitting.choice import choose_plan
from convsmith.fitting.chosen import Chosen
from convsmith.fitting.measured import FEWEST_EPOCHS, measure
from convsmith.train.tune.pace import Pace

EPOCHS = 10
ASKED = replace(QUICK, epochs=None)


@pytest.fixture(scope="module")
def chosen() -> Chosen:
    found = choose_plan(replace(QUICK, network="lenet5"), bars())
    return replace(found, plan=replace(found.plan, recipe=replace(found.plan.recipe, epochs=EPOCHS)))


@pytest.mark.parametrize(("usual", "epochs"), [(1e9, EPOCHS), (90.0, 9), (1e-3, FEWEST_EPOCHS * EPOCHS)])
def test_epochs_are_left_out_where_all_take_too_long(
    chosen: Chosen, monkeypatch: pytest.MonkeyPatch, usual: float, epochs: int
) -> None:
    recipe, images = chosen.plan.recipe, len(bars().split("train"))
    updates = images // min(recipe.batch_size, images)
    monkeypatch.setattr(measured, "pace_of", lambda task, tuned: Pace(9.0 / updates, 0.75, 0.25))  # 10 s an epoch
    plan, tuned = measure(ASKED, replace(chosen, usual_seconds=usual), bars(), None)
    assert tuned is not None
    assert plan.recipe.epochs == epochs
    assert plan.recipe.warmup_epochs == pytest.approx(recipe.warmup_epochs * epochs / EPOCHS)
    assert any("in place of 10" in note for note in plan.notes) == (epochs < EPOCHS)


def test_what_was_asked_for_is_left_as_it_is(chosen: Chosen) -> None:
    assert measure(ASKED, chosen, bars(), None) == (chosen.plan, None)
    assert choose_plan(QUICK, bars()).usual_seconds is None
    assert choose_plan(ASKED, bars()).usual_seconds is not None
