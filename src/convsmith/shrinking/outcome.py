"""What a compression came to, in figures before and after each of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from convsmith import records
from convsmith.cost.table import aligned
from convsmith.data.dataset import Dataset
from convsmith.evaluation.metrics import Interval
from convsmith.evaluation.paired import CHANCE
from convsmith.model import Model
from convsmith.shrinking.figures import Figures
from convsmith.shrinking.target import Target, told

START = "start"


@dataclass(frozen=True)
class Record:
    """A step: its name, what it did, and what was measured after it."""

    name: str
    what: str
    figures: Figures


@dataclass(frozen=True)
class Tried:
    """A way that was tried: the figures that it came to, or None and the reason why it cannot reach the target."""

    name: str
    figures: Figures | None
    reason: str


@dataclass(frozen=True, eq=False)
class Compressed:
    """A smaller model, and the way to it.

    `limit` is the target's in bytes, multiply-adds or ms; `plain_bytes` the model's file with all weights in float32,
    which ratios are of. `before` was measured of the model as it was given; `steps` has the figures after each step,
    the last of which are the model's. `difference` is the test accuracy after less that before, with the 95% interval
    of a paired bootstrap, and `p_value` McNemar's. `given` is the model as it was, `models` are those after each step,
    and `dataset` is what they were measured on.
    """

    target: Target
    limit: float
    method: str
    max_drop: float
    epochs: int
    before: Figures
    plain_bytes: int
    steps: tuple[Record, ...]
    tried: tuple[Tried, ...]
    met: bool
    difference: Interval
    p_value: float
    test_images: int
    model: Model
    given: Model
    models: tuple[Model, ...]
    dataset: Dataset

    @property
    def after(self) -> Figures:
        """What was measured of the model."""
        return self.steps[-1].figures

    @property
    def ratio(self) -> float:
        """Times smaller than the file with all weights in float32."""
        return self.plain_bytes / self.after.bytes

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = records.to_json(
            {
                "data": self.dataset.name,
                "target": str(self.target),
                "limit": self.limit,
                "met": self.met,
                "method": self.method,
                "max_drop_points": self.max_drop,
                "epochs": self.epochs,
                "plain_bytes": self.plain_bytes,
                "ratio": self.ratio,
                "before": self.before.to_json(),
                "after": self.after.to_json(),
                "steps": [
                    {"name": one.name, "what": one.what, "bought": bought, "figures": one.figures.to_json()}
                    for one, bought in zip(self.steps, self.bought(), strict=True)
                ],
                "tried": [
                    {
                        "name": one.name,
                        "figures": None if one.figures is None else one.figures.to_json(),
                        "reason": one.reason,
                    }
                    for one in self.tried
                ],
                "test_images": self.test_images,
                "test_difference": self.difference.to_json(),
                "p_value": self.p_value,
            }
        )
        return data

    def bought(self) -> tuple[str, ...]:
        """What each step changed, in words."""
        pairs = zip(
            (self.before, *(one.figures for one in self.steps)), (one.figures for one in self.steps), strict=False
        )
        return tuple(", ".join(_changes(before, after)) for before, after in pairs)

    def __str__(self) -> str:
        lines = [
            f"{self.dataset.name}: decided on {self.before.val_images:,} val images, reported on {self.test_images:,} "
            "test images; 95% intervals in brackets",
            f"target: {self.target}, at most {told(self.target.measure, self.limit)}, "
            f"losing at most {self.max_drop:g} points on val",
            "",
            aligned(
                ("step", "val", "test", f"top-{self.before.k}", "bits", "file", "MACs", "ms"), self._rows(), "lrlrrrrr"
            ),
            "",
            *(f"{one.name}: {one.what}: {bought}" for one, bought in zip(self.steps, self.bought(), strict=True)),
            "",
            self._verdict(),
        ]
        return "\n".join(lines)

    def _rows(self) -> list[tuple[str, ...]]:
        named = ((START, self.before), *((one.name, one.figures) for one in self.steps))
        return [
            (
                name,
                f"{one.val.value:.2%}",
                str(one.top1),
                f"{one.topk.value:.2%}",
                one.bits,
                f"{one.bytes:,}",
                f"{one.macs:,}",
                f"{one.latency:.3g}",
            )
            for name, one in named
        ]

    def _verdict(self) -> str:
        low, high = 100 * self.difference.low, 100 * self.difference.high
        beyond = "beyond chance" if self.p_value < CHANCE else "no more than chance"
        met = "target met" if self.met else "TARGET NOT MET"
        return (
            f"{met}: {self.after.bytes:,} bytes, {self.ratio:.1f} times less than {self.plain_bytes:,} in float32; "
            f"test {100 * self.difference.value:+.2f} points ({low:+.2f} to {high:+.2f}, paired), {beyond}"
        )


def _changes(before: Figures, after: Figures) -> Iterator[str]:
    """What a step bought, and what it cost."""
    for what, was, now in (
        ("file", before.bytes, after.bytes),
        ("multiply-adds", before.macs, after.macs),
        ("latency", before.latency, after.latency),
    ):
        if was != now:
            yield f"{what} {100 * (now / was - 1):+.0f}%"
    yield f"val {100 * (after.val.value - before.val.value):+.2f} points"
