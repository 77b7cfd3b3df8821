"""An exponential moving average of a module's weights (Polyak and Juditsky 1992; Szegedy et al. 2016, section 8)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ExponentialMovingAverage:
    """Shadows of a module's state: floating-point tensors averaged, counters copied.

    The decay after `step` updates is min(decay, (1 + step) / (10 + step)), so that the random initial weights are
    forgotten in short runs too (TensorFlow's ExponentialMovingAverage with num_updates).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {name: value.detach().clone() for name, value in module.state_dict().items()}
        # Pairs of (shadow, source) that share storage with the module: gathered once, for steps of small networks
        # are shorter than walking a state dict.
        sources = module.state_dict()
        floats = [name for name, value in sources.items() if value.is_floating_point()]
        self._averaged = ([self.shadow[name] for name in floats], [sources[name] for name in floats])
        self._copied = [(self.shadow[name], sources[name]) for name in sources if name not in set(floats)]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the module's weights after update number `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(*self._averaged, 1 - decay)
        for shadow, source in self._copied:
            shadow.copy_(source)

    def load(self, shadow: dict[str, Tensor]) -> None:
        """Continues from a saved shadow of the same names and shapes."""
        for name, value in self.shadow.items():
            value.copy_(shadow[name])
