"""The networks that made convolutional vision, one file per family, and `create` to write any of them."""

from __future__ import annotations

from convsmith.zoo.paper import Paper, PaperFigures
from convsmith.zoo.registry import Variant, create, family, find, models, origin_of

__all__ = ["Paper", "PaperFigures", "Variant", "create", "family", "find", "models", "origin_of"]
