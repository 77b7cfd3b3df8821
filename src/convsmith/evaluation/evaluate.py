"""A model measured on a split of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convsmith.cost import cost_of
from convsmith.cost.table import aligned
from convsmith.data.dataset import Dataset, Finding, Split
from convsmith.errors import UsageError
from convsmith.evaluation.corruption.robustness import Robustness
from convsmith.evaluation.measured import ClassesBy, Measured, measured
from convsmith.evaluation.metrics import Metrics, measure
from convsmith.evaluation.nouns.meaning import Meaning
from convsmith.evaluation.overlap import trained_on
from convsmith.evaluation.protocol import Protocol
from convsmith.evaluation.training_data import TrainingData
from convsmith.model import Model
from convsmith.resolve import model_of

SHOWN_MEANINGS = 20
"""Classes of which it is printed what WordNet has for them; the JSON has all."""

HARDEST = 20
"""Images that are named: those that the model got most wrong."""


@dataclass(frozen=True, slots=True)
class Hard:
    """An image with its class, the model's answer, and the cross-entropy in nats."""

    image: str
    true: str
    answer: str
    loss: float

    def __str__(self) -> str:
        return f"{self.image}: {self.true}, called {self.answer} (cross-entropy {self.loss:.2f})"


@dataclass(frozen=True)
class Evaluation:
    """A model measured on a split of the data set `data`.

    `protocol` is how each image was looked at, `side` the height in pixels of what the network saw, and `macs` its
    multiply-adds for all views of one image. `hardest` are the images of the highest cross-entropy.
    `unreadable` are the files of the split that could not be read and so are not in the figures. `trained_on` is how
    many of the measured images the model was trained on, by their content; None if the model's file does not tell.
    Where classes are matched by WordNet, `meanings` says what each was taken for, and `outside` counts the images whose
    likeliest output is none of them: the likeliest that is counts as their answer. `robustness` is the same model on
    corrupted images, where that was measured.
    """

    data: str
    metrics: Metrics
    protocol: Protocol
    side: int
    macs: int
    hardest: tuple[Hard, ...] = ()
    unreadable: tuple[Finding, ...] = ()
    trained_on: int | None = None
    outside: int | None = None
    meanings: tuple[Meaning, ...] | None = None
    robustness: Robustness | None = None

    def to_json(self) -> dict[str, Any]:
        """The metrics', and what they are of."""
        unreadable = [str(finding) for finding in self.unreadable]
        about = {"data": self.data, "protocol": self.protocol.to_json(), "side": self.side, "macs": self.macs}
        seen = {"unreadable_files": unreadable, "trained_on": self.trained_on, "outside": self.outside}
        found = {**about, **seen, **self.metrics.to_json(), "hardest": [asdict(one) for one in self.hardest]}
        found["risk_coverage"] = [asdict(one) for one in self.metrics.risk_coverage]
        if self.meanings is not None:
            found["meanings"] = [meaning.to_json() for meaning in self.meanings]
        if self.robustness is not None:
            found["robustness"] = self.robustness.to_json()
        return found

    def __str__(self) -> str:
        head, _, figures = str(self.metrics).partition("\n")
        robust = "" if self.robustness is None else f"\n\n{self.robustness}"
        return f"{self.warning}{self._merged}{self.data}: {head}\nprotocol: {self.protocol}\n{figures}{robust}"

    @property
    def _merged(self) -> str:
        if self.meanings is None:
            return ""
        told = [f"  {meaning}" for meaning in self.meanings[:SHOWN_MEANINGS]]
        if len(self.meanings) > SHOWN_MEANINGS:
            told.append(f"  and {len(self.meanings) - SHOWN_MEANINGS:,} more")
        return "\n".join(
            (
                f"classes by WordNet: each is all of its kinds that the model has; for {self.outside:,} images the "
                "likeliest class of the model is none of them",
                *told,
                "",
            )
        )

    @property
    def warning(self) -> str:
        """A line that says so if images were trained on, else nothing."""
        if not self.trained_on or self.metrics.split == "train":
            return ""
        count = f"{self.trained_on:,} of {self.metrics.images:,}"
        return f"TRAINED ON {count} IMAGES: the figures do not show how well the network does on new images\n"


