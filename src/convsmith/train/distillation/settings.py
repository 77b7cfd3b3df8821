"""How a teacher teaches, as data."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal, get_args

from convsmith.errors import UnknownNameError, UsageError

Kind = Literal["soft", "hints", "attention"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAP_WEIGHTS: dict[Kind, float] = {"soft": 0.0, "hints": 1.0, "attention": 10.0}
"""Of the feature maps' terms by default. Attention's, over the stages, is about what the paper's 1000 / (positions)
comes to on average for maps of 32x32, 16x16 and 8x8; on smaller maps the paper's makes training diverge."""


@dataclass(frozen=True)
class Distillation:
    """What a student learns from its teacher, besides the labels.

    - `kind` "soft": the teacher's shares of the classes. "hints" adds the teacher's feature map of its middle stage,
      which the student's, through a 1x1 convolution that is trained along, is to equal (FitNets; the paper trains this
      first and the classes then, here both go together). "attention" adds where the maps of all stages are active.
    - `temperature` softens the shares: the higher, the more the smaller ones count.
    - `soft_weight` is the weight of the teacher's shares, and 1 - `soft_weight` that of the labels. 0: labels alone,
      and the teacher's classes do not matter.
    - `map_weight` is the weight of the maps' term; None: 1 for hints, 10 for attention, whose term is
      the mean over the stages.

    Raises UnknownNameError for another kind, UsageError out of range.
    """

    kind: Kind = "soft"
    temperature: float = 4.0
    soft_weight: float = 0.9
    map_weight: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError("kind of distillation", self.kind, KINDS)
        for wrong, message, settings in (
            (not (self.temperature > 0 and isfinite(self.temperature)), "must be above 0", "temperature"),
            (not 0 <= self.soft_weight <= 1, "must be 0 to 1", "soft_weight"),
            (self.map_weight is not None and not self.map_weight > 0, "must be above 0", "map_weight"),
            (self.kind == "soft" and self.map_weight is not None, "is for hints and attention", "map_weight"),
            (self.kind == "soft" and not self.soft_weight, "leaves nothing to learn from the teacher", "soft_weight"),
        ):
            if wrong:
                raise UsageError(message, settings=settings)

    @property
    def weight_of_maps(self) -> float:
        return MAP_WEIGHTS[self.kind] if self.map_weight is None else self.map_weight

    def __str__(self) -> str:
        words = {"soft": "", "hints": " and a hint", "attention": " and attention"}
        return f"soft targets at temperature {self.temperature:g}{words[self.kind]}"
