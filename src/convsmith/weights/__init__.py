"""Weights: the one model file, and other libraries' checkpoints. Submodules are imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convsmith.weights.file import Header, Model, load_model, read_header, save_model

if TYPE_CHECKING:
    from convsmith.weights.library import Match, from_library, match, to_library

__all__ = [
    "Header",
    "Match",
    "Model",
    "from_library",
    "load_model",
    "match",
    "read_header",
    "save_model",
    "to_library",
]

LAZY = dict.fromkeys(("Match", "from_library", "match", "to_library"), "convsmith.weights.library")
"""Modules that import torch; reading a model's header must not."""


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(import_module(LAZY[name]), name)
    raise AttributeError(name)
