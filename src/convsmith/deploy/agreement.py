"""Whether every engine that is installed gives what the model gives, on raw images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convsmith.cost.table import aligned
from convsmith.data.dataset import Dataset, Finding, Images
from convsmith.data.given import GivenImages, images_of, is_data
from convsmith.deploy.classifier import Classifier, OnnxClassifier, TorchClassifier
from convsmith.deploy.engines import ENGINES, EngineKind, engine_kind
from convsmith.deploy.exported import Exported
from convsmith.deploy.trial_images import trial_images
from convsmith.deploy.verify import Refusal, Verification, try_engines
from convsmith.errors import ModelFileError, UsageError
from convsmith.evaluation.measured import opened_as, split_to_measure
from convsmith.evaluation.metrics import left_out
from convsmith.evaluation.training_data import TrainingData
from convsmith.model import Model
from convsmith.resolve import model_of

TOLERANCE = 1e-3
"""The largest difference in probability that counts as rounding."""
QUANTIZED_TOLERANCE = 0.1
"""The same where activations are quantized: one near the middle of two steps is rounded either way, by a whole step.

A ResNet-20 in 8 bits was seen to differ by 0.02 on 2,000 images; an export with a wrong resize, by 0.17."""


@dataclass(frozen=True)
class Agreement:
    """How close the engines' probabilities are to those of the `reference`, on the same raw images.

    `absent` are the engines that are not installed. Engines that are not `judged` compute in fewer bits by their own
    choice.
    """

    onnx: str
    reference: str
    images: int
    tolerance: float
    engines: tuple[Verification, ...]
    refusals: tuple[Refusal, ...] = ()
    absent: tuple[str, ...] = ()
    unreadable: tuple[Finding, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every engine ran the file, and each that is judged is within the tolerance."""
        return not self.refusals and not any(one.failed for one in self.engines)

    def to_json(self) -> dict[str, Any]:
        return {
            "onnx": self.onnx,
            "reference": self.reference,
            "images": self.images,
            "tolerance": self.tolerance,
            "passed": self.passed,
            "engines": [one.to_json() for one in self.engines],
            "refusals": [{"engine": one.engine, "reason": one.reason} for one in self.refusals],
            "absent": list(self.absent),
            "unreadable": [str(finding) for finding in self.unreadable],
        }

    def __str__(self) -> str:
        header = ("engine", "precision", "largest difference", "top-1 agrees", f"within {self.tolerance:g}")
        rows = []
        for one in self.engines:
            same = f"{one.images - len(one.disagreements):,} of {one.images:,}"
            verdict = ("pass" if one.passed else "FAIL") if one.judged else "not judged"
            rows.append((one.engine, one.precision, f"{one.largest_difference:.1e}", same, verdict))
        rows += [(one.engine, "", "", "", "FAIL") for one in self.refusals]
        left = left_out(len(self.unreadable))
        lines = [f"{self.onnx} on {self.images:,} images{left}, against {self.reference}"]
        lines.append(aligned(header, rows, "llrrl"))
        lines += [f"{one.engine}: {one.reason}" for one in self.refusals]
        lines += [f"{one.engine} differs most on {one.differs_most}" for one in self.engines if one.failed]
        return "\n".join([*lines, *(f"not installed: {name}" for name in self.absent)])


def verify(
    onnx: str | Path,
    data: Dataset | GivenImages,
    *,
    model: Model | str | Path | None = None,
    engines: Sequence[str] | None = None,
    split: str | None = None,
    tolerance: float | None = None,
    limit: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Agreement:
    """Runs an exported file in every engine that is installed, or in `engines`, and compares the probabilities.

    They are compared with those of `model` in PyTorch if it is given, else with ONNX Runtime's. `data` are images, or a
    data set of which a `split` is taken, as `export` takes them; all of them count, or `limit` of them, evenly spread,
    and after them one in each of some odd sizes (`ODD_SIZES`), 1x1 pixel first. A file that takes images of one size
    gets them brought to it. `tolerance` is 0.001 by default, and 0.1 for quantized networks.

    Raises ModelFileError for a file that convsmith did not export, UsageError for an engine that is not installed, and
    where no engine is left to compare, DataError for an image that cannot be read.
    """
    path = Path(onnx)
    known = None if model is None else model_of(model)
    runtime = OnnxClassifier(path)
    if known is not None and known.classes != tuple(runtime.classes):
        raise ModelFileError(f"{path}: has different classes from the model")
    images, unreadable = images_to_try(runtime.exported.training, data, split)
    tried = trial_images(images, limit, runtime.exported.form.size, odd=True)
    allowed = tolerance_for(runtime.exported.quantized, tolerance)
    kinds = _kinds(runtime.exported, engines, alone=known is None)
    reference: Classifier = runtime if known is None else TorchClassifier(known)
    found, refusals = try_engines(reference, path, kinds, tried, allowed, on_progress)
    return Agreement(
        onnx=str(path),
        reference=f"{ENGINES[0].title} {runtime.engine.version}" if known is None else "PyTorch",
        images=len(tried),
        tolerance=allowed,
        engines=found,
        refusals=refusals,
        absent=tuple(kind.name for kind in ENGINES if not kind.installed and engines is None),
        unreadable=unreadable,
    )


def _kinds(exported: Exported, names: Sequence[str] | None, *, alone: bool) -> list[EngineKind]:
    """The engines to run the file in; without the first one where that is what the others are compared with."""
    if names is not None:
        return [engine_kind(name) for name in names]
    others = [kind for kind in ENGINES if kind.installed and not (alone and kind is ENGINES[0])]
    kinds = [kind for kind in others if exported.form.size is not None or not kind.one_size]
    if not kinds:
        raise UsageError(
            f"{ENGINES[0].title} is the only engine that is installed; give the model to compare with, or install "
            "convsmith[openvino] or convsmith[opencv]",
            settings="model",
        )
    return kinds


def images_to_try(
    training: TrainingData, data: Dataset | GivenImages, split: str | None
) -> tuple[Images, tuple[Finding, ...]]:
    """The images to verify on, and the files that are left out of them.

    Of a data set or its path or name, they are those of a split: the one asked for, or the one that `evaluate` would
    measure. Raises as `images_of` and `open_dataset` do.
    """
    if not isinstance(data, Dataset) and not is_data(data):
        return images_of(data, training.decoding), ()
    dataset = opened_as(training, data)
    chosen = dataset.split(split or split_to_measure(dataset))
    return chosen.images, chosen.unreadable


def tolerance_for(quantized: bool, asked: float | None) -> float:
    """The largest difference in probability to accept: what is asked for, or what is usual."""
    if asked is not None:
        return asked
    return QUANTIZED_TOLERANCE if quantized else TOLERANCE
