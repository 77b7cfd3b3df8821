"""A run's folder: begun, resumed, or left as it was found where the run could not start."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from convsmith import records
from convsmith.data.dataset import Dataset
from convsmith.data.summary import summarize
from convsmith.errors import ConvsmithError, ModelFileError, UsageError
from convsmith.files import write_bytes
from convsmith.fitting.chosen import Chosen
from convsmith.model import save_model
from convsmith.request import Request, described
from convsmith.train.distillation.settings import Distillation
from convsmith.train.run.folder import (
    HARDEST_FILE,
    LOCK_FILE,
    LOG_FILE,
    MODEL_FILE,
    PLAN_FILE,
    START_FILE,
    TEACHER_FILE,
    is_running,
)
from convsmith.train.run.plan import RunPlan
from convsmith.train.run.store import RunStore

MADE = (PLAN_FILE, LOG_FILE, LOCK_FILE, START_FILE, TEACHER_FILE, HARDEST_FILE, "checkpoint", "tensorboard", "ray")
"""What a start puts into the folder."""


def holds_run(out: Path, checkpoints: str | None = None) -> bool:
    """Whether a training has begun in the folder: some of it is kept, or its model."""
    if not (out / PLAN_FILE).exists():
        return False
    store = RunStore(out, checkpoints or _begun_checkpoints(out))
    return (out / MODEL_FILE).exists() or store.folder.holds_training()


def read_run(out: Path, request: Request) -> tuple[RunPlan, Request]:
    """What a run that was stopped had decided and was asked for, with what may change as it is asked for now.

    Raises UsageError where there is no run, ResumeError (see `Request.resumed`), ModelFileError if run.json is damaged.
    """
    path = out / PLAN_FILE
    if not path.exists():
        raise UsageError(f"{out} holds no run to resume")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        plan, begun = RunPlan.from_json(data), Request.from_json(data["request"])
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        raise ModelFileError(f"{path} is damaged ({error}); start over in another folder") from None
    return plan, request.resumed(begun, _decided(plan))


def _decided(plan: RunPlan) -> dict[str, Any]:
    """What a run came to for settings that it was not asked for."""
    recipe = plan.recipe.to_json()
    names = ("epochs", "batch_size", "accumulate", "clip_norm", "learning_rate", "patience", "seed", "precision")
    decided = {name: recipe[name] for name in (*names, "memory_format", "compiled")}
    preprocess = plan.preprocess
    taught = {} if plan.taught_by is None else _taught(plan.taught_by.distillation)
    made = {"side": preprocess.crop[0], "framing": preprocess.framing}
    return {**decided, **made, **taught, "recipe": plan.recipe.name, "network": plan.network.name}


def _taught(how: Distillation) -> dict[str, Any]:
    return {"distill": how.kind, "temperature": how.temperature}


def check_data(out: Path, dataset: Dataset) -> None:
    """Raises UsageError if a run was begun with data of other contents or splits."""
    with suppress(OSError, ValueError):
        was = json.loads((out / PLAN_FILE).read_text(encoding="utf-8")).get("data", {}).get("fingerprint")
        if was and was != dataset.fingerprint:
            raise UsageError(
                f"{dataset.name} has changed since the run was begun, or is other data; start over in another folder",
                settings="data",
            )


@contextmanager
def begun_run(out: Path, chosen: Chosen, request: Request, dataset: Dataset) -> Iterator[None]:
    """Makes the run's folder with its plan in it. If the block fails before any training is kept, all that was made is
    taken away again, so that the corrected request may use the folder.

    Raises UsageError if another run is there, or the folder cannot be made.
    """
    if is_running(out):
        raise UsageError(f"{out} is being trained by another process; wait for it, or stop it")
    if holds_run(out, request.checkpoints):
        raise UsageError(f"{out} already holds a run: resume it, or choose another folder", settings=("resume", "out"))
    existed = out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {out}: {error.strerror}") from None
    _clear(out, request)
    try:
        if (start := chosen.start) is not None:
            save_model(replace(start, network=replace(start.network, storage=()), grids={}), out / START_FILE)
        if (teacher := chosen.teacher) is not None:
            save_model(teacher, out / TEACHER_FILE)
        write_bytes(out / PLAN_FILE, records.json_text(_run_json(chosen, request, dataset), indent=1).encode())
        yield
    except BaseException:
        begun = False
        with suppress(ConvsmithError):  # where checkpoints cannot be kept, none is
            begun = holds_run(out, request.checkpoints)
        if not begun:
            _clear(out, request)
            if not existed:
                with suppress(OSError):
                    out.rmdir()
        raise


def _run_json(chosen: Chosen, request: Request, dataset: Dataset) -> dict[str, Any]:
    return {
        **chosen.plan.to_json(),
        "request": request.to_json(),
        "start": None if request.pretrained is None else described(request.pretrained),
        "source": described(request.data),
        "data": summarize(dataset).to_json(),
        **({} if chosen.choice is None else {"choice": chosen.choice.to_json()}),
    }


def _begun_checkpoints(out: Path) -> str | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        checkpoints = json.loads((out / PLAN_FILE).read_text(encoding="utf-8"))["request"].get("checkpoints")
        return checkpoints if isinstance(checkpoints, str) else None
    return None


def _clear(out: Path, request: Request) -> None:
    """Removes what a start has left that came to nothing; whatever else is in the folder stays."""
    if not (out / PLAN_FILE).exists():
        return
    if request.checkpoints is not None:
        with suppress(ConvsmithError):
            RunStore(out, request.checkpoints).folder.clear()
    for name in MADE:
        path = out / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
