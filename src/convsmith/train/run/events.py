"""What a run tells while it goes on: to the log, to the screen, and to whoever called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Started:
    """Training begins, or goes on after `epoch` whole epochs and `step` steps of the next."""

    epochs: int
    steps_per_epoch: int
    batch_size: int
    train_images: int
    arithmetic: str = ""
    epoch: int = 0
    step: int = 0


@dataclass(frozen=True)
class EpochEnded:
    """Figures of one epoch (from 1). Losses are means per image; `val_loss` is plain cross-entropy.

    `images_per_second` is of training alone, since the run was last started. Without a val split its figures are None.
    `gradient_norm` is the L2 norm of all gradients in the epoch's last step, before any clipping; None where it was
    not measured, or was not finite.
    """

    epoch: int
    train_loss: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    images_per_second: float
    gradient_norm: float | None = None


@dataclass(frozen=True)
class Noticed:
    """Something that the user should know: a damaged checkpoint, a file that became unreadable, an early stop."""

    text: str


@dataclass(frozen=True)
class StepEnded:
    """One update is done: `step` of the epoch that follows `epoch` whole ones, from 1. Not logged."""

    epoch: int
    step: int


LoggedEvent = Started | EpochEnded | Noticed
Event = LoggedEvent | StepEnded


def to_json(event: LoggedEvent) -> dict[str, Any]:
    """A line of log.jsonl: the event's name and its fields."""
    return {"event": type(event).__name__.lower(), **asdict(event)}


KINDS: dict[str, type[LoggedEvent]] = {kind.__name__.lower(): kind for kind in (Started, EpochEnded, Noticed)}


def from_json(data: object) -> LoggedEvent:
    """The event of a line of log.jsonl. Fields that this version does not know are left out, so that logs of later
    versions can be read; those that came later have defaults, so that older logs can.

    Raises ValueError saying what is wrong.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("event"), str) or data["event"] not in KINDS:
        raise ValueError("not an event")
    kind = KINDS[data["event"]]
    values = {}
    for field in fields(kind):
        if field.name in data:
            values[field.name] = _checked(field.name, data[field.name], str(field.type))
        elif field.default is MISSING:
            raise ValueError(f"{data['event']} lacks {field.name}")
    return kind(**values)


def _checked(name: str, value: object, wanted: str) -> Any:
    """The value of a field, given the words of its annotation."""
    allowed = {"int": (int,), "float": (int, float), "str": (str,), "None": (type(None),)}
    types = tuple(one for word in wanted.split(" | ") for one in allowed[word])
    if not isinstance(value, types) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}")
    return value
