"""Every network by name: families register themselves here, `create` writes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from convsmith.errors import ShapeError, UnknownNameError, UsageError
from convsmith.network import builder, dialect
from convsmith.network.builder import Tensor
from convsmith.network.dialect import PLAIN, Dialect
from convsmith.network.dims import Dim, Shape, text
from convsmith.network.network import Network
from convsmith.zoo.paper import Paper, Published

LARGEST_TRIED = 700
"""When an input is too small, sides up to this are tried to say what would be enough."""


class Family(Protocol):
    """A function that writes a network: image (C, H, W), number of classes, hyperparameters by keyword."""

    __name__: str

    def __call__(self, image: Tensor, classes: Dim, **hyperparameters: Any) -> Tensor: ...


@dataclass(frozen=True)
class Variant:
    """A named network: a family with its hyperparameters, the paper's input and classes, the paper's figures."""

    name: str
    family: Callable[..., Tensor]
    hyperparameters: Mapping[str, Any]
    input: Shape
    classes: int
    paper: Paper
    published: Published

    @property
    def family_name(self) -> str:
        return self.family.__name__


@dataclass(frozen=True)
class Alias:
    """What a library means by a name: one of our variants, hyperparameters set otherwise, and its dialect."""

    variant: str
    hyperparameters: Mapping[str, Any]
    dialect: Dialect = PLAIN
    input: Shape | None = None


VARIANTS: dict[str, Variant] = {}
ALIASES: dict[str, Alias] = {}
"""By "library/name"."""
POINTS: dict[str, Published] = {}
"""Figures published for a variant at another width or resolution, by its name: `mobilenet_v1:0.25-128`."""


def family(
    *,
    paper: Paper,
    variants: Mapping[str, Mapping[str, Any]],
    input: Shape = (3, 224, 224),
    inputs: Mapping[str, Shape] | None = None,
    classes: int = 1000,
    published: Mapping[str, Published] | None = None,
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Register a family's variants: name -> hyperparameters. `inputs` overrides `input` for single variants.

    `published` has figures by name; a name may have a width and a side after a colon (see `find`).
    """

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        for name, hyperparameters in variants.items():
            if name in VARIANTS:
                raise UsageError(f"two networks are named {name!r}")
            shape = (inputs or {}).get(name, input)
            figures = (published or {}).get(name, Published())
            VARIANTS[name] = Variant(name, function, hyperparameters, shape, classes, paper, figures)
        POINTS.update({name: figures for name, figures in (published or {}).items() if ":" in name})
        return function

    return register


def models(pattern: str = "*") -> list[str]:
    """Names that `create` knows, by family; `pattern` as in file names (`resnet*`, `keras/*`)."""
    import fnmatch

    return [name for name in (*VARIANTS, *ALIASES) if fnmatch.fnmatchcase(name, pattern)]


def find(name: str) -> tuple[Variant, Dialect]:
    """The variant behind a name, with a library's own settings applied, and the dialect to write it in.

    A width multiplier may follow a colon, and the side of a square input after that: `keras/MobileNet:0.25`,
    `mobilenet_v1:0.5-160`. Raises UnknownNameError with the nearest names.
    """
    base, _, point = name.partition(":")
    alias = ALIASES.get(base)
    variant = VARIANTS.get(alias.variant if alias else base)
    if variant is None:
        raise UnknownNameError("model", name, (*VARIANTS, *ALIASES))
    hyperparameters = {**variant.hyperparameters, **(alias.hyperparameters if alias else {})}
    shape = alias.input if alias and alias.input else variant.input
    published = variant.published
    if point:
        hyperparameters["width"], side = _point(name, point)
        shape = (shape[0], side, side) if side else shape
        published = POINTS.get(name, Published())
    found = replace(variant, hyperparameters=hyperparameters, input=shape, published=published)
    return found, alias.dialect if alias else PLAIN


def create(name: str, *, classes: int | None = None, input: Shape | None = None, **hyperparameters: Any) -> Network:
    """The network of this name, for any number of classes and any input (C, H, W) that it can bear.

    Hyperparameters of the family may be set by keyword (`create("mobilenet_v1", width=0.5)`). Sizes and widths may
    be NumPy arrays: the network then stands for as many candidates, to be costed in one pass.

    Raises UnknownNameError for an unknown name or hyperparameter, ShapeError when the input is too small, saying
    the smallest that is not.
    """
    variant, speech = find(name)
    shape = tuple(variant.input if input is None else input)
    if len(shape) != 3 or any(isinstance(dim, int) and dim < 1 for dim in shape):
        raise UsageError(f"{name}: input must be (channels, height, width), all at least 1, not {shape}")
    if classes is not None and classes < 1:
        raise UsageError(f"{name}: classes must be at least 1, not {classes}")
    _check(name, variant, hyperparameters)
    settings = {**variant.hyperparameters, **hyperparameters}

    def write(image: Tensor) -> Tensor:
        return variant.family(image, classes or variant.classes, **settings)

    with dialect.speaking(speech):
        try:
            return builder.write(name, shape, write)
        except ShapeError as error:
            raise ShapeError(f"{name} cannot take an input of {text(shape)}: {error}{_enough(shape, write)}") from None


def _check(name: str, variant: Variant, given: Mapping[str, Any]) -> None:
    known = [p.name for p in inspect.signature(variant.family).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for key in (*given, *variant.hyperparameters):
        if key not in known:
            raise UnknownNameError(f"hyperparameter of {name}", key, known)


def _point(name: str, point: str) -> tuple[float, int | None]:
    """(width, side) of "0.5-160"; no side in "0.5"."""
    width, hyphen, side = point.partition("-")
    try:
        found = float(width), int(side) if hyphen else None
    except ValueError:
        found = 0.0, None
    if not 0 < found[0] < 100 or (hyphen and not found[1]):
        raise UsageError(
            f"{name}: after the colon comes a width multiplier such as 0.5, or it and a side, 0.5-160; not {point!r}"
        )
    return found


def _enough(shape: Shape, write: Callable[[Tensor], Tensor]) -> str:
    """The end of the sentence: which square input would be large enough."""
    if not all(isinstance(dim, int) for dim in shape):
        return ""
    for side in range(1, LARGEST_TRIED):
        try:
            builder.write("trial", (shape[0], side, side), write)
        except ShapeError:
            continue
        return f"; the smallest square input is {side}x{side}"
    return ""