def evaluate(
    model: Model | str | Path,
    data: Dataset | str | Path,
    *,
    split: str | None = None,
    side: int | None = None,
    k: int = 5,
    seed: int | None = None,
    classes_by: ClassesBy = "name",
    protocol: Protocol | str | None = None,
) -> Evaluation:
    """Metrics of a model on a split of a data set: accuracy, precision and recall by class, calibration, loss.

    `model` is a model, its file or published weights by name (see `convsmith.resolve.model_of`); `data` a data set, or
    its path or name. Classes are matched by name, whatever their order in the data; the WordNet ids of ImageNet's
    classes are names too. `classes_by="wordnet"` takes each of the data's classes for all of its kinds that the model
    has: "dog" for the sum of all breeds.

    The split is `split`, by default test, or val where there is no test. Data that have no splits of their own are
    split by `seed` if it is given, split as they were in training if the model was trained on them, and measured whole
    otherwise.

    `side` is the height of the images in pixels, by default the model's own (see `at_side`). Networks that were trained
    on random crops do best on somewhat larger images, because crops show things larger (Touvron et al. 2019, arXiv
    1906.06423, section 4.1). `protocol` is how each image is looked at: a `Protocol`, the name of one of the field's
    (see `convsmith.evaluation.protocol.NAMED`), or None for the model's own preprocessing.

    Raises ModelFileError for a bad file, UsageError for a side that the network cannot take, DataError for data that
    lack the split or have a class that the model does not.
    """
    if k < 1:
        raise UsageError(f"must be at least 1, not {k}", settings="k")
    model = model_of(model)
    found = measured(model, data, split=split, side=side, seed=seed, classes_by=classes_by, protocol=protocol)
    left = found.images.unreadable
    metrics = measure(found.logits, found.labels, found.classes, split=found.split, k=k, unreadable=len(left))
    return Evaluation(
        data=found.data.name,
        metrics=metrics,
        protocol=found.protocol,
        side=found.protocol.crop[0],
        macs=cost_of(found.network).macs * found.protocol.views,
        hardest=hardest_of(found),
        unreadable=left,
        trained_on=_trained_on(model, found.images),
        outside=found.outside,
        meanings=found.meanings,
    )


def hardest_of(found: Measured, count: int = HARDEST) -> tuple[Hard, ...]:
    """The images of the highest cross-entropy, the highest first."""
    from scipy.special import log_softmax  # type: ignore[import-untyped]

    losses = -log_softmax(found.logits.astype(np.float64), axis=1)[np.arange(len(found.labels)), found.labels]
    rows = np.argsort(-losses, kind="stable")[:count].tolist()
    answers = found.logits.argmax(axis=1)
    return tuple(
        Hard(
            found.images.images.name(row),
            found.classes[found.labels[row]],
            found.classes[int(answers[row])],
            round(float(losses[row]), 4),
        )
        for row in rows
    )


def side_by_side(found: Sequence[Evaluation]) -> str:
    """Evaluations at several sides as a table, a row for each."""
    first = found[0].metrics
    columns = ("side", "MACs", "top-1 accuracy", f"top-{first.k} accuracy", "cross-entropy")
    rows = [
        (str(one.side), f"{one.macs:,}", str(one.metrics.top1), str(one.metrics.topk), f"{one.metrics.loss.value:.4f}")
        for one in found
    ]
    lines = [f"{found[0].warning}{found[0].data}: {first.headline}", aligned(columns, rows, "rrllr")]
    if first.split == "test":
        lines.append("Choose a side on the val split: a figure that was chosen for being the highest is not a test.")
    return "\n".join(lines)


def _trained_on(model: Model, images: Split) -> int | None:
    kept = TrainingData.known_to(model.provenance).sketch
    return trained_on(kept, images.content) if kept and images.content is not None else None
