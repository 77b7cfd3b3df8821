"""The end of a run: the trained module is tested, saved, exported and verified."""

from __future__ import annotations

import platform
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import convsmith
from convsmith import records
from convsmith.cost import cost_of
from convsmith.data.dataset import Dataset, Split
from convsmith.data.summary import summarize
from convsmith.deploy.export import export
from convsmith.deploy.latency import latency_ms
from convsmith.deploy.trial_images import spread
from convsmith.deploy.verify import Verification
from convsmith.errors import DataError, LimitError
from convsmith.evaluation.inference import predict_logits
from convsmith.evaluation.metrics import Metrics, measure
from convsmith.evaluation.training_data import TrainingData
from convsmith.files import write_bytes
from convsmith.model import Model, save_model
from convsmith.network.dims import text
from convsmith.network.network import Network
from convsmith.request import Request
from convsmith.train.run.folder import MODEL_FILE, ONNX_FILE, SUMMARY_FILE
from convsmith.train.run.loop import TrainResult
from convsmith.train.run.plan import RunPlan

REHEARSED_IMAGES = 128
"""Images that the rehearsal of the delivery is timed on; and twice as many, to tell what each costs."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """What `fit` made. `latency` is the median ms for one image on this machine, in ONNX Runtime."""

    dataset: Dataset
    model: Model
    reason: str
    metrics: Metrics
    latency: float
    training: TrainResult
    verification: Verification
    model_file: Path
    onnx_file: Path

    @property
    def network(self) -> Network:
        return self.model.network

    def to_json(self) -> dict[str, Any]:
        cost = cost_of(self.network)
        data: dict[str, Any] = records.to_json(
            {
                "data": {
                    "name": self.dataset.name,
                    "classes": list(self.dataset.classes),
                    "images": {name: len(split) for name, split in self.dataset.splits.items()},
                    "skipped": [str(finding) for finding in self.dataset.skipped],
                    "unusable": self.dataset.unusable,
                    "files": summarize(self.dataset).files,
                },
                "network": {
                    "name": self.network.name,
                    "reason": self.reason,
                    "input": list(self.network.input),
                    "params": cost.params,
                    "macs": cost.macs,
                    "flops": cost.flops,
                },
                "training": {
                    "epochs": len(self.training.history),
                    "weights": self.training.choice,
                    "images_per_second": self.training.images_per_second,
                    "tuned": records.to_json(self.training.tuned),
                },
                "metrics": self.metrics.to_json(),
                "latency_ms": self.latency,
                "verification": self.verification.to_json(),
                "files": {str(path): path.stat().st_size for path in (self.model_file, self.onnx_file)},
            }
        )
        return data

    def __str__(self) -> str:
        cost = cost_of(self.network)
        counts = ", ".join(f"{len(split):,} {name}" for name, split in self.dataset.splits.items())
        epochs = len(self.training.history)
        rows = (
            ("data", f"{self.dataset.name}: {len(self.dataset.classes)} classes; images: {counts}"),
            *([("", summarize(self.dataset).usable_line)] if self.dataset.skipped else []),
            ("network", f"{self.reason}; input {text(self.network.input)}"),
            ("cost", f"{cost.params:,} parameters, {cost.macs:,} multiply-adds (MACs), {cost.flops:,} FLOPs"),
            (
                "training",
                f"{epochs} epoch{'s' if epochs != 1 else ''}, {self.training.images_per_second:,.0f} images/s",
            ),
            (
                "accuracy",
                f"{self.metrics.top1} top-1 on {self.metrics.images:,} {self.metrics.split} images, 95% interval",
            ),
            ("latency", f"{self.latency:.2f} ms for one image here (ONNX Runtime)"),
            ("model", f"{self.model_file} ({self.model_file.stat().st_size:,} bytes)"),
            ("export", f"{self.onnx_file} ({self.onnx_file.stat().st_size:,} bytes)"),
            ("verified", str(self.verification)),
        )
        return "\n".join(f"{title:<9} {value}" for title, value in rows)


def tested_split(dataset: Dataset) -> str:
    """Which split the run is measured on. Raises DataError where one that is needed is missing."""
    tested = "test" if "test" in dataset.splits else "val"
    for needed in ("train", tested):
        dataset.split(needed)
    return tested


def deliver(
    plan: RunPlan, request: Request, dataset: Dataset, module: nn.Module, result: TrainResult, out: Path
) -> FitResult:
    """Measures the trained module on the test split, and writes the model, its export and the summary.

    Raises LimitError where the model file is larger than asked for, ExportError where the export differs.
    """
    tested = tested_split(dataset)
    images = dataset.split(tested)
    logits = predict_logits(module, images, plan.preprocess, workers=result.tuned.decoders)
    metrics = measure(logits, images.labels, dataset.classes, split=tested, unreadable=len(images.unreadable))
    model_file, onnx_file = out / MODEL_FILE, out / ONNX_FILE
    model = Model(
        plan.network,
        result.weights,
        dataset.classes,
        plan.preprocess,
        provenance(plan, dataset, result),
        metrics.to_json(),
    )
    save_model(model, model_file)
    size = model_file.stat().st_size
    if request.max_size is not None and size > request.max_size:
        raise LimitError(f"{model_file} has {size:,} bytes, more than {request.max_size:,}", settings="max_size")
    verification = replace(export(model, onnx_file, images), unreadable=images.unreadable)
    latency = latency_ms(plan.network)
    made = FitResult(dataset, model, plan.reason, metrics, latency, result, verification, model_file, onnx_file)
    write_bytes(out / SUMMARY_FILE, records.encode(made.to_json()))
    return made


def provenance(plan: RunPlan, dataset: Dataset, result: TrainResult) -> dict[str, Any]:
    """How the weights came about."""
    return {
        "data": records.to_json(TrainingData.of(dataset)),
        "recipe": plan.recipe.to_json(),
        "notes": list(plan.notes),
        **({} if plan.taught_by is None else {"taught_by": records.to_json(plan.taught_by)}),
        "tuned": records.to_json(result.tuned),
        "weights": result.choice,
        "epochs": len(result.history),
        "versions": {
            "convsmith": convsmith.__version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
    }


def delivery_seconds(plan: RunPlan, module: nn.Module, dataset: Dataset) -> float:
    """What `deliver` will take, by rehearsing it with the untrained module on some of the images."""
    images = dataset.split(tested_split(dataset))
    weights = {name: module.state_dict()[name].detach().cpu() for name in plan.network.parameters}
    model = Model(plan.network, weights, dataset.classes, plan.preprocess)
    _rehearse(model, module, _some(images, 1))  # what is imported and compiled on first use takes longer once
    few, more = _some(images, REHEARSED_IMAGES), _some(images, 2 * REHEARSED_IMAGES)
    first, second = _rehearse(model, module, few), _rehearse(model, module, more)
    if len(more) == len(few):
        return second
    each = max(0.0, (second - first) / (len(more) - len(few)))
    return max(second, first) + each * (len(images) - len(more))


def _some(images: Split, count: int) -> Split:
    rows = np.array(spread(len(images), count))
    return Split(_Taken(images, rows), images.labels[rows])


@dataclass(frozen=True, eq=False)
class _Taken:
    """Some images of a split."""

    split: Split
    rows: np.ndarray[Any, np.dtype[np.int64]]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return self.split.images[int(self.rows[index])]

    def name(self, index: int) -> str:
        return self.split.images.name(int(self.rows[index]))


def _rehearse(model: Model, module: nn.Module, images: Split) -> float:
    """The seconds that testing, saving, exporting and timing the model take."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            logits = predict_logits(module, images, model.preprocess, workers=0)
            measure(logits, images.labels, model.classes, split="rehearsal")
            save_model(model, Path(folder) / MODEL_FILE)
            export(model, Path(folder) / ONNX_FILE, images.images, tolerance=float("inf"))
        except DataError:  # the run itself will say it
            pass
        latency_ms(model.network)
    return time.monotonic() - start
