"""Weights: the one model file, and other libraries' checkpoints."""

from __future__ import annotations

from convsmith.weights.library import from_library

__all__ = ["from_library"]
