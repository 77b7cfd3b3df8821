"""A run as its folder shows it, during training and afterwards. Nothing here needs torch."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from convsmith.cost import cost_of
from convsmith.cost.cost import Cost
from convsmith.errors import ConvsmithError, RunFolderError, UsageError
from convsmith.model.file import Header, read_header
from convsmith.network.network import Network
from convsmith.train.run.events import EpochEnded, LoggedEvent, Noticed, Started, from_json
from convsmith.train.run.folder import LOG_FILE, MODEL_FILE, PLAN_FILE, SUMMARY_FILE, is_running
from convsmith.train.run.hardest_images import HardImage, read_hardest

LARGEST_BYTES = 1 << 28
"""The most that is read of a text file."""

State = Literal["running", "stopped", "not begun", "finished", "damaged"]
"""A run that has not begun ended before its first step was kept: resumed, it starts from the beginning."""


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A run's folder, read and checked.

    - `plan` is run.json: network, reason, preprocess, recipe, and since runs have pages, `data` and `source`.
    - `epochs` are those of the log, in order; `started` is what was logged when training last began.
    - `header` is the model file's, and `summary` what `fit` returns, as JSON; None before the run is finished.
    - `hardest` are the val images with the highest loss under the weights to be delivered, as of the last look.
    - `changed` is the time of the last write.
    - `problem` says what is damaged; the state is then "damaged", and the rest is there.
    """

    folder: Path
    state: State
    plan: Mapping[str, Any]
    network: Network | None
    epochs: tuple[EpochEnded, ...]
    notices: tuple[str, ...]
    started: Started | None
    header: Header | None
    summary: Mapping[str, Any] | None
    hardest: tuple[HardImage, ...]
    changed: datetime
    problem: str = ""

    @cached_property
    def cost(self) -> Cost | None:
        return None if self.network is None else cost_of(self.network)

    @property
    def recipe(self) -> Mapping[str, Any]:
        return mapping(self.plan.get("recipe"))

    @property
    def data(self) -> Mapping[str, Any]:
        """Name, classes, images by split and class, size, skipped files, fingerprint; empty for an older run."""
        return mapping(self.plan.get("data")) or mapping(self.header and self.header.provenance.get("data"))

    @property
    def images_per_second(self) -> float | None:
        """The median over all epochs."""
        return statistics.median(epoch.images_per_second for epoch in self.epochs) if self.epochs else None

    @property
    def best_val_accuracy(self) -> float | None:
        return max((e.val_accuracy for e in self.epochs if e.val_accuracy is not None), default=None)

    @property
    def top1(self) -> Mapping[str, Any]:
        """Value, low and high of the top-1 accuracy on the tested split; empty before the run is finished."""
        return mapping(self.header and self.header.metrics.get("top1"))

    def size(self, file: str) -> int | None:
        """Bytes of a file in the folder; None if it is not there."""
        try:
            return (self.folder / file).stat().st_size
        except OSError:
            return None

    def to_json(self) -> dict[str, Any]:
        """What `convsmith runs` shows."""
        metrics = self.header.metrics if self.header else {}
        tested = {"split": metrics.get("split"), "images": metrics.get("images"), "top1": dict(self.top1)}
        return {
            "run": str(self.folder),
            "state": self.state,
            "problem": self.problem,
            "epochs": len(self.epochs),
            "epochs_planned": self.recipe.get("epochs"),
            "network": None if self.network is None else self.network.name,
            "data": self.data.get("name"),
            "recipe": self.recipe.get("name"),
            "val_accuracy": self.best_val_accuracy,
            "test": tested if self.top1 else None,
            "params": None if self.cost is None else self.cost.params,
            "macs": None if self.cost is None else self.cost.macs,
            "images_per_second": self.images_per_second,
            "model_bytes": self.size(MODEL_FILE),
            "changed": self.changed.isoformat(timespec="seconds"),
        }


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """The runs at and below these folders, each once, by name. Links to folders are not followed.

    Raises UsageError for a missing folder.
    """
    found: dict[Path, None] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder; that is where runs are looked for")
        for place, below, files in os.walk(folder):
            if PLAN_FILE in files:
                found[Path(place)] = None
                below.clear()
            below.sort()
    return list(found)


def is_run(folder: Path) -> bool:
    """Whether this folder itself holds a run."""
    return (folder / PLAN_FILE).is_file()


