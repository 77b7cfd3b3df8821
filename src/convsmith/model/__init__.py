"""The model: a network with its weights, classes and preprocessing, its one file, and models made of models.

Submodules that need torch are imported when first used: reading a model's header needs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convsmith.model.file import Seal, load_model, read_header, save_model, verify
from convsmith.model.header import Header
from convsmith.model.model import Model

if TYPE_CHECKING:
    from convsmith.model.fuse import fuse_norm, plain_filters
    from convsmith.model.ranges import observe
    from convsmith.model.rounding import round_to_int8, round_weights

LAZY = {
    "fuse": ("fuse_norm", "plain_filters"),
    "ranges": ("observe",),
    "rounding": ("round_to_int8", "round_weights"),
}
"""Names by module that imports torch."""

__all__ = [
    "Header",
    "Model",
    "Seal",
    "fuse_norm",
    "load_model",
    "observe",
    "plain_filters",
    "read_header",
    "round_to_int8",
    "round_weights",
    "save_model",
    "verify",
]


def __getattr__(name: str) -> Any:
    for module, names in LAZY.items():
        if name in names:
            return getattr(import_module(f"convsmith.model.{module}"), name)
    raise AttributeError(name)
