"""What a compression is asked for, besides its target."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.errors import UnknownNameError, UsageError
from convsmith.shrinking.methods import method_named
from convsmith.train.recipes.named import PAPER, RECIPES
from convsmith.train.recipes.recipe import Recipe

MOST_DROP = 100.0
"""Points."""


@dataclass(frozen=True)
class Settings:
    """See `convsmith.compress`. Raises UsageError out of range, UnknownNameError for a method or a recipe."""

    method: str = "best"
    max_drop: float = 0.5
    epochs: int | None = None
    recipe: Recipe | str = "default"
    seed: int | None = None

    def __post_init__(self) -> None:
        method_named(self.method)
        if isinstance(self.recipe, str) and self.recipe not in (*RECIPES, PAPER):
            raise UnknownNameError("recipe", self.recipe, (*RECIPES, PAPER))
        if not 0 <= self.max_drop <= MOST_DROP:
            raise UsageError(f"must be 0 to 100 points, not {self.max_drop:g}", settings="max_drop")
        if self.epochs is not None and self.epochs < 1:
            raise UsageError(f"must be at least 1, not {self.epochs}", settings="epochs")
