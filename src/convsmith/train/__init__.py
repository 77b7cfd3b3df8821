"""Training: one readable step, recipes as data, a loop that is handed its objective, store and observers.

    from convsmith.train import default_recipe, train

    result = train(module, dataset, preprocess, default_recipe(network, dataset, preprocess, epochs=10, seed=0))

Submodules are imported when a name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convsmith.train.distillation.distilling import distilling
    from convsmith.train.distillation.settings import Distillation
    from convsmith.train.recipes.default import default_recipe
    from convsmith.train.recipes.named import recipe_named
    from convsmith.train.recipes.recipe import Recipe
    from convsmith.train.run.events import EpochEnded, Noticed, Started, StepEnded
    from convsmith.train.run.loop import Observer, Training, TrainResult, train
    from convsmith.train.run.store import MemoryStore, RunStore, Store
    from convsmith.train.step.arithmetic import Arithmetic
    from convsmith.train.step.objective import ClassificationLoss, Objective, TrainingBatch
    from convsmith.train.tune.arithmetic import Tuned

LAZY = {
    "distillation.distilling": ("distilling",),
    "distillation.settings": ("Distillation",),
    "recipes.default": ("default_recipe",),
    "recipes.named": ("recipe_named",),
    "recipes.recipe": ("Recipe",),
    "run.events": ("EpochEnded", "Noticed", "Started", "StepEnded"),
    "run.loop": ("Observer", "TrainResult", "Training", "train"),
    "run.store": ("MemoryStore", "RunStore", "Store"),
    "step.arithmetic": ("Arithmetic",),
    "step.objective": ("ClassificationLoss", "Objective", "TrainingBatch"),
    "tune.arithmetic": ("Tuned",),
}
"""Names by module."""

__all__ = [
    "Arithmetic",
    "ClassificationLoss",
    "Distillation",
    "EpochEnded",
    "MemoryStore",
    "Noticed",
    "Objective",
    "Observer",
    "Recipe",
    "RunStore",
    "Started",
    "StepEnded",
    "Store",
    "TrainResult",
    "Training",
    "TrainingBatch",
    "Tuned",
    "default_recipe",
    "distilling",
    "recipe_named",
    "train",
]


def __getattr__(name: str) -> Any:
    for module, names in LAZY.items():
        if name in names:
            return getattr(import_module(f"convsmith.train.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
