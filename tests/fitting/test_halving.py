"""Trainings side by side, of which the worse half stops again and again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from convsmith import Dataset
from convsmith.errors import UsageError
from convsmith.fitting.chosen import Chosen
from convsmith.fitting.halving import Reached, epochs_in_all, rungs_of, successive_halving
from convsmith.network import builder as nn
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.plan import RunPlan

RECIPE = Recipe(4, 16, "sgd", 0.05, 0.0, precision="float32", memory_format="contiguous", compiled=False)


def shades(count: int = 160) -> Dataset:
    """Dark and light squares."""
    labels = np.arange(count) % 2
    noise = np.random.default_rng(0).integers(0, 120, (count, 8, 8, 1), np.uint8)
    return Dataset.from_arrays(noise + (100 * labels).astype(np.uint8)[:, None, None, None], labels)


def entrant(*, rate: float = 0.05, epochs: int = 4) -> Chosen:
    net = nn.write("tiny", (1, 8, 8), lambda x: nn.linear(nn.relu(nn.batch_norm(nn.conv(x, 4, 3, 2))), 2))
    prepare = Preprocess(1, (8, 8), 8, (0.4,), (0.3,))
    return Chosen(RunPlan(net, "", prepare, replace(RECIPE, learning_rate=rate, epochs=epochs)))


@pytest.mark.parametrize(
    ("epochs", "entrants", "rungs"),
    [(8, 12, (1, 2, 4, 8)), (8, 2, (8,)), (8, 3, (4, 8)), (5, 16, (1, 2, 3, 5)), (1, 9, (1,))],
)
def test_each_step_has_twice_the_epochs_of_the_one_before(epochs: int, entrants: int, rungs: tuple[int, ...]) -> None:
    assert rungs_of(epochs, entrants) == rungs


def test_most_stop_early() -> None:
    assert epochs_in_all(8, 12) == 12 + 6 + 3 * 2 + 2 * 4
    assert epochs_in_all(8, 0) == 0


def test_the_better_half_goes_on_and_each_is_told_of_at_every_step() -> None:
    told: list[tuple[int, int]] = []
    # Rates at which nothing is learned are out first.
    rates = (1e-9, 0.05, 1e-9, 0.05)
    found = successive_halving(
        [entrant(rate=rate) for rate in rates], shades(), lambda index, reached: told.append((index, reached.epochs))
    )
    assert [reached.finished for reached in found] == [False, True, False, True]
    assert [reached.epochs for reached in found] == [2, 4, 2, 4]
    assert told == [(0, 2), (1, 2), (2, 2), (3, 2), (1, 4), (3, 4)]
    assert found[1].value > found[0].value


def test_one_that_goes_on_is_as_if_it_were_alone() -> None:
    alone = successive_halving([entrant()], shades())[0]
    beside = successive_halving([entrant(), entrant(rate=1e-9), entrant(rate=1e-9)], shades())[0]
    assert beside == alone


def test_a_training_that_diverges_is_out() -> None:
    found = successive_halving([entrant(rate=1e30), entrant(), entrant()], shades())
    assert found[0].accuracy is None
    assert str(found[0]) == "2 epochs, diverged"
    assert not found[0].finished


def test_trainings_of_different_lengths_are_not_compared() -> None:
    with pytest.raises(UsageError, match=r"as many epochs, not \[2, 4\]"):
        successive_halving([entrant(), entrant(epochs=2)], shades())


def test_a_training_without_accuracy_is_the_worst() -> None:
    assert Reached(1, None, finished=False).value < 0
