"""Weights: the one model file, and other libraries' checkpoints. Submodules are imported when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convsmith.weights.file import Header, Model, load_model, read_header, save_model

if TYPE_CHECKING:
    from convsmith.weights.library import from_library

__all__ = ["Header", "Model", "from_library", "load_model", "read_header", "save_model"]


def __getattr__(name: str) -> Any:
    # library.py imports torch and numpy; reading a model's header must not.
    if name == "from_library":
        from convsmith.weights.library import from_library

        return from_library
    raise AttributeError(name)
