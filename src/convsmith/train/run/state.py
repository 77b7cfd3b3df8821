"""A run's position and its learner's tensors, to and from a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from convsmith.errors import CheckpointError
from convsmith.evaluation.predictions import Predictions
from convsmith.train.run.events import EpochEnded
from convsmith.train.step.gradients import GradientNorms
from convsmith.train.step.learner import Learner


@dataclass
class Position:
    """Where a run is: `epoch` whole epochs and `step` steps of the next, with the images these steps have seen.

    `delivered` is the epoch (from 1) whose weights would be delivered if the run ended now. `gradients` are those of
    the epoch's last step, once that is done.
    """

    epoch: int = 0
    step: int = 0
    seen: int = 0
    finished: bool = False
    delivered: int = 0
    gradients: GradientNorms | None = None
    history: list[EpochEnded] = field(default_factory=list)

    @property
    def best(self) -> EpochEnded | None:
        """The epoch of the highest val accuracy, of equals the one with the lower val loss, of equals the first."""
        rated = [entry for entry in self.history if entry.val_accuracy is not None]
        return max(rated, key=lambda e: (e.val_accuracy or 0.0, -(e.val_loss or 0.0)), default=None)

    def chosen(self, val_images: int) -> bool:
        """Whether the last epoch's weights are to be delivered: val accuracy within a standard error of the best.

        Smaller differences are chance, and later weights have been annealed further; the highest figure alone would
        pick an epoch by luck (the one-standard-error rule: Breiman et al. 1984, section 3.4.3). Without a val split
        it is always the last epoch.
        """
        last, best = self.history[-1].val_accuracy, self.best
        if last is None or best is None or best.val_accuracy is None:
            return True
        return last >= best.val_accuracy - math.sqrt(best.val_accuracy * (1 - best.val_accuracy) / val_images)


def learner_tensors(learner: Learner) -> dict[str, Tensor]:
    """Weights, optimizer state by parameter name, and moving average."""
    tensors = {f"model/{name}": value for name, value in learner.module.state_dict().items()}
    for name, parameter in learner.module.named_parameters():
        for slot, value in learner.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{slot}/{name}"] = value
    if learner.average is not None:
        tensors |= {f"average/{name}": value for name, value in learner.average.shadow.items()}
    return tensors


def load_learner(learner: Learner, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `learner_tensors` gave. Raises CheckpointError if the checkpoint is of another network."""
    try:
        learner.module.load_state_dict(part(tensors, "model/"))
        if learner.average is not None:
            learner.average.load(part(tensors, "average/"))
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(f"the checkpoint is of another network: {' '.join(str(error).split())}") from None
    parameters = dict(learner.module.named_parameters())
    for key, value in part(tensors, "optimizer/").items():
        slot, _, name = key.partition("/")
        learner.optimizer.state[parameters[name]][slot] = _like(parameters[name], value)


def prediction_tensors(predictions: Predictions | None) -> dict[str, Tensor]:
    """The predictions as tensors by name; none where there is no val split."""
    if predictions is None:
        return {}
    arrays = {"rows": predictions.rows, "predicted": predictions.predicted, "losses": predictions.losses}
    return {f"predictions/{name}": torch.from_numpy(array) for name, array in arrays.items()}


def predictions_of(tensors: Mapping[str, Tensor]) -> Predictions | None:
    """What `prediction_tensors` gave; None in checkpoints that have none."""
    found = {name: tensor.cpu().numpy() for name, tensor in part(tensors, "predictions/").items()}
    return Predictions(found["rows"], found["predicted"], found["losses"]) if found else None


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """The value in fresh memory, laid out as the parameter is: fused optimizers walk both in storage order."""
    if value.shape != parameter.shape:
        return value.to(parameter.device, copy=True)
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
