"""The learning rate as a pure function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math


def learning_rate(step: int, *, peak: float, warmup_steps: int, total_steps: int) -> float:
    """Linear from peak / warmup_steps up to the peak, then half a cosine down towards 0.

    `step` counts updates from 0. Warm-up: Goyal et al. 2017 (arXiv 1706.02677, 2.2); cosine: Loshchilov and Hutter
    2017 (arXiv 1608.03983, eq. 5, one period).
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    passed = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, passed)))
