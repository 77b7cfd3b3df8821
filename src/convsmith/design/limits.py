"""What a network may cost, and whether it keeps to that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from convsmith.cost import Cost

METADATA_BYTES = 24_000
"""Room in the model file for class names, preprocessing, provenance and metrics."""

UNITS = {"max_params": "parameters", "max_macs": "multiply-adds", "max_size": "bytes", "max_latency": "ms"}


@dataclass(frozen=True)
class Limits:
    """What the network may cost: parameters, multiply-adds, bytes of the model file, ms for one image here."""

    max_params: int | None = None
    max_macs: int | None = None
    max_size: int | None = None
    max_latency: float | None = None

    @property
    def set(self) -> tuple[str, ...]:
        """The names of those that there are."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) is not None)


def file_bytes(cost: Cost) -> int:
    """Bytes of the model file, rounded up by the room that its metadata may need."""
    net = cost.network
    tensors = {key: net.storage_of(key).tensors(parameter.shape) for key, parameter in net.parameters.items()}
    index = sum(len(raw.name(key)) + 90 for key, parts in tensors.items() for raw in parts)
    described = len(json.dumps(json.dumps(cost.network.to_json())))
    return int(cost.stored_bytes) + index + described + METADATA_BYTES


def costed(limits: Limits) -> dict[str, Callable[[Cost], int]]:
    """What is held against each limit that follows from a network's cost, without measuring."""
    figures: dict[str, Callable[[Cost], int]] = {
        "max_params": lambda cost: int(cost.params),
        "max_macs": lambda cost: int(cost.macs),
        "max_size": file_bytes,
    }
    return {name: figures[name] for name in limits.set if name in figures}


def keeps(limits: Limits, cost: Cost) -> bool:
    """Whether a network keeps to all limits that follow from its cost."""
    return all(figure(cost) <= getattr(limits, name) for name, figure in costed(limits).items())


def unmet(limit: str, bound: Any, smallest: str, what: str) -> str:
    """What to say of a limit that cannot be met."""
    return f"{bound:,} cannot be met: the smallest {what} takes {smallest} {UNITS[limit]}"
