"""A run's page: one self-contained HTML file with curves, figures and confusions."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convsmith.cost.table import size
from convsmith.evaluation.confusion import MOST_CLASSES, most_confused
from convsmith.report.choice import choice_of
from convsmith.report.record import RunRecord, mapping
from convsmith.report.side_by_side import settings
from convsmith.train.run.folder import MODEL_FILE, ONNX_FILE, REPORT_FILE

GREY = "#808080"
"""Legible on white and on black backgrounds."""


def write_page(record: RunRecord) -> Path:
    """Writes `report.html` into the run's folder and returns its path. Raises OutputError if it cannot be written."""
    from convsmith.files import write_bytes

    path = record.folder / REPORT_FILE
    write_bytes(path, page(record).encode())
    return path


def page(record: RunRecord) -> str:
    """The page of a run in any state: what is not known yet is left out."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("convsmith.report", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    # A class that no image was taken for has no precision.
    environment.filters["percent"] = lambda value: "none" if value is None or value != value else f"{value:.2%}"
    metrics = mapping(record.header and record.header.metrics)
    classes = record.header.classes if record.header else ()  # in the order of the confusion, which JSON objects lose
    return environment.get_template("report.html.j2").render(
        run=record,
        facts=_facts(record),
        curves=[(title, Markup(svg)) for title, svg in _curves(record)],  # our own SVG, made of numbers alone
        metrics=metrics,
        confusion=_confusion(classes, metrics),
        pairs=_pairs(classes, metrics),
        hardest=record.hardest,
        images=mapping(record.data.get("images")),
        skipped=list(record.data.get("skipped") or ()),
        choice=choice_of(record),
        arithmetic="" if record.started is None else record.started.arithmetic,
        settings={name: _text(value) for name, value in settings(record).items() if value not in (None, "")},
    )


def _facts(record: RunRecord) -> dict[str, str]:
    """The figures at the top of the page."""
    facts: dict[str, str] = {}
    if record.top1:
        top1 = record.top1
        facts["top-1 accuracy"] = f"{top1['value']:.2%} ({top1['low']:.2%} to {top1['high']:.2%})"
    if record.best_val_accuracy is not None:
        facts["best val accuracy"] = f"{record.best_val_accuracy:.2%}"
    if record.network is not None:
        facts["network"] = record.network.name
    if record.cost is not None:
        facts["parameters"] = f"{record.cost.params:,}"
        facts["multiply-adds (MACs)"] = f"{record.cost.macs:,}"
    if (teacher := _teacher(record)) is not None:
        facts["teacher"] = teacher
    facts["epochs"] = f"{len(record.epochs)} of {record.recipe.get('epochs', '?')}"
    if record.images_per_second is not None:
        facts["training"] = f"{record.images_per_second:,.0f} images/s"
    if record.started is not None:
        facts["arithmetic"] = record.started.arithmetic.partition(" (")[0]
    for title, file in (("model file", MODEL_FILE), ("ONNX file", ONNX_FILE)):
        if (found := record.size(file)) is not None:
            facts[title] = size(found)
    latency = mapping(record.summary).get("latency_ms")
    if isinstance(latency, (int, float)):
        facts["latency"] = f"{latency:.2f} ms for one image"
    return facts


def _teacher(record: RunRecord) -> str | None:
    """The teacher and its accuracy in the student's eyes; None where there is none or its record is damaged."""
    taught = mapping(record.plan.get("taught_by"))
    accuracy = mapping(taught.get("accuracy")).get("value")
    if not isinstance(accuracy, (int, float)):
        return None
    return f"{taught.get('network')}, {accuracy:.2%} on {taught.get('split')}"


def _curves(record: RunRecord) -> list[tuple[str, str]]:
    epochs = record.epochs
    if not epochs:
        return []
    numbers = [epoch.epoch for epoch in epochs]
    lines: dict[str, dict[str, list[float | None]]] = {
        "Loss": {"train": [e.train_loss for e in epochs], "val": [e.val_loss for e in epochs]},
        "Val accuracy": {"val": [e.val_accuracy for e in epochs]},
        "Learning rate": {"at the epoch's end": [e.learning_rate for e in epochs]},
        "Gradient norm, last step": {"of all parameters": [e.gradient_norm for e in epochs]},
    }
    return [
        (title, _plot(numbers, known))
        for title, named in lines.items()
        if (known := {name: values for name, values in named.items() if any(v is not None for v in values)})
    ]


def _plot(numbers: Sequence[int], lines: dict[str, list[float | None]]) -> str:
    """Lines over epochs as SVG, on a transparent background."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with rc_context({"svg.hashsalt": "convsmith", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(5.2, 2.9), layout="constrained")
        axes = figure.subplots()
        for name, values in lines.items():
            y = [float("nan") if value is None else value for value in values]
            axes.plot(numbers, y, label=name, marker="." if len(numbers) < 40 else None)
        axes.set_xlabel("epoch", color=GREY)
        axes.tick_params(colors=GREY)
        axes.grid(color=GREY, alpha=0.25)
        axes.spines[:].set_color(GREY)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(lines) > 1:
            axes.legend(frameon=False, labelcolor=GREY)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def _confusion(names: Sequence[str], metrics: Any) -> list[tuple[str, list[tuple[int, float]]]]:
    """For each class, its name and how many of its images were called each class, with their share."""
    rows = metrics.get("confusion") or []
    if not 0 < len(names) <= MOST_CLASSES:
        return []
    return [
        (name, [(count, count / max(1, sum(row))) for count in row]) for name, row in zip(names, rows, strict=False)
    ]


def _pairs(names: Sequence[str], metrics: Any) -> list[tuple[int, str, str]]:
    """The pairs of classes most often confused: how many images, their class, and what they were called."""
    rows = metrics.get("confusion") or []
    return most_confused({(i, j): count for i, row in enumerate(rows) for j, count in enumerate(row)}, names)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
