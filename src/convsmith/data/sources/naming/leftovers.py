"""What lies in folders and is no data: hidden files, what tools leave behind, and what convsmith itself wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TOOLS = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "zbthumbnail.info", "icon\r"),
        *("__macosx", "@eadir", "@tmp", "#recycle", "$recycle.bin", "system volume information", "lost+found"),
        *("network trash folder", "temporary items", "__pycache__", "node_modules", "cvs", "_darcs"),
    )
)
"""Of file managers, storage servers, interpreters and version control. So are all names that begin with a dot."""

VIRTUAL_ENVIRONMENT, CACHE_TAG = "pyvenv.cfg", "CACHEDIR.TAG"
"""Files that mark a folder as Python's and as a cache (https://bford.info/cachedir/)."""

RUN_FILE = "run.json"
RUN_KEYS = frozenset(("network", "recipe", "preprocess"))
"""A run's folder has such a file, with some of these in it."""

SHARD_INDEX, SHARD_FORMAT = "index.json", "convsmith shards"

OWN_FILES = frozenset(("model.safetensors", "model.onnx", "log.jsonl", "summary.json", "report.html", "running.lock"))


def is_leftover(name: str) -> bool:
    """Whether a name is hidden or a tool's."""
    return name.startswith(".") or name.lower() in TOOLS or name.lower().startswith("thumbs.db") or name.endswith("~")


def not_data(folder: Path) -> str | None:
    """Why a folder is no data, judged by what is in it; None if it may be data."""
    names = _names(folder)
    if VIRTUAL_ENVIRONMENT in names:
        return "a virtual environment"
    if CACHE_TAG in names:
        return "a cache"
    if _is_run(folder, names):
        return "a run of convsmith"
    if is_shard_index(folder / SHARD_INDEX):
        return "shards of convsmith"
    below = [folder / name for name in names if not is_leftover(name) and (folder / name).is_dir()]
    if below and all(_is_run(path, _names(path)) for path in below):
        return "runs of convsmith"
    return None


def is_shard_index(path: Path) -> bool:
    """Whether a file is the index of shards that convsmith wrote, or lies beside shards, so that it was one."""
    if not path.is_file():
        return False
    return "shards" in _json(path) or any(path.parent.glob("*.tar"))


def _is_run(folder: Path, names: set[str]) -> bool:
    if RUN_FILE not in names:
        return False
    if names & OWN_FILES:
        return True
    return bool(RUN_KEYS & set(_json(folder / RUN_FILE)))


def _json(path: Path) -> dict[str, Any]:
    """The object in a small JSON file; nothing where there is none."""
    try:
        found = json.loads(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()
