"""The whole way in one call: data -> network -> training -> test -> model file -> verified ONNX."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import convsmith
from convsmith.backend.torch import NetworkModule, build
from convsmith.cost import cost_of
from convsmith.data import open_dataset
from convsmith.data.dataset import Dataset
from convsmith.deploy.export import export
from convsmith.deploy.latency import latency_ms
from convsmith.deploy.verify import Verification
from convsmith.design.choose import Choice, Limits, choose
from convsmith.design.evidence import own_side, preprocess_for
from convsmith.errors import LimitError, ModelFileError, UsageError
from convsmith.evaluate.inference import predict_logits
from convsmith.evaluate.metrics import Metrics, measure
from convsmith.network.dims import text
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.train.defaults import default_epochs, default_recipe
from convsmith.train.events import Event, Noticed
from convsmith.train.loop import TrainResult, fit_module
from convsmith.train.recipe import Recipe
from convsmith.transform.commute import pool_before_rectifier
from convsmith.weights.file import Header, Model, load_model, read_header, save_model, write_bytes

PLAN_FILE = "run.json"
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
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    epochs: int | None = None,
    side: int | None = None,
    seed: int = 0,
    strict: bool = False,
    resume: bool = False,
    changes: Mapping[str, Any] | None = None,
    on_check: Callable[[int, int], None] = lambda done, total: None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> FitResult:
    """Train a network for a data set within limits, test it, and write `model.safetensors` and a verified
    `model.onnx` to the folder `out`.

    `data` is a folder, manifest or name (see `open_dataset`); `model` a zoo name or model file, whose network (and,
    where the shapes fit, weights) is the start; `changes` sets fields of the default recipe. With `resume`, a run
    that was stopped goes on, to bit-for-bit the same weights. `on_check` is told (files checked, files in all).

    Raises ConvsmithError of every kind: see `open_dataset`, `choose`, `fit_module`, `export`.
    """
    dataset = open_dataset(data, seed=seed, strict=strict, progress=on_check)
    tested = "test" if "test" in dataset.splits else "val"
    dataset.split(tested)
    begun = _read_plan(out) if resume else None
    plan = begun or _plan(dataset, model, limits, epochs, side, seed, changes or {})
    module = _module(plan, model, seed)
    if begun is None:
        _start(out, plan)
    for line in _left_out(dataset):
        on_event(Noticed(line))
    on_event(Noticed(f"network: {plan.reason}; input {text(plan.network.input)}"))
    result = fit_module(
        module,
        dataset,
        plan.preprocess,
        plan.recipe,
        out,
        resume=resume,
        network_json=plan.network.to_json(),
        auxiliary_weights=tuple(head.weight for head in plan.network.auxiliary),
        on_event=on_event,
    )
    images = dataset.split(tested)
    logits = predict_logits(module, images, plan.preprocess)
    metrics = measure(logits, images.labels, dataset.classes, split=tested)
    model_file, onnx_file = out / "model.safetensors", out / "model.onnx"
    provenance = _provenance(dataset, plan.recipe, result)
    header = Header(plan.network, dataset.classes, plan.preprocess, provenance, metrics.to_json())
    save_model(Model(header, result.weights), model_file)
    if limits.max_size is not None and model_file.stat().st_size > limits.max_size:
        raise LimitError(f"{model_file} has {model_file.stat().st_size:,} bytes, over --max-size {limits.max_size:,}")
    verification = export(model_file, onnx_file, images.images)
    latency = latency_ms(plan.network)
    return FitResult(dataset, plan.network, plan.reason, metrics, latency, result, verification, model_file, onnx_file)


def _left_out(dataset: Dataset) -> list[str]:
    """A line for each file that cannot be used, as far as a screen holds."""
    lines = [f"skipped {finding}" for finding in dataset.skipped[:SHOWN]]
    more = len(dataset.skipped) - SHOWN
    return lines if more <= 0 else [*lines, f"skipped {more:,} more; `convsmith data inspect` lists all"]


@dataclass(frozen=True)
class RunPlan:
    """What a run decided before training, kept in its folder so that a resumed run decides the same."""

    network: Network
    reason: str
    preprocess: Preprocess
    recipe: Recipe

    def to_json(self) -> dict[str, Any]:
        return {
            "network": self.network.to_json(),
            "reason": self.reason,
            "preprocess": self.preprocess.to_json(),
            "recipe": self.recipe.to_json(),
        }


def _plan(
    dataset: Dataset,
    model: str | None,
    limits: Limits,
    epochs: int | None,
    side: int | None,
    seed: int,
    changes: Mapping[str, Any],
) -> RunPlan:
    epochs = epochs or default_epochs(len(dataset.split("train")))
    choice, preprocess = _choice(dataset, model, limits, epochs, side)
    recipe = default_recipe(choice.network, dataset, preprocess, epochs=epochs, seed=seed)
    return RunPlan(choice.network, choice.reason, preprocess, replace(recipe, **changes))


def _choice(
    dataset: Dataset, model: str | None, limits: Limits, epochs: int, side: int | None
) -> tuple[Choice, Preprocess]:
    if model is not None and _is_file(model):
        header = read_header(Path(model))
        if header.classes != dataset.classes:
            raise ModelFileError(f"{model} knows other classes than {dataset.name}; train its network by name instead")
        return Choice(header.network, f"{header.network.name}: from {model}"), header.preprocess
    preprocess = preprocess_for(dataset, side or (own_side(model, dataset.size) if model else None))
    shape = (preprocess.channels, *preprocess.crop)
    train_images = len(dataset.split("train"))
    choice = choose(len(dataset.classes), shape, train_images, limits, latency_ms, epochs=epochs, model=model)
    return choice, preprocess


def _module(plan: RunPlan, model: str | None, seed: int) -> NetworkModule:
    """The network to train, with the weights of a model file if one was given."""
    module = build(pool_before_rectifier(plan.network), seed)
    if model is not None and _is_file(model):
        module.load_state_dict(load_model(Path(model)).weights, strict=False)
    return module


def _is_file(model: str) -> bool:
    return model.endswith(".safetensors") or Path(model).is_file()


def _start(out: Path, plan: RunPlan) -> None:
    """The run's folder, with its plan in it. Raises UsageError if another run is there."""
    if (out / PLAN_FILE).exists():
        raise UsageError(f"{out} already holds a run: go on with it (--resume), or choose another folder (--out)")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {out}: {error.strerror}") from None
    write_bytes(out / PLAN_FILE, json.dumps(plan.to_json(), indent=1).encode())


def _read_plan(out: Path) -> RunPlan | None:
    """The plan of a run that was stopped; None where none had begun. Raises ModelFileError if it is damaged."""
    path = out / PLAN_FILE
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text())
        return RunPlan(
            Network.from_json(data["network"]),
            data["reason"],
            Preprocess.from_json(data["preprocess"]),
            Recipe.from_json(data["recipe"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path} is damaged ({error}); start anew in another folder") from None


def _provenance(dataset: Dataset, recipe: Recipe, result: TrainResult) -> dict[str, Any]:
    return {
        "data": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        "recipe": recipe.to_json(),
        "plan": result.plan.to_json(),
        "weights": result.choice,
        "epochs": len(result.history),
        "versions": {
            "convsmith": convsmith.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
