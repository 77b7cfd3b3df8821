"""Labels that are probably wrong, by confident learning on embeddings.

Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 70:1373): a model
that never saw an image says how likely each class is; a class's threshold is the mean confidence in it of the images
that bear its label (section 3.1, equation 2); images whose most likely class above its threshold is another than their
label are counted in the confident joint (equation 1), which gives the share of wrong labels; images are ranked by their
self-confidence, the probability of the label that they bear (section 3.3).

Where two classes look alike, the confident joint counts images that are merely hard. So the cut is made by Bayes' rule:
a label is called wrong where it is likelier to have come about by an error than to be right.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

FOLDS = 4
MIN_IMAGES = 8
"""Of a class, below which nothing is said of its labels."""

STRENGTHS = (0.01, 0.05, 0.3, 2.0)
"""Of the classifier: scikit-learn's C, for features whose standard deviation is 1 in all. That with the least
cross-entropy on images that were not seen is taken: a classifier that believes every label finds no wrong one, and one
that believes none is sure of nothing."""

CHOSEN_ON = 4_000
"""Images, at most, on which that is tried."""

UNLIKELY = 0.1
"""Of the share that guessing gives a class: a label that is less likely is called wrong however few seem to be."""

ROUNDS = 60
"""Of the classifier's optimizer, which has settled by then."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """`places` int64 (E,) of images whose label is probably wrong, the surest first; `suggested` int64 (E,), the
    likeliest class of each; `confidence` float (E,), the probability of the label that it bears. `noise` is the
    estimated share of wrong labels, by the confident joint; `accuracy` that of the classifier against the labels."""

    places: NDArray[np.int64]
    suggested: NDArray[np.int64]
    confidence: NDArray[np.float64]
    noise: float
    accuracy: float


def label_errors(
    values: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> LabelErrors | None:
    """The labels (N,) that are probably wrong, of images with embeddings (N, D); None where too little is there.

    Classes of fewer than MIN_IMAGES are left out, and at least two others are needed.
    """
    counts = np.bincount(labels)
    known = np.flatnonzero(counts >= MIN_IMAGES)
    rows = np.flatnonzero(np.isin(labels, known))
    if len(known) < 2:
        return None
    given = np.searchsorted(known, labels[rows])
    probabilities = cross_validated(values[rows], given, seed, progress)
    own = probabilities[np.arange(len(rows)), given]
    noise = _noise(probabilities, given)
    wrong = np.flatnonzero(own < max(2 * noise / (len(known) - 1), UNLIKELY / len(known)))
    wrong = wrong[probabilities[wrong].argmax(1) != given[wrong]]
    wrong = wrong[np.argsort(own[wrong], kind="stable")]
    accuracy = float((probabilities.argmax(1) == given).mean())
    return LabelErrors(rows[wrong], known[probabilities[wrong].argmax(1)], own[wrong], noise, accuracy)


def cross_validated(
    values: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> NDArray[np.float64]:
    """Probabilities (N, K), each from a classifier that did not see the image."""
    scaled = values - values.mean(0)
    scaled /= max(float(scaled.std()), 1e-9)
    some = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), CHOSEN_ON)).astype(np.int64))
    losses = [_loss(_held_out(scaled[some], labels[some], c, seed), labels[some]) for c in STRENGTHS]
    return _held_out(scaled, labels, STRENGTHS[int(np.argmin(losses))], seed, progress)


def _loss(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-6)).mean())


def _held_out(
    scaled: NDArray[np.float32],
    labels: NDArray[np.int64],
    strength: float,
    seed: int,
    progress: Progress = lambda done, total: None,
) -> NDArray[np.float64]:
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.model_selection import StratifiedKFold  # type: ignore[import-untyped]

    probabilities = np.zeros((len(labels), int(labels.max()) + 1))
    # The products of an iteration are so small that threads would wait for one another most of the time.
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        # A rough fit is enough, so its rounds are limited; of a rare class a sample may hold less than one a fold.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(scaled, labels)
        for done, (seen, held_out) in enumerate(folds):
            classifier = LogisticRegression(C=strength, max_iter=ROUNDS, tol=1e-3).fit(scaled[seen], labels[seen])
            found = classifier.predict_proba(scaled[held_out])
            probabilities[np.ix_(held_out, classifier.classes_)] = found
            progress(done + 1, FOLDS)
    return probabilities


def _noise(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The share of wrong labels: what is off the diagonal of the confident joint, calibrated to the labels' counts."""
    classes = probabilities.shape[1]
    thresholds = np.array([probabilities[labels == label, label].mean() for label in range(classes)])
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    counted = confident.max(1) > 0
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[counted], confident.argmax(1)[counted]), 1)
    joint /= np.maximum(joint.sum(1, keepdims=True), 1)
    joint *= np.bincount(labels, minlength=classes)[:, None]
    return float((joint.sum() - np.trace(joint)) / max(joint.sum(), 1))
