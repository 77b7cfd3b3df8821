"""Weights: the one model file, and other libraries' checkpoints. Submodules are imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convsmith.model.file import Header, Model, load_model, read_header, save_model

if TYPE_CHECKING:
    from convsmith.weights.exporting import Exported, export_weights
    from convsmith.weights.importing import Imported, import_weights
    from convsmith.weights.library import Match, from_library, match, to_library
    from convsmith.weights.reading import read
    from convsmith.weights.registry import PublishedWeights, fetch_weights, find_published, published

LAZY = {
    "exporting": ("Exported", "export_weights"),
    "importing": ("Imported", "import_weights"),
    "library": ("Match", "from_library", "match", "to_library"),
    "registry": ("PublishedWeights", "fetch_weights", "find_published", "published"),
    "reading": ("read",),
}
"""Names by module. Some of these import torch; reading a model's header must not."""

__all__ = [
    "Exported",
    "Header",
    "Imported",
    "Match",
    "Model",
    "PublishedWeights",
    "export_weights",
    "fetch_weights",
    "find_published",
    "from_library",
    "import_weights",
    "load_model",
    "match",
    "published",
    "read",
    "read_header",
    "save_model",
    "to_library",
]


def __getattr__(name: str) -> Any:
    for module, names in LAZY.items():
        if name in names:
            return getattr(import_module(f"convsmith.weights.{module}"), name)
    raise AttributeError(name)
