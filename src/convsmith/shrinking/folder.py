"""The folder of a compression: what was asked for is noted in it, so that the same call can go on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from convsmith import records
from convsmith.data.dataset import Dataset
from convsmith.errors import RunFolderError, UsageError
from convsmith.files import write_bytes
from convsmith.model import Model
from convsmith.request import ResumeError
from convsmith.shrinking.settings import Settings
from convsmith.train.recipes.recipe import Recipe

REQUEST_FILE = "compress.json"
FREE = ("max_drop",)
"""Settings that may change: no step depends on them, only how far the ways to the target are followed."""


def begun(folder: Path, settings: Settings, to: str, model: Model, dataset: Dataset) -> Path:
    """The folder, made if need be, with what is asked for in it.

    Raises ResumeError naming each setting in which a compression there differs, UsageError if it is of another model or
    other data or the folder holds something else, RunFolderError if the note is damaged.
    """
    path = folder / REQUEST_FILE
    asked = {"to": to, **_settings(settings)}
    note = {"asked": asked, "model": fingerprint(model), "data": dataset.fingerprint}
    if not path.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} holds something else than a compression; choose another", settings="folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make the folder {folder}: {error.strerror}", settings="folder") from None
        write_bytes(path, records.encode(note))
        return folder
    try:
        was: Any = json.loads(path.read_bytes())
        then, kept = dict(was["asked"]), (was["model"], was["data"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{path} is damaged ({error}); start over in another folder") from None
    if kept != (note["model"], note["data"]):
        raise UsageError(f"{folder} is a compression of another model or for other data", settings="folder")
    different = {
        name: (asked[name], then.get(name)) for name in asked if name not in FREE and asked[name] != then.get(name)
    }
    if different:
        raise ResumeError(different)
    return folder


def _settings(settings: Settings) -> dict[str, Any]:
    recipe = settings.recipe.to_json() if isinstance(settings.recipe, Recipe) else settings.recipe
    named = {"method": settings.method, "max_drop": settings.max_drop, "epochs": settings.epochs}
    data: dict[str, Any] = records.to_json({**named, "recipe": recipe, "seed": settings.seed})
    return data


def fingerprint(model: Model) -> str:
    """SHA-256 of a model's network and weights."""
    digest = hashlib.sha256(records.encode(model.network.to_json()))
    for key in sorted(model.weights):
        digest.update(key.encode())
        digest.update(model.weights[key].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
