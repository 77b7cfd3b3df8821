"""Answers that are as precise as they can be at an accuracy that is asked for: "dog" where the breed is unsure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.evaluation.metrics import Interval, wilson
from convsmith.evaluation.nouns.meaning import Meant, membership, specific

STEPS = 25
"""Of the bisection for the price of a wrong answer."""

LARGEST_PRICE_RATIO = 1e4
"""Times the information of a class: a price at which the root is answered wherever anything is unsure."""

HIGHER = 1e-6
"""Bits taken off for each step up: of a kind and its only kind, the more precise is the answer."""

ROWS = 4_096
"""Images whose probabilities at every synset are in memory at once."""


@dataclass(frozen=True)
class Hedged:
    """What answering less precisely gives.

    `accuracy` is the share of answers that are true of their image, against `target`; `information` the mean of what a
    true answer tells, in bits, of `most_bits` for a class; `classes` the share of answers that name a class;
    `commonest` the answers above the classes, by how often they were given.
    """

    target: float
    accuracy: Interval
    information: float
    most_bits: float
    classes: float
    commonest: tuple[tuple[str, int], ...]

    def to_json(self) -> dict[str, Any]:
        figures = {"information_bits": self.information, "most_bits": self.most_bits, "share_of_classes": self.classes}
        commonest = [{"name": name, "answers": count} for name, count in self.commonest]
        return {"target": self.target, "accuracy": self.accuracy.to_json(), **figures, "commonest": commonest}


def hedged(
    logits: NDArray[np.floating[Any]], labels: NDArray[np.int64], meant: Meant, accuracy: float, shown: int = 5
) -> Hedged:
    """Trades precision for accuracy as DARTS does (Deng et al. 2012, "Hedging Your Bets", section 3).

    Each answer is the synset v of the largest (information(v) + price) * probability(v), where information is the bits
    by which v narrows the classes down, and the price is the smallest at which `accuracy` is reached. It is chosen on
    one half of the images and measured on the other, both ways round.
    """
    below = membership(meant.ids, meant.hierarchy)
    true = membership(meant.truths, meant.hierarchy) | specific(meant.truths, meant.hierarchy)
    bits = np.log2(len(meant.ids)) - np.log2(below.sum(axis=0))
    worth = bits - HIGHER * np.array([meant.hierarchy.heights[name] for name in meant.hierarchy])
    halves = [np.arange(start, len(labels), 2) for start in (0, 1)]
    answers = np.zeros(len(labels), np.int64)
    for chosen_on, measured_on in (halves, halves[::-1]):
        price = _smallest_price(logits[chosen_on], true[labels[chosen_on]], below, worth, accuracy)
        answers[measured_on] = _answers(logits[measured_on], below, worth, price)
    right = true[labels, answers]
    ids = list(meant.hierarchy)
    classes = np.isin(np.array(ids), np.array(meant.ids))
    above = Counter(meant.hierarchy[ids[one]].names[0] for one in answers[~classes[answers]].tolist())
    return Hedged(
        target=accuracy,
        accuracy=wilson(int(right.sum()), len(labels)),
        information=float((bits[answers] * right).mean()),
        most_bits=float(bits.max()),
        classes=float(classes[answers].mean()),
        commonest=tuple(above.most_common(shown)),
    )


def _smallest_price(
    logits: NDArray[np.floating[Any]],
    true: NDArray[np.bool_],
    below: NDArray[np.bool_],
    worth: NDArray[np.float64],
    accuracy: float,
) -> float:
    """The least price at which the answers are right often enough, by bisection: accuracy grows with it.

    `true` says which synsets are true of each image (N, synsets).
    """

    def enough(price: float) -> bool:
        answers = _answers(logits, below, worth, price)
        return not len(answers) or bool(true[np.arange(len(answers)), answers].mean() >= accuracy)

    low, high = 0.0, LARGEST_PRICE_RATIO * float(worth.max() or 1.0)
    if enough(low):
        return low
    for _ in range(STEPS):
        middle = (low + high) / 2 if low else high / 4
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _answers(
    logits: NDArray[np.floating[Any]], below: NDArray[np.bool_], worth: NDArray[np.float64], price: float
) -> NDArray[np.int64]:
    """The place of the answer to each image among the synsets."""
    from scipy.special import softmax  # type: ignore[import-untyped]

    weights = below.astype(np.float32)
    parts = [
        ((worth + price) * (softmax(logits[start : start + ROWS].astype(np.float32), axis=1) @ weights)).argmax(axis=1)
        for start in range(0, len(logits), ROWS)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
