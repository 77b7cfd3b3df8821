"""What a run decides before it trains, kept in its folder so that a resumed run decides the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convsmith import records
from convsmith.backend.torch import NetworkModule, build
from convsmith.data.augment.augment import Augment
from convsmith.data.dataset import Dataset
from convsmith.evaluation.inference import device_of
from convsmith.model import Model, load_model
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.train.distillation.distilling import TaughtBy, distillation_loss
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.folder import START_FILE, TEACHER_FILE
from convsmith.train.step.objective import Objective, default_objective
from convsmith.transform.part import classifier_of, stages
from convsmith.transform.reorder import pool_before_rectifier
from convsmith.transform.stochastic_depth import with_stochastic_depth


@dataclass(frozen=True)
class RunPlan:
    """All that determines a run besides the data: `reason` says why this network, `notes` what was measured for it.

    `taught_by` is there where the network learns from a teacher, whose weights the run's folder has.
    """

    network: Network
    reason: str
    preprocess: Preprocess
    recipe: Recipe
    notes: tuple[str, ...] = ()
    taught_by: TaughtBy | None = None

    @property
    def head_only(self) -> bool:
        """Whether only the classifier is trained, on images that are not changed: its features can be kept."""
        tuning = self.recipe.fine_tuning
        thawed = tuning.unfreeze_every is not None or tuning.norms
        if not tuning.frozen_stages or thawed or self.recipe.augment != Augment():
            return False
        return tuning.frozen_stages == len(stages(self.network)) - 1

    def to_json(self) -> dict[str, Any]:
        return {
            "network": self.network.to_json(),
            "reason": self.reason,
            "preprocess": records.to_json(self.preprocess),
            "recipe": self.recipe.to_json(),
            "notes": list(self.notes),
            **({} if self.taught_by is None else {"taught_by": records.to_json(self.taught_by)}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunPlan:
        """What `to_json` wrote. Raises UsageError, KeyError or TypeError for anything else."""
        return cls(
            Network.from_json(data["network"]),
            data["reason"],
            Preprocess.from_json(data["preprocess"]),
            Recipe.from_json(data["recipe"]),
            tuple(data["notes"]),
            None
            if data.get("taught_by") is None
            else records.from_json(TaughtBy, data["taught_by"], "a run's teacher"),
        )


def objective_of(plan: RunPlan, module: nn.Module, dataset: Dataset, teacher: Model | None) -> Objective:
    """What a run minimises: its recipe's loss, and beside it what it learns from its teacher.

    Raises UsageError as `distilling` does.
    """
    labels = default_objective(module, dataset, plan.recipe, device_of(module))
    if plan.taught_by is None:
        return labels
    assert teacher is not None
    about = plan.taught_by.distillation
    return distillation_loss(teacher, plan.network, dataset.classes, plan.preprocess, about, labels)


def first_module(plan: RunPlan, classes: tuple[str, ...], start: Model | None = None) -> NetworkModule:
    """The module to train, on the CPU: as its initialisers and the seed say, or with the weights of `start`.

    Where `start` has other classes the classifiers begin at 0: noise in them would have to be unlearned first, at the
    cost of the features. Raises WeightsError where its weights do not fit.
    """
    network = pool_before_rectifier(with_stochastic_depth(plan.network, plan.recipe.stochastic_depth))
    if start is None:
        return build(network, plan.recipe.seed)
    weights = _start_weights(plan.network, start, classes)
    made = Model(plan.network, weights, classes, plan.preprocess)
    return made.module(network).train()


def _start_weights(network: Network, start: Model, classes: tuple[str, ...]) -> dict[str, Tensor]:
    outputs = (network.output, *(head.node for head in network.auxiliary))
    replaced = set() if start.classes == classes else {classifier_of(network, output).name for output in outputs}
    return {
        name: torch.zeros(parameter.shape) if name.rpartition(".")[0] in replaced else start.weights[name]
        for name, parameter in network.parameters.items()
    }


def read_start(run_dir: Path) -> Model | None:
    """The model whose weights the run in a folder starts from. Raises ModelFileError if its file is damaged."""
    path = run_dir / START_FILE
    return load_model(path) if path.exists() else None


def read_teacher(run_dir: Path, plan: RunPlan) -> Model | None:
    """The model that the run in a folder learns from. Raises ModelFileError if its file is damaged or missing."""
    return None if plan.taught_by is None else load_model(run_dir / TEACHER_FILE)
