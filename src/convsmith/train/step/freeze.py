"""Training on from given weights: which stages stay as they are, and which learn slowly."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from convsmith.train.recipes.recipe import FineTuning

Stages = Sequence[Sequence[str]]
"""Names of the layers with weights, in groups from input to output."""


def frozen_stages(tuning: FineTuning, epoch: int) -> int:
    """How many stages keep their weights in this epoch (from 0)."""
    thawed = epoch // tuning.unfreeze_every if tuning.unfreeze_every else 0
    return max(0, tuning.frozen_stages - thawed)


def train_from(module: nn.Module, stages: Stages, first: int, norms: int = 0) -> None:
    """Training mode from stage `first` on; earlier layers get no gradients, and norms keep their statistics, all but
    the last `norms` batch norms of these."""
    module.train()
    for number, stage in enumerate(stages):
        for name in stage:
            layer = module.get_submodule(name)
            layer.requires_grad_(number >= first).train(number >= first)
    frozen = [module.get_submodule(name) for stage in stages[:first] for name in stage]
    batch_norms = [layer for layer in frozen if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for layer in batch_norms[max(0, len(batch_norms) - norms) :]:
        layer.requires_grad_(True).train()
