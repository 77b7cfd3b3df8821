"""What is to be learned: all that a training is made from but how its steps run."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from convsmith.data.dataset import Dataset
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.step.freeze import Stages
from convsmith.train.step.learner import AfterUpdate
from convsmith.train.step.objective import Objective


@dataclass(frozen=True, eq=False)
class Task:
    """A module, the data set that it learns, and how. `stages`: its layers in groups, for recipes that freeze some."""

    module: nn.Module
    dataset: Dataset
    preprocess: Preprocess
    recipe: Recipe
    objective: Objective
    stages: Stages = ()
    after_update: AfterUpdate | None = None

    @property
    def batch_size(self) -> int:
        """Images of an update: the recipe's, or all that there are."""
        return min(self.recipe.batch_size, len(self.dataset.split("train")))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of what the module gets."""
        height, width = self.preprocess.crop
        return self.preprocess.channels, height, width
