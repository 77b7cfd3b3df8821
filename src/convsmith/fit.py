"""The whole way in one call: data -> network -> training -> test -> model file -> verified ONNX."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import convsmith
from convsmith.backend.torch import NetworkModule
from convsmith.cluster import Cluster, Job, train_on
from convsmith.cost import cost_of
from convsmith.data import open_dataset
from convsmith.data.dataset import Dataset
from convsmith.deploy.export import export
from convsmith.deploy.latency import latency_ms
from convsmith.deploy.verify import Verification
from convsmith.design.choose import Limits
from convsmith.errors import LimitError, UsageError
from convsmith.evaluate.features import cached_features, part_of, with_features
from convsmith.evaluate.inference import predict_logits
from convsmith.evaluate.metrics import Metrics, measure
from convsmith.files import write_bytes
from convsmith.model.file import Header, Model, save_model
from convsmith.network.dims import text
from convsmith.network.network import Network
from convsmith.report.page import write_page
from convsmith.report.record import read_run
from convsmith.runplan import (
    RunPlan,
    Transfer,
    first_module,
    make_plan,
    read_plan,
    start_run,
    train_plan,
    unused_gpus,
)
from convsmith.train.run.events import Event, Noticed
from convsmith.train.run.folder import MODEL_FILE, ONNX_FILE, SUMMARY_FILE, running
from convsmith.train.run.loop import TrainResult, fit_module
from convsmith.transform.part import trunk_and_head

SHOWN = 20
"""Unusable files that are listed before training; `data inspect` lists all."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """What `fit` made. `latency` is the median ms for one image on this machine, in ONNX Runtime."""

    dataset: Dataset
    network: Network
    reason: str
    metrics: Metrics
    latency: float
    training: TrainResult
    verification: Verification
    model_file: Path
    onnx_file: Path

    def to_json(self) -> dict[str, Any]:
        cost = cost_of(self.network)
        return {
            "data": {
                "name": self.dataset.name,
                "classes": list(self.dataset.classes),
                "images": {name: len(split) for name, split in self.dataset.splits.items()},
                "skipped": [str(finding) for finding in self.dataset.skipped],
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
                "plan": self.training.plan.to_json(),
            },
            "metrics": self.metrics.to_json(),
            "latency_ms": self.latency,
            "verification": self.verification.to_json(),
            "files": {str(path): path.stat().st_size for path in (self.model_file, self.onnx_file)},
        }

    def __str__(self) -> str:
        cost = cost_of(self.network)
        counts = ", ".join(f"{len(split):,} {name}" for name, split in self.dataset.splits.items())
        rows = (
            ("data", f"{self.dataset.name}: {len(self.dataset.classes)} classes; images: {counts}"),
            ("network", f"{self.reason}; input {text(self.network.input)}"),
            ("cost", f"{cost.params:,} parameters, {cost.macs:,} multiply-adds (MACs), {cost.flops:,} FLOPs"),
            ("training", f"{len(self.training.history)} epochs, {self.training.images_per_second:,.0f} images/s"),
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


def fit(
    data: str | Path,
    out: Path,
    *,
    model: str | None = None,
    transfer: Transfer | None = None,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    recipe: str = "default",
    epochs: int | None = None,
    seconds: float | None = None,
    find_batch: bool = False,
    find_rate: bool = False,
    side: int | None = None,
    seed: int = 0,
    strict: bool = False,
    resume: bool = False,
    recover: bool = False,
    cluster: Cluster | None = None,
    checkpoints: str | None = None,
    decoders: int | None = None,
    changes: Mapping[str, Any] | None = None,
    on_check: Callable[[int, int], None] = lambda done, total: None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> FitResult:
    """Train a network for a data set within limits, test it, and write `model.safetensors` and a verified
    `model.onnx` to the folder `out`, with `summary.json`, which is what `FitResult.to_json` gives, and
    the run's page `report.html`.

    `data` is a folder, manifest or name (see `open_dataset`); `model` a zoo name or model file, whose network (and,
    where the shapes fit, weights) is the start; `transfer` starts from a model of other classes. `recipe` is a name
    (see `convsmith.train.recipes.named`), `changes` sets its fields, `find_batch` its batch by a measurement of what is
    fastest here, `find_rate` its learning rate by a range test. The whole ends within about `seconds`, if these are
    given. With `resume`, a run that was stopped goes on, to bit-for-bit the same weights; with `recover`, one that
    diverges goes on at a lower learning rate. `cluster` trains on other machines too; `checkpoints` is a folder or
    fsspec URL for them, by default in `out`. `decoders` processes decode files; None: as many as keep up. `on_check` is
    told (files checked, files in all).

    Raises ConvsmithError of every kind: see `open_dataset`, `choose`, `fit_module`, `export`.
    """
    begin = time.monotonic()
    if cluster is not None and (find_batch or (changes or {}).get("compiled")):
        raise UsageError("--batch-size auto and --compile are for one process: leave them out with --cluster")
    dataset = open_dataset(data, seed=seed, strict=strict, progress=on_check)
    tested = "test" if "test" in dataset.splits else "val"
    for needed in ("train", tested):
        dataset.split(needed)
    begun = read_plan(out) if resume else None
    plan = begun or make_plan(
        dataset,
        model=model,
        transfer=transfer,
        limits=limits,
        recipe=recipe,
        epochs=epochs,
        seconds=None if seconds is None else seconds - (time.monotonic() - begin),
        find_batch=find_batch,
        find_rate=find_rate,
        side=side,
        seed=seed,
        changes=changes or {},
    )
    module = first_module(plan, dataset)
    if begun is None:
        start_run(out, plan, str(data), dataset)
    for line in _left_out(dataset):
        on_event(Noticed(line))
    on_event(Noticed(f"network: {plan.reason}; input {text(plan.network.input)}"))
    on_event(Noticed(f"recipe: {plan.recipe}"))
    for line in (*plan.notes, *([] if cluster else filter(None, [unused_gpus()]))):
        on_event(Noticed(line))
    with running(out):
        if plan.head_only:
            result = _train_head(plan, module, dataset, out, resume, on_event)
        else:
            if cluster is not None:
                job = Job(plan.to_json(), str(data), seed, strict, str(out.absolute()), checkpoints, recover, decoders)
                train_on(cluster, job, on_event)
            result = train_plan(
                plan,
                dataset,
                out,
                module=module,
                checkpoints=checkpoints,
                resume=resume or cluster is not None,  # what the cluster has finished is only read
                recover=recover,
                decoders=decoders,
                on_event=on_event,
            )
        fitted = _tested(plan, module, dataset, tested, result, limits, out)
    write_page(read_run(out))
    return fitted


def _tested(
    plan: RunPlan,
    module: NetworkModule,
    dataset: Dataset,
    tested: str,
    result: TrainResult,
    limits: Limits,
    out: Path,
) -> FitResult:
    """Measures the trained module on the split `tested`, and writes the model, its export and the summary."""
    images = dataset.split(tested)
    logits = predict_logits(module, images, plan.preprocess, workers=result.plan.decoders)
    metrics = measure(logits, images.labels, dataset.classes, split=tested)
    model_file, onnx_file = out / MODEL_FILE, out / ONNX_FILE
    provenance = _provenance(dataset, plan, result)
    header = Header(plan.network, dataset.classes, plan.preprocess, provenance, metrics.to_json())
    save_model(Model(header, result.weights), model_file)
    if limits.max_size is not None and model_file.stat().st_size > limits.max_size:
        raise LimitError(f"{model_file} has {model_file.stat().st_size:,} bytes, over --max-size {limits.max_size:,}")
    verification = export(model_file, onnx_file, images.images)
    latency = latency_ms(plan.network)
    fitted = FitResult(
        dataset, plan.network, plan.reason, metrics, latency, result, verification, model_file, onnx_file
    )
    write_bytes(out / SUMMARY_FILE, json.dumps(fitted.to_json()).encode())
    return fitted


def _left_out(dataset: Dataset) -> list[str]:
    """A line for each file that cannot be used, as far as a screen holds."""
    lines = [f"skipped {finding}" for finding in dataset.skipped[:SHOWN]]
    more = len(dataset.skipped) - SHOWN
    return lines if more <= 0 else [*lines, f"skipped {more:,} more; `convsmith data inspect` lists all"]


def _train_head(
    plan: RunPlan,
    module: NetworkModule,
    dataset: Dataset,
    out: Path,
    resume: bool,
    on_event: Callable[[Event], None],
) -> TrainResult:
    """Trains the classifier alone, on features that are computed once; `module` gets its weights."""
    start = Model(Header(plan.network, dataset.classes, plan.preprocess), module.state_dict())
    on_event(Noticed("the features of all images are computed once, and kept in the cache"))
    features = cached_features(start, dataset, tuple(name for name in ("train", "val") if name in dataset.splits))
    head = part_of(start, trunk_and_head(plan.network)[1])
    result = fit_module(
        head,
        with_features(dataset, features),
        plan.preprocess,
        replace(plan.recipe, memory_format="contiguous", precision="float32", compiled=False),
        out,
        resume=resume,
        network_json=plan.network.to_json(),
        on_event=on_event,
    )
    module.load_state_dict(dict(result.weights), strict=False)
    return replace(result, weights={name: value.contiguous() for name, value in module.eval().state_dict().items()})


def _provenance(dataset: Dataset, plan: RunPlan, result: TrainResult) -> dict[str, Any]:
    return {
        "data": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        "recipe": plan.recipe.to_json(),
        "notes": list(plan.notes),
        "plan": result.plan.to_json(),
        "weights": result.choice,
        "epochs": len(result.history),
        "versions": {
            "convsmith": convsmith.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
