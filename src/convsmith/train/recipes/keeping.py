"""Which changes to training images keep their class: by the classes' names, and by the images themselves."""

from __future__ import annotations

from dataclasses import replace

from convsmith.data.augment.augment import (
    Augment,
    colour_keeps_class,
    flip_keeps_class,
    turn_keeps_class,
    written_characters,
)
from convsmith.data.checks.exchange import ChangeName, exchanged_classes
from convsmith.data.dataset import Dataset

_BY_NAMES = {"mirror": flip_keeps_class, "turn": turn_keeps_class, "colour": colour_keeps_class}
_SAID = {"mirror": "sides", "turn": "directions", "colour": "colours"}


def keeps_class(dataset: Dataset, change: ChangeName) -> bool:
    """Whether a change leaves images in their class, by words and pixels."""
    return _BY_NAMES[change](dataset.classes) and exchanged_classes(dataset, change) is None


def reason_against(dataset: Dataset, change: ChangeName) -> str | None:
    """Why a change does not keep the class, in words; None if it does."""
    exchange = exchanged_classes(dataset, change)
    if exchange is not None:
        return str(exchange)
    if _BY_NAMES[change](dataset.classes):
        return None
    written = change != "colour" and written_characters(dataset.classes)
    return "the classes are written characters" if written else f"the classes' names say {_SAID[change]}"


def with_trivial(augment: Augment, dataset: Dataset) -> Augment:
    """With TrivialAugment, as far as its changes keep the class."""
    turn, colour = keeps_class(dataset, "turn"), keeps_class(dataset, "colour")
    return replace(augment, trivial=True, turn=turn, colour=colour)
