"""Methods side by side on one model: how small each makes its file within the accuracy that may be lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convsmith import records
from convsmith.cost.table import aligned
from convsmith.data.dataset import Dataset
from convsmith.errors import UnknownNameError
from convsmith.model import Model
from convsmith.resolve import model_of
from convsmith.shrinking.compress import attempt, opened, refuse_integers, task_for, warn
from convsmith.shrinking.figures import Figures, figures_of, plain_bytes
from convsmith.shrinking.folder import begun
from convsmith.shrinking.methods import METHODS
from convsmith.shrinking.settings import Settings
from convsmith.shrinking.smaller_file import bytes_as_in_the_paper
from convsmith.shrinking.target import Target
from convsmith.shrinking.work import Work
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.folder import running
from convsmith.train.run.loop import Observer

RATIOS: Mapping[str, tuple[float, ...]] = {
    "svd": (1.5, 2, 3, 5, 8),
    "slim": (1.5, 2, 3, 5, 8),
    "int8": (2,),
    "share": (5, 7, 10, 14),
    "prune": (10, 20, 40, 80),
    "deep": (10, 20, 40, 80),
    "best": (10, 20, 40, 80, 160),
}
"""Times smaller that each method is to make the file, one after another while it keeps the accuracy."""

TITLES = {
    "svd": "SVD",
    "slim": "slimming",
    "int8": "8-bit integers",
    "share": "weight sharing",
    "prune": "network pruning",
    "deep": "Deep Compression",
    "best": "best",
}


@dataclass(frozen=True)
class Point:
    """A method at one size: what was measured, whether it kept the accuracy, and what Deep Compression's own format
    would take, where that applies."""

    method: str
    ratio: float
    figures: Figures
    kept: bool
    paper_bytes: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Methods on one model and its data. `points` are in the order in which they were measured.

    The table has the columns of SqueezeNet's (arXiv 1602.07360, table 2): approach, data type, sizes, accuracies; each
    method at its smallest file that loses at most `max_drop` points on val.
    """

    data: str
    network: str
    max_drop: float
    before: Figures
    plain_bytes: int
    points: tuple[Point, ...]
    refused: Mapping[str, str]

    def best(self) -> dict[str, Point]:
        """The smallest file of each method that kept the accuracy; of others the first that was tried."""
        found: dict[str, Point] = {}
        for point in self.points:
            if point.method not in found or point.kept:
                found[point.method] = point
        return found

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = records.to_json(
            {
                "data": self.data,
                "network": self.network,
                "max_drop_points": self.max_drop,
                "plain_bytes": self.plain_bytes,
                "before": self.before.to_json(),
                "table": [
                    {
                        "approach": title,
                        "bits": figures.bits,
                        "before": self.plain_bytes,
                        "after": size,
                        "ratio": self.plain_bytes / size,
                        "top1": figures.top1.value,
                        f"top{figures.k}": figures.topk.value,
                        "latency_ms": figures.latency,
                        "kept": kept,
                    }
                    for title, figures, size, kept in self._sides()
                ],
                "points": [
                    {
                        "method": one.method,
                        "ratio": one.ratio,
                        "kept": one.kept,
                        "paper_bytes": one.paper_bytes,
                        "figures": one.figures.to_json(),
                    }
                    for one in self.points
                ],
                "refused": dict(self.refused),
            }
        )
        return data

    def __str__(self) -> str:
        k = self.before.k
        header = ("approach", "bits", "before", "after", "ratio", "top-1 (test)", f"top-{k}", "ms")
        rows = [
            (
                title if kept else f"{title} *",
                figures.bits,
                f"{self.plain_bytes:,}",
                f"{size:,}",
                f"{self.plain_bytes / size:.1f}x",
                str(figures.top1),
                f"{figures.topk.value:.2%}",
                f"{figures.latency:.3g}",
            )
            for title, figures, size, kept in self._sides()
        ]
        lines = [
            f"{self.network} on {self.data}: each method's smallest file, in bytes, that loses at most "
            f"{self.max_drop:g} points on val",
            "",
            aligned(header, rows, "lrrrrlrr"),
        ]
        if any(not kept for *_, kept in self._sides()):
            lines.append("* loses more than that on val, at the largest size that was tried")
        lines += [f"{TITLES[name]}: {reason}" for name, reason in self.refused.items()]
        return "\n".join(lines)

    def _sides(self) -> list[tuple[str, Figures, int, bool]]:
        """A row each: approach, figures, bytes, and whether it kept the accuracy."""
        rows = [("none", self.before, self.plain_bytes, True)]
        for method, point in self.best().items():
            if point.paper_bytes is not None:
                rows.append((f"{TITLES[method]}, its own format", point.figures, point.paper_bytes, point.kept))
                rows.append((f"{TITLES[method]}, our file", point.figures, point.figures.bytes, point.kept))
            else:
                rows.append((TITLES[method], point.figures, point.figures.bytes, point.kept))
        return rows


def compare_methods(
    model: Model | str | Path,
    data: Dataset | str | Path,
    methods: Sequence[str] = tuple(RATIOS),
    *,
    max_drop: float = 0.5,
    epochs: int | None = None,
    recipe: Recipe | str = "default",
    folder: str | Path | None = None,
    seed: int | None = None,
    observers: Sequence[Observer] = (),
) -> Comparison:
    """Takes each method to ever smaller files, from the model anew each time, until it loses too much accuracy.

    The arguments are those of `compress`; each size may take `epochs`. Raises UnknownNameError for a method that has no
    sizes to try, and as `compress` does.
    """
    for method in methods:
        if method not in RATIOS:
            raise UnknownNameError("method", method, RATIOS)
    settings = Settings("best", max_drop, epochs, recipe, seed)
    given = model_of(model)
    refuse_integers(given)
    dataset = opened(given, data, seed)
    before = figures_of(given, dataset)
    points: list[Point] = []
    refused: dict[str, str] = {}
    with ExitStack() as stack:
        place = None if folder is None else begun(Path(folder), settings, "table", given, dataset)
        if place is not None:
            stack.enter_context(running(place))
        work = Work(dataset, recipe, seed or 0, place, tuple(observers))
        warn(work, given)
        for method in methods:
            found, reason = _ladder(given, before, settings, work, method)
            points += found
            if not found:
                refused[method] = reason
    return Comparison(dataset.name, given.network.name, max_drop, before, plain_bytes(given), tuple(points), refused)


def _ladder(given: Model, before: Figures, settings: Settings, work: Work, method: str) -> tuple[list[Point], str]:
    """A method at one ratio after another, to the first that loses too much; and why it stopped, if it could not go
    on."""
    points: list[Point] = []
    for ratio in RATIOS[method]:
        target = Target("bytes", ratio, "x")
        task = task_for(given, before, target, settings, work.within(method).within(str(target)))
        if task.fits(before):
            continue
        work.tell(f"{method} to {target}: at most {task.limit:,.0f} bytes")
        found = attempt(task, METHODS[method].ways_to("bytes"))
        if found.steps is None:
            return points, found.tried[-1].reason
        last = found.steps[-1]
        paper = bytes_as_in_the_paper(last.model) if method == "deep" else None
        points.append(Point(method, ratio, last.figures, found.met, paper))
        if not found.met:
            break
    return points, "the model's file is smaller already"
