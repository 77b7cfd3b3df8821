"""Noise that exists in training only."""

from __future__ import annotations

from typing import ClassVar, Literal

from convsmith.network.dims import Shape
from convsmith.network.ops.base import Rearrangement, Saved, operation


class _Noise(Rearrangement):
    __slots__ = ()
    training_only: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]


@operation
class Dropout(_Noise):
    """Zeros elements with probability `p` in training, one by one or whole channels; nothing in evaluation."""

    kind: ClassVar[str] = "dropout"
    saved: ClassVar[Saved] = "output"

    p: float = 0.5
    unit: Literal["element", "channel"] = "element"


@operation
class AlphaDropout(_Noise):
    """Dropout that keeps mean 0 and variance 1 behind SELU (Klambauer et al. 2017)."""

    kind: ClassVar[str] = "alpha_dropout"
    saved: ClassVar[Saved] = "output"

    p: float = 0.5


@operation
class StochasticDepth(_Noise):
    """Zeros a residual branch with probability `p` in training, by image (Huang et al. 2016)."""

    kind: ClassVar[str] = "stochastic_depth"

    p: float
