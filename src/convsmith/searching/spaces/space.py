"""A space of networks as a value: what kind of network, and the values of each of its choices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

from convsmith.errors import UsageError

Kind = Literal["mbconv", "residual", "dense", "plain", "zoo"]
Value = int | float | str
FIELDS = ("name", "kind", "choices", "network", "stem_stride", "strides")


@dataclass(frozen=True)
class Choice:
    """One choice: its name and the values that it can have, numbers from the smallest to the largest.

    Raises UsageError where there are none, or one is there twice.
    """

    name: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) != len(self.values):
            raise UsageError(f"{self.name} must have one or more values, each once, not {list(self.values)}")
        if self.ordered and list(self.values) != sorted(self.values):
            raise UsageError(f"{self.name} must have its numbers in order, not {list(self.values)}")

    @property
    def ordered(self) -> bool:
        """Whether the values are numbers."""
        return not any(isinstance(value, str) for value in self.values)


@dataclass(frozen=True)
class Space:
    """Networks of one kind that differ in `choices`.

    - The kinds that are written by stage ("mbconv", "residual", "dense", "plain") have choices for the whole network
      ("stem") and for each stage ("stage1.filters"): `convsmith.searching.spaces.writing` says which. `stem_stride` is
      that of the first convolution, `strides` those of the stages; without any, 1 for the first and 2 for the others.
    - "zoo" is `network`, a name of the zoo, at other widths ("width"), with other numbers of blocks in its stages
      ("blocks1", "blocks2"..., as `transform.depth.repeatable_stages` counts them), or with other hyperparameters of
      its family, by their names.

    Raises UsageError for choices of one name.
    """

    name: str
    kind: Kind
    choices: tuple[Choice, ...]
    network: str = ""
    stem_stride: int = 1
    strides: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        names = [choice.name for choice in self.choices]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UsageError(f"the space {self.name} has the choice {twice[0]} twice")
        if not self.choices:
            raise UsageError(f"the space {self.name} has no choices")
        if min(self.stem_stride, *self.strides, 1) < 1:
            raise UsageError(f"the space {self.name}: strides must be at least 1")
        if (self.kind == "zoo") != bool(self.network):
            raise UsageError(f"the space {self.name}: a network is named where the kind is zoo, and only there")

    @property
    def size(self) -> int:
        """How many members there are; two of them may be the same network."""
        return prod(len(choice.values) for choice in self.choices)

    @property
    def stages(self) -> int:
        """How many stages have choices."""
        found = [int(name[5:]) for choice in self.choices if (name := choice.name.partition(".")[0])[5:].isdecimal()]
        return max(found, default=0)

    def stride(self, stage: int) -> int:
        """That of a stage, from 1."""
        return self.strides[stage - 1] if self.strides else 1 if stage == 1 else 2

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "network": self.network,
            "stem_stride": self.stem_stride,
            "strides": list(self.strides),
            "choices": {choice.name: list(choice.values) for choice in self.choices},
        }

    @classmethod
    def from_json(cls, data: Any, name: str = "space") -> Space:
        """What `to_json` gave, or a user wrote; all but kind and choices may be missing. Raises UsageError."""
        if not isinstance(data, dict) or not isinstance(data.get("choices"), dict):
            raise UsageError("a space must have a kind, and choices: names, each with a list of values")
        if unknown := sorted(set(data) - set(FIELDS)):
            raise UsageError(f"a space has no field {unknown[0]!r}; it has: {', '.join(FIELDS)}")
        if data.get("kind") not in get_args(Kind):
            raise UsageError(
                f"the kind of a space must be one of {', '.join(get_args(Kind))}, not {data.get('kind')!r}"
            )
        choices = tuple(_choice(key, values) for key, values in data["choices"].items())
        strides = data.get("strides", [])
        if not isinstance(strides, list) or not all(map(_is_whole, [data.get("stem_stride", 1), *strides])):
            raise UsageError("strides must be whole numbers, one for each stage")
        network = str(data.get("network", ""))
        stem_stride = data.get("stem_stride", 1)
        return cls(str(data.get("name", name)), data["kind"], choices, network, stem_stride, tuple(strides))


def read_space(path: str | Path) -> Space:
    """The space that a JSON file describes. Raises UsageError naming the file and what is wrong in it."""
    path = Path(path)
    try:
        return Space.from_json(json.loads(path.read_text(encoding="utf-8")), path.stem)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no space: {error}", settings="space") from None
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", settings="space") from None


def with_values(space: Space, row: Any) -> Mapping[str, Value]:
    """The value of each choice of the member whose choices have the places `row`."""
    return {choice.name: choice.values[int(place)] for choice, place in zip(space.choices, row, strict=True)}


def _choice(name: str, values: Any) -> Choice:
    if not isinstance(values, list) or not all(isinstance(value, int | float | str) for value in values):
        raise UsageError(f"{name} must have a list of numbers or words, not {values!r}")
    return Choice(name, tuple(int(value) if isinstance(value, bool) else value for value in values))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
