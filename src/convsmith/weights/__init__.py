"""Other libraries' checkpoints, in and out, and published weights. Submodules are imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convsmith.model.file import Header, Model, load_model, read_header, save_model

if TYPE_CHECKING:
    from convsmith.weights.exporting import Exported, export_weights
    from convsmith.weights.formats.checkpoints import read
    from convsmith.weights.identification import Identified, Identity, identify
    from convsmith.weights.importing import Imported, import_weights
    from convsmith.weights.published_weights import PublishedWeights, fetch_weights, find_published, published
    from convsmith.weights.translate.matching import Match, from_library, match, to_library

LAZY = {
    "exporting": ("Exported", "export_weights"),
    "formats.checkpoints": ("read",),
    "identification": ("Identified", "Identity", "identify"),
    "importing": ("Imported", "import_weights"),
    "published_weights": ("PublishedWeights", "fetch_weights", "find_published", "published"),
    "translate.matching": ("Match", "from_library", "match", "to_library"),
}
"""Names by module. Most of these import torch; reading a model's header must not."""

__all__ = [
    "Exported",
    "Header",
    "Identified",
    "Identity",
    "Imported",
    "Match",
    "Model",
    "PublishedWeights",
    "export_weights",
    "fetch_weights",
    "find_published",
    "from_library",
    "identify",
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
