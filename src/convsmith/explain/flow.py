"""How gradients flow through a network, as values: by layer and block, at several moments of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any, Literal

Verdict = Literal["vanishing", "exploding", "healthy"]

END_LAYERS = 3
"""Layers with weights at either end whose gradients are compared, or a third of all if there are few."""

HEALTHY_RATIO = 100.0
"""How far the two ends may be apart. All layers share one learning rate: at a ratio of 100 the slow end moves by a
hundredth of what the fast end does, and the rates that train at all span about two powers of ten. For comparison, He
et al. (2015, arXiv 1502.01852, section 2.2) print 17,000 for the initialisation with which a VGG of theirs stalls."""

CRITERION = (
    f"ratio: gradient norm of the first {END_LAYERS} layers with weights over that of the last {END_LAYERS} "
    f"(geometric means); below 1/{HEALTHY_RATIO:g} it vanishes, above {HEALTHY_RATIO:g} it explodes. Each norm is the "
    "L2 norm of the gradient of one image's loss with respect to the layer's output, root mean square over the batch "
    "(Glorot and Bengio 2010, section 4.2.1; He et al. 2015, arXiv 1502.01852, section 2.2)."
)


@dataclass(frozen=True, slots=True)
class LayerFlow:
    """One layer with weights, at one moment.

    - `activation`: root mean square of its output.
    - `gradient`: see `CRITERION`.
    - `weight_gradient`: L2 norm of the gradient of the batch's mean loss with respect to its weight; `weight` is the
      L2 norm of the weight itself.
    """

    name: str
    activation: float
    gradient: float
    weight_gradient: float
    weight: float


@dataclass(frozen=True, slots=True)
class BlockFlow:
    """One residual block, by the name of its sum.

    `branch_share` is the root mean square of the branch over that of the shortcut: at 0 the block is the identity,
    a[l+2] = g(a[l]). `identity` says whether the shortcut is the block's input as it is.
    """

    name: str
    identity: bool
    branch_share: float


@dataclass(frozen=True)
class Moment:
    """The flow in the step that follows `step` updates, and its loss."""

    step: int
    loss: float
    layers: tuple[LayerFlow, ...]
    blocks: tuple[BlockFlow, ...] = ()

    @cached_property
    def ratio(self) -> float:
        """See `CRITERION`: 0 where the first gradients are zero, infinite where something is not finite."""
        norms = [layer.gradient for layer in self.layers]
        if not all(map(math.isfinite, norms)):
            return math.inf
        ends = min(END_LAYERS, max(1, len(norms) // 3))
        first, last = _geometric_mean(norms[:ends]), _geometric_mean(norms[-ends:])
        return first / last if last else (math.inf if first else 0.0)

    @property
    def verdict(self) -> Verdict:
        """See `CRITERION`."""
        if self.ratio < 1 / HEALTHY_RATIO:
            return "vanishing"
        return "exploding" if self.ratio > HEALTHY_RATIO else "healthy"

    @property
    def branch_share(self) -> float | None:
        """The mean over residual blocks; None for a network that has none."""
        return fmean(block.branch_share for block in self.blocks) if self.blocks else None


@dataclass(frozen=True)
class GradientFlow:
    """What `convsmith.gradients` measures of one network: the first moment is its initialisation."""

    network: str
    data: str
    batch_size: int
    learning_rate: float
    seed: int
    moments: tuple[Moment, ...]

    @property
    def verdict(self) -> Verdict:
        """At initialisation."""
        return self.moments[0].verdict

    def to_json(self) -> dict[str, Any]:
        """A JSON value, with the criterion and what follows from it."""
        from convsmith import records

        data: dict[str, Any] = records.to_json(self)
        for moment, entry in zip(self.moments, data["moments"], strict=True):
            entry |= {"ratio": moment.ratio, "verdict": moment.verdict}
        data |= {"verdict": self.verdict, "criterion": CRITERION}
        return {**data, "moments": records.to_json(data["moments"])}

    def __str__(self) -> str:
        from convsmith.explain.table import flow_text

        return flow_text(self)


def _geometric_mean(values: list[float]) -> float:
    return math.exp(fmean(map(math.log, values))) if all(value > 0 for value in values) else 0.0
