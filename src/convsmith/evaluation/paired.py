"""Two models on the same images: what differs between them, and whether it is more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError
from convsmith.evaluation.measured import Measured, measured
from convsmith.evaluation.metrics import Interval, mean_of, wilson
from convsmith.evaluation.protocol import Protocol
from convsmith.model import Model
from convsmith.resolve import model_of

CHANCE = 0.05


@dataclass(frozen=True)
class Paired:
    """Two models' answers to the same images.

    `only` are the images that just the first, and just the second has right. `p_value` is of McNemar's exact test: how
    often models that are equally good would differ so much (McNemar 1947; Dietterich 1998, section 3). `difference` is
    the second's accuracy less the first's, with the 95% interval of a paired bootstrap.
    """

    data: str
    split: str
    images: int
    names: tuple[str, str]
    protocols: tuple[Protocol, Protocol]
    accuracies: tuple[Interval, Interval]
    both: int
    only: tuple[int, int]
    difference: Interval
    p_value: float

    @property
    def verdict(self) -> str:
        """What the test says, in a sentence."""
        if self.p_value >= CHANCE:
            return f"No difference beyond chance (McNemar's exact test, p = {self.p_value:.3g})."
        better = self.names[1] if self.difference.value > 0 else self.names[0]
        return f"{better} is better, by more than chance (McNemar's exact test, p = {self.p_value:.3g})."

    def to_json(self) -> dict[str, Any]:
        sides = zip(self.names, self.protocols, self.accuracies, self.only, strict=True)
        return {
            "data": self.data,
            "split": self.split,
            "images": self.images,
            "models": [
                {"name": name, "protocol": protocol.to_json(), "top1": top1.to_json(), "only_right": only}
                for name, protocol, top1, only in sides
            ],
            "both_right": self.both,
            "difference": self.difference.to_json(),
            "p_value": self.p_value,
        }

    def __str__(self) -> str:
        rows = [f"{self.data}: {self.split} split, {self.images:,} images; 95% intervals in brackets"]
        for name, protocol, top1, only in zip(self.names, self.protocols, self.accuracies, self.only, strict=True):
            rows += [f"{name}: top-1 accuracy {top1}, {only:,} images that the other has wrong", f"  {protocol}"]
        low, high = 100 * self.difference.low, 100 * self.difference.high
        rows.append(
            f"difference  {100 * self.difference.value:+.2f} points ({low:+.2f} to {high:+.2f}), paired bootstrap"
        )
        return "\n".join([*rows, self.verdict])


def paired(
    first: Model | str | Path,
    second: Model | str | Path,
    data: Dataset | str | Path,
    *,
    split: str | None = None,
    seed: int | None = None,
    protocol: Protocol | str | None = None,
) -> Paired:
    """Compares two models of the same classes on a split of a data set, by the same protocol.

    Raises UsageError where their classes differ, and as `evaluate` does.
    """
    models = model_of(first), model_of(second)
    if set(models[0].classes) != set(models[1].classes):
        others = sorted(set(models[0].classes) ^ set(models[1].classes))
        raise UsageError(f"the models have different classes: {', '.join(others[:5])}", settings="models")
    answers = [measured(model, data, split=split, seed=seed, protocol=protocol) for model in models]
    return compared(answers[0], answers[1], _names(first, second, models))


def compared(first: Measured, second: Measured, names: tuple[str, str]) -> Paired:
    """The comparison of two models' answers. Raises UsageError where they are not of the same images."""
    if (first.split, first.data.fingerprint, len(first.labels)) != (
        *(second.split, second.data.fingerprint),
        len(second.labels),
    ):
        raise UsageError("the models were measured on different images; say which split and seed", settings="split")
    hits = [one.logits.argmax(axis=1) == one.labels for one in (first, second)]
    only = int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum())
    return Paired(
        data=first.data.name,
        split=first.split,
        images=len(first.labels),
        names=names,
        protocols=(first.protocol, second.protocol),
        accuracies=(_accuracy(hits[0]), _accuracy(hits[1])),
        both=int((hits[0] & hits[1]).sum()),
        only=only,
        difference=mean_of(hits[1].astype(np.float64) - hits[0]),
        p_value=mcnemar(*only),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p-value of McNemar's exact test: of as many fair coins, how often is the split as uneven."""
    from scipy import stats  # type: ignore[import-untyped]

    count = only_first + only_second
    return float(stats.binomtest(only_first, count, 0.5).pvalue) if count else 1.0


def _accuracy(hits: NDArray[np.bool_]) -> Interval:
    return wilson(int(hits.sum()), len(hits))


def _names(first: Any, second: Any, models: tuple[Model, Model]) -> tuple[str, str]:
    """What the models were called; by letters where that is the same."""
    names = [
        str(given) if isinstance(given, str | Path) else model.network.name
        for given, model in zip((first, second), models, strict=True)
    ]
    return (names[0], names[1]) if names[0] != names[1] else (f"{names[0]} (A)", f"{names[1]} (B)")
