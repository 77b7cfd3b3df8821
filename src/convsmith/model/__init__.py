"""The model: a network with its weights, classes and preprocessing, and its one file.

Submodules that need torch are imported when first used: reading a model's header needs none.
"""

from __future__ import annotations

from convsmith.model.file import load_model, read_header, save_model
from convsmith.model.header import Header
from convsmith.model.model import Model

__all__ = ["Header", "Model", "load_model", "read_header", "save_model"]
