"""Programs that run ONNX files: one small protocol, and what of them is installed here."""

from __future__ import annotations

from convsmith.deploy.engines.engine import Engine
from convsmith.deploy.engines.known import ENGINES, EngineKind, engine_kind

__all__ = ["ENGINES", "Engine", "EngineKind", "engine_kind"]
