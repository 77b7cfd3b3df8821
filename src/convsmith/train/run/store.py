"""Where a training is kept so that it can go on: in a run's folder, or in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from convsmith.errors import CheckpointError
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.checkpoint import Checkpoint, checkpoint_folder
from convsmith.train.run.log import RunLog


class Store(Protocol):
    """Keeps a training's checkpoints. Of several processes that train together, the first one saves and all load."""

    def load(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that is whole, None if there is none; and a line about each newer one that is not.

        Raises CheckpointError where there are some and all are damaged.
        """
        ...

    def save(self, checkpoint: Checkpoint, updates: int) -> str:
        """Keeps the state after so many updates. Returns where it is. Raises CheckpointError where that fails."""
        ...


class MemoryStore:
    """The newest checkpoint in memory: for a trial that is stopped and may be carried on in the same process."""

    def __init__(self) -> None:
        self._kept: Checkpoint | None = None

    def load(self) -> tuple[Checkpoint | None, list[str]]:
        return self._kept, []

    def save(self, checkpoint: Checkpoint, updates: int) -> str:
        tensors = {name: tensor.detach().clone() for name, tensor in checkpoint.tensors.items()}
        self._kept = Checkpoint(tensors, json.loads(json.dumps(checkpoint.state)))
        return f"in memory, after {updates:,} updates"


class RunStore:
    """Checkpoints in `run_dir`/checkpoint, or at `checkpoints`, a folder or fsspec URL; and `run_dir`/log.jsonl.

    `log` is an observer: it writes every event but the single steps. On loading, what the log tells of steps after the
    checkpoint is cut off: they will be done again.
    """

    def __init__(self, run_dir: Path, checkpoints: str | None = None) -> None:
        self.folder = checkpoint_folder(checkpoints or run_dir / "checkpoint")
        self.log = RunLog(run_dir)

    def __str__(self) -> str:
        return str(self.folder)

    def load(self) -> tuple[Checkpoint | None, list[str]]:
        saved, damaged = self.folder.read()
        self.log.length = 0 if saved is None else saved.state["log_length"]
        return saved, damaged

    def save(self, checkpoint: Checkpoint, updates: int) -> str:
        state = {**checkpoint.state, "log_length": self.log.flushed_length()}
        return str(self.folder.write(Checkpoint(checkpoint.tensors, state), updates))


FREE = ("recover",)
"""Settings of a recipe that may change when a run is resumed: they have changed nothing so far."""


def check_identity(where: str, saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises CheckpointError naming the first setting in which a checkpoint differs from the training at hand."""
    # Read as a recipe, settings that came after the checkpoint have the values that stand for what was done then.
    recipe = Recipe.from_json(saved["recipe"]).to_json()
    for name, value in wanted["recipe"].items():
        was = recipe[name]
        if was != value and name not in FREE:
            raise CheckpointError(f"{where}: made with {name} {was}, not {value}; resume with {was} or start over")
    for name, kind in (("data", "other data"), ("preprocess", "other preprocessing"), ("network", "another network")):
        if saved[name] != wanted[name]:
            raise CheckpointError(f"{where}: made with {kind}; resume with the same, or start over in another folder")
