"""What a method of compression did to a model: the value that every one of them returns."""

from __future__ import annotations

from dataclasses import dataclass

from convsmith.model import Model


@dataclass(frozen=True)
class Touched:
    """A layer that was made smaller: from `before` to `after` of `what` (channels, weights, rank)."""

    layer: str
    what: str
    before: int
    after: int

    def __str__(self) -> str:
        return f"{self.layer}: {self.before:,} -> {self.after:,} {self.what}"


@dataclass(frozen=True)
class Untouched:
    """A layer with weights that was left as it is, or a part of it, and why."""

    layer: str
    reason: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.reason}"


@dataclass(frozen=True, eq=False)
class Outcome:
    """A smaller model, and what became of each of its layers. Metrics of the model it was made from are gone."""

    model: Model
    touched: tuple[Touched, ...] = ()
    untouched: tuple[Untouched, ...] = ()

    def __str__(self) -> str:
        rows = [*(str(one) for one in self.touched), *(f"kept as it is: {one}" for one in self.untouched)]
        return "\n".join(rows)
