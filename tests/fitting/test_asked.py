"""What is asked for is laid over a recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from convsmith import Request, create
from convsmith.data.augment.augment import Augment
from convsmith.errors import UsageError
from convsmith.fitting.asked import with_asked
from convsmith.train.recipes.recipe import FineTuning, Recipe

TURNED = Augment(rotate=10.0, crop_padding=1, flip=True, quarter_turns=True)
RECIPE = replace(Recipe(epochs=2, batch_size=8, optimizer="sgd", learning_rate=0.1, weight_decay=0.0), augment=TURNED)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Request(), TURNED),
        (Request(turn=True), TURNED),
        (Request(turn=False), replace(TURNED, turn=False, rotate=0.0, quarter_turns=False)),
        (Request(flip=False), replace(TURNED, flip=False)),
        (Request(colour=False), replace(TURNED, colour=False)),
    ],
)
def test_changes_to_images_that_are_forbidden_are_not_made(asked: Request, expected: Augment) -> None:
    assert with_asked(asked, RECIPE, create("lenet5")).augment == expected


def test_frozen_layers_cannot_be_shown_mirror_images() -> None:
    frozen = replace(RECIPE, augment=Augment(), fine_tuning=FineTuning(frozen_stages=1))
    assert with_asked(Request(turn=False), frozen, create("lenet5")).augment == Augment()
    with pytest.raises(UsageError, match="see images as they are"):
        with_asked(Request(flip=True), frozen, create("lenet5"))
