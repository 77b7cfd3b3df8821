"""What lies in folders and is no data: hidden files, what tools leave behind, and what convsmith itself wrote."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
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


COPY = re.compile(
    r"(~|\.(bak|orig|old|tmp|temp|part|partial|crdownload|download|swp)|\.\w{3,4}_original)$", re.IGNORECASE
)
"""What editors and browsers put behind the names of older and unfinished files, and exiftool behind originals."""


def is_leftover(name: str) -> bool:
    """Whether a name is hidden or a tool's."""
    return (
        name.startswith(".") or name.lower() in TOOLS or name.lower().startswith("thumbs.db") or bool(COPY.search(name))
    )


def not_data(folder: Path, is_image: Callable[[str], bool]) -> str | None:
    """Why a folder is no data, by what is in it; None if it may be data. `is_image` judges a file by its name."""
    if (folder / VIRTUAL_ENVIRONMENT).is_file():
        return "a virtual environment"
    if (folder / CACHE_TAG).is_file():
        return "a cache"
    if _is_run(folder):
        return "a run of convsmith"
    if is_shard_index(folder / SHARD_INDEX):
        return "shards of convsmith"
    return "runs of convsmith" if _holds_runs_alone(folder, is_image) else None


def is_shard_index(path: Path) -> bool:
    """Whether a file is the index of shards that convsmith wrote, or lies beside shards, so that it was one."""
    if not path.is_file():
        return False
    return "shards" in _json(path) or any(path.parent.glob("*.tar"))


def _is_run(folder: Path) -> bool:
    if not (folder / RUN_FILE).is_file():
        return False
    return any((folder / name).is_file() for name in OWN_FILES) or bool(RUN_KEYS & set(_json(folder / RUN_FILE)))


def _holds_runs_alone(folder: Path, is_image: Callable[[str], bool]) -> bool:
    """Whether there are runs in a folder, no other folders and no images. Of a folder of images, one is looked at."""
    found = False
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_leftover(entry.name):
                    continue
                folder_here = entry.is_dir()
                if folder_here and _is_run(Path(entry.path)):
                    found = True
                elif folder_here or is_image(entry.name):
                    return False
    except OSError:
        return False
    return found


def _json(path: Path) -> dict[str, Any]:
    """The object in a small JSON file; nothing where there is none."""
    try:
        found = json.loads(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