def require_model(folder: Path) -> None:
    """Raises UsageError for a run that has no model yet."""
    if is_run(folder) and not (folder / MODEL_FILE).is_file():
        raise UsageError(f"{folder} has no model yet: the run is not finished")


def read_run(folder: Path) -> RunRecord:
    """The run in this folder; the record says what is damaged. Raises UsageError if there is no run."""
    if not is_run(folder):
        raise UsageError(f"{folder} holds no run: it has no {PLAN_FILE}")
    problems: list[str] = []
    plan, network, header, summary = {}, None, None, None
    events: list[LoggedEvent] = []
    hardest: tuple[HardImage, ...] = ()
    try:
        plan = _json(folder / PLAN_FILE)
        network = _network(folder / PLAN_FILE, plan)
    except ConvsmithError as error:
        problems.append(str(error))
    try:
        events = _log(folder / LOG_FILE)
    except ConvsmithError as error:
        problems.append(str(error))
    try:
        if (folder / MODEL_FILE).exists():
            header = read_header(folder / MODEL_FILE)
            _check_metrics(folder / MODEL_FILE, header.metrics)
        if (folder / SUMMARY_FILE).exists():
            summary = _json(folder / SUMMARY_FILE)
    except ConvsmithError as error:
        header = None
        problems.append(str(error))
    try:
        hardest = read_hardest(folder)
    except ConvsmithError as error:
        problems.append(str(error))
    epochs = {event.epoch: event for event in events if isinstance(event, EpochEnded)}
    state: State = "running" if is_running(folder) else "finished" if header else "stopped"
    if state == "stopped" and not epochs and not _keeps_training(folder, plan):
        state = "not begun"
    return RunRecord(
        folder,
        "damaged" if problems else state,
        plan,
        network or (header.network if header else None),
        tuple(epochs[number] for number in sorted(epochs)),
        tuple(event.text for event in events if isinstance(event, Noticed)),
        next((event for event in reversed(events) if isinstance(event, Started)), None),
        header,
        summary,
        hardest,
        _changed(folder),
        "; ".join(problems),
    )


def _keeps_training(folder: Path, plan: Mapping[str, Any]) -> bool:
    """Whether a checkpoint besides that of the start is kept, as far as the folder tells."""
    if mapping(plan.get("request")).get("checkpoints") is not None:
        return True  # elsewhere
    return any(path.stem != f"step-{0:012d}" for path in (folder / "checkpoint").glob("step-*.safetensors"))


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one: a file may hold anything."""
    return value if isinstance(value, Mapping) else {}


def _network(path: Path, plan: Mapping[str, Any]) -> Network:
    recipe = plan.get("recipe")
    if not isinstance(recipe, Mapping) or not isinstance(recipe.get("epochs"), int):
        raise RunFolderError(f"{path} is damaged: it has no recipe")
    try:
        return Network.from_json(plan["network"])
    except (ConvsmithError, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise RunFolderError(f"{path} is damaged: its network cannot be read ({error})") from None


def _check_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    top1 = mapping(metrics.get("top1"))
    if metrics and not all(isinstance(top1.get(key), (int, float)) for key in ("value", "low", "high")):
        raise RunFolderError(f"{path} is damaged: its metrics have no top-1 accuracy")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES).decode()
    except OSError as error:
        raise RunFolderError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RunFolderError(f"{path} is damaged: it is not text") from None


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{path} is damaged: {error}") from None
    if not isinstance(data, dict):
        raise RunFolderError(f"{path} is damaged: it is not a JSON object")
    return data


def _log(path: Path) -> list[LoggedEvent]:
    """The events. A last line without an end is being written, or was when the machine stopped: it is left out."""
    if not path.exists():
        return []
    events = []
    for number, line in enumerate(_text(path).split("\n")[:-1], 1):
        try:
            events.append(from_json(json.loads(line)))
        except (ValueError, RecursionError) as error:
            raise RunFolderError(f"{path} is damaged in line {number}: {error}") from None
    return events


def _changed(folder: Path) -> datetime:
    times = [0.0]
    for name in (PLAN_FILE, LOG_FILE, MODEL_FILE):
        try:
            times.append((folder / name).stat().st_mtime)
        except OSError:
            continue
    return datetime.fromtimestamp(max(times), UTC).astimezone()
