"""What a run tells while it goes on: to the log, to the screen, and to whoever called."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Started:
    """Training begins, or goes on after `epoch` whole epochs and `step` steps of the next."""

    epochs: int
    steps_per_epoch: int
    batch_size: int
    train_images: int
    plan: str
    epoch: int = 0
    step: int = 0


@dataclass(frozen=True)
class EpochEnded:
    """Figures of one epoch (from 1). Losses are means per image; `val_loss` is plain cross-entropy.

    `images_per_second` is of training alone, since the run was last started. Without a val split its figures are None.
    """

    epoch: int
    train_loss: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    images_per_second: float


@dataclass(frozen=True)
class Noticed:
    """Something that the user should know: a damaged checkpoint, a file that became unreadable, an early stop."""

    text: str


Event = Started | EpochEnded | Noticed


def to_json(event: Event) -> dict[str, Any]:
    """A line of log.jsonl: the event's name and its fields."""
    return {"event": type(event).__name__.lower(), **asdict(event)}
