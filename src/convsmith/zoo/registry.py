"""Every network by name: families register themselves here, `create` writes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib import import_module
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from convsmith.errors import ConvsmithError, ShapeError, UnknownNameError, UsageError
from convsmith.network import builder, dialect
from convsmith.network.builder import Tensor
from convsmith.network.dialect import PLAIN, Dialect
from convsmith.network.dims import Dim, Shape, text
from convsmith.network.network import Network
from convsmith.network.origin import Origin, Setting
from convsmith.zoo.paper import Paper, PaperFigures

if TYPE_CHECKING:
    from convsmith.zoo.libraries.library_family import LibraryName

LARGEST_TRIED = 700
"""When an input is too small, sides up to this are tried, so that the error can name one that is large enough."""


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
    published: PaperFigures
    departures: Mapping[str, str] = field(default_factory=dict)
    """Rule of `convsmith lint` that the paper's network breaks -> why it does."""
    flagship: bool = False
    """Whether it stands for its paper where there is room for one network: in `timeline`."""

    @property
    def family_name(self) -> str:
        return self.family.__name__


FAMILIES = (
    "plain.alexnet",
    "dense.densenet",
    "searched.efficientnet",
    "inception.googlenet",
    "inception.inception_resnet",
    "inception.inception_v2",
    "inception.inception_v3",
    "inception.inception_v4",
    "plain.lenet",
    "searched.mnasnet",
    "mobile.mobilenet",
    "searched.nasnet",
    "residual.nfnet",
    "residual.resnet",
    "residual.resnext",
    "residual.senet",
    "mobile.shufflenet",
    "mobile.squeezenet",
    "dense.unet",
    "plain.vgg",
    "residual.wide_resnet",
    "inception.xception",
)
"""The modules that register families when they are imported, in the order in which `models` lists them: by name."""

Entry = TypeVar("Entry")


class Registered(dict[str, Entry]):
    """What families register, by name. A family is imported when one of its names is asked for, all of them when names
    are listed: `import convsmith` and `convsmith show resnet50` need not wait for the others.
    """

    def __missing__(self, name: str) -> Entry:
        _load(name, self)
        if not super().__contains__(name):
            raise KeyError(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name):
            _load(str(name), self)
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def __iter__(self) -> Iterator[str]:
        _load_all()
        return super().__iter__()

    def __len__(self) -> int:
        _load_all()
        return super().__len__()

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        _load_all()
        return super().keys()

    def values(self) -> ValuesView[Entry]:  # type: ignore[override]
        _load_all()
        return super().values()

    def items(self) -> ItemsView[str, Entry]:  # type: ignore[override]
        _load_all()
        return super().items()


def _load(name: str, registered: Registered[Any]) -> None:
    """Imports the family that is likely to have a name, or else all."""
    for module in FAMILIES:
        if name.startswith(module.partition(".")[2]):
            import_module(f"convsmith.zoo.{module}")
    if not dict.__contains__(registered, name):
        _load_all()


@cache
def _load_all() -> None:
    """Imports every family, and puts what they register in their order."""
    for module in FAMILIES:
        import_module(f"convsmith.zoo.{module}")
    places = {f"convsmith.zoo.{module}": place for place, module in enumerate(FAMILIES)}
    found = sorted(dict.items(VARIANTS), key=lambda entry: places.get(entry[1].family.__module__, len(places)))
    dict.clear(VARIANTS)
    dict.update(VARIANTS, found)


VARIANTS: Registered[Variant] = Registered()
POINTS: Registered[PaperFigures] = Registered()
"""Figures published for a variant at another width or resolution, by its name: `mobilenet_v1:0.25-128`."""


def family(
    *,
    paper: Paper,
    variants: Mapping[str, Mapping[str, Any]],
    input: Shape = (3, 224, 224),
    inputs: Mapping[str, Shape] | None = None,
    classes: int = 1000,
    published: Mapping[str, PaperFigures] | None = None,
    departures: Mapping[str, Mapping[str, str]] | None = None,
    flagship: str = "",
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Register a family's variants: name -> hyperparameters. `inputs` overrides `input` for single variants.

    `published` has figures by name; a name may have a width and a side after a colon (see `find`). `departures` say
    why the paper's networks break rules of design: pattern of names -> code of `convsmith lint` -> why. `flagship` is
    the variant that stands for the paper where there is room for one network.
    """

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        for name, hyperparameters in variants.items():
            if dict.__contains__(VARIANTS, name):
                raise UsageError(f"two networks are named {name!r}")
            shape = (inputs or {}).get(name, input)
            figures = (published or {}).get(name, PaperFigures())
            why = _departures(name, departures or {})
            VARIANTS[name] = Variant(
                name, function, hyperparameters, shape, classes, paper, figures, why, name == flagship
            )
        POINTS.update({name: figures for name, figures in (published or {}).items() if ":" in name})
        return function

    return register


def _departures(name: str, departures: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Those of a variant."""
    if not departures:
        return {}
    from fnmatch import fnmatchcase

    found = (words for pattern, words in departures.items() if fnmatchcase(name, pattern))
    return {code: why for words in found for code, why in words.items()}


def models(pattern: str = "*") -> list[str]:
    """Names that `create` takes, by family; `pattern` as in file names (`resnet*`, `keras/*`)."""
    import fnmatch

    return [name for name in (*VARIANTS, *_library_names()) if fnmatch.fnmatchcase(name, pattern)]


def find(name: str) -> tuple[Variant, Dialect]:
    """The variant behind a name, with a library's own settings applied, and the dialect to write it in.

    A width multiplier may follow a colon, and the side of a square input after that: `keras/MobileNet:0.25`,
    `mobilenet_v1:0.5-160`. Raises UnknownNameError with the nearest names.
    """
    found = named(name)
    return found.variant, found.dialect


class Named(NamedTuple):
    """What stands behind a name; `asked` are the settings that follow its colon."""

    variant: Variant
    dialect: Dialect
    origin: Origin
    asked: Mapping[str, Any]


def named(name: str) -> Named:
    """What `find` gives, and where a network of this name comes from, but for its settings."""
    base, _, point = name.partition(":")
    variant, speech, library = VARIANTS.get(base), PLAIN, ""
    if variant is None:
        variant, speech, library = _of_library(name, base)
    asked: dict[str, Any] = {}
    if point:
        asked["width"], side = _point(name, point)
        shape = (variant.input[0], side, side) if side else variant.input
        variant = replace(variant, input=shape, published=POINTS.get(name, PaperFigures()))
    return Named(variant, speech, Origin(base, variant.family_name, variant.name, library), asked)


def _of_library(name: str, base: str) -> tuple[Variant, Dialect, str]:
    """What a library means by a name, and the library."""
    entry = _library_names().get(base)
    if entry is None:
        raise UnknownNameError("model", name, (*VARIANTS, *_library_names()))
    variant, alias = VARIANTS[entry.alias.variant], entry.alias
    hyperparameters = {**variant.hyperparameters, **alias.hyperparameters}
    theirs = replace(variant, hyperparameters=hyperparameters, input=alias.input or variant.input)
    return theirs, entry.dialect, entry.record.library


def _library_names() -> Mapping[str, LibraryName]:
    from convsmith.zoo.libraries import NAMES  # loaded when first needed: our own networks do not need it

    return NAMES


def create(name: str, *, classes: int | None = None, input: Shape | None = None, **hyperparameters: Any) -> Network:
    """The network of this name, for any number of classes and any input (C, H, W) that it can take.

    Hyperparameters of the family may be set by keyword (`create("mobilenet_v1", width=0.5)`). Sizes and widths may
    be NumPy arrays: the network then stands for that many candidates, costed in one pass.

    Raises UnknownNameError for an unknown name or hyperparameter, ShapeError when the input is too small, naming
    the smallest that is not.
    """
    variant, speech, origin, asked = named(name)
    shape = tuple(variant.input if input is None else input)
    if len(shape) != 3 or any(isinstance(dim, int) and dim < 1 for dim in shape):
        raise UsageError(f"{name}: input must be (channels, height, width), all at least 1, not {shape}")
    if classes is not None and classes < 1:
        raise UsageError(f"{name}: classes must be at least 1, not {classes}")
    asked = {**asked, **hyperparameters}
    usual = _usual(variant)
    _check(name, usual, (*asked, *variant.hyperparameters))
    settings = {**variant.hyperparameters, **asked}

    def write(image: Tensor) -> Tensor:
        return variant.family(image, classes or variant.classes, **settings)

    with dialect.speaking(speech):
        try:
            net = builder.write(name, shape, write)
        except ShapeError as error:
            raise ShapeError(f"{name} cannot take an input of {text(shape)}: {error}{_enough(shape, write)}") from None
    return replace(net, origin=_with_settings(origin, asked, usual))


def origin_of(net: Network) -> Origin | None:
    """Where a network comes from; None if that is not known.

    A network that does not say, as in files of convsmith 0.1.0, is compared with the one that its name stands for.
    """
    if net.origin is not None:
        return net.origin
    try:
        own = create(net.name, classes=net.classes, input=net.input)
    except ConvsmithError:
        return None
    return own.origin if own == net else None


def departures_of(origin: Origin) -> dict[str, str]:
    """Rules of `convsmith lint` that the network of this origin breaks by design -> why, in its paper card's words."""
    variant = VARIANTS.get(origin.variant)
    words = dict(variant.departures) if variant is not None else {}
    if not origin.library:
        return words
    from convsmith.zoo.libraries import departures_in

    return departures_in(origin.name) | words


def _usual(variant: Variant) -> dict[str, Any]:
    """The family's hyperparameters, as the variant has them."""
    parameters = inspect.signature(variant.family).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY} | dict(variant.hyperparameters)


def _check(name: str, usual: Mapping[str, Any], given: Iterable[str]) -> None:
    for key in given:
        if key not in usual:
            raise UnknownNameError(f"hyperparameter of {name}", key, usual)


def _with_settings(origin: Origin, asked: Mapping[str, Any], usual: Mapping[str, Any]) -> Origin | None:
    """The origin with the hyperparameters that were asked for and are not the variant's.

    Functions are kept by their name, tables as text. None for arrays: the network stands for many candidates at once.
    """
    for key, value in asked.items():
        setting = _setting(value)
        if setting is None:
            return None
        if value != usual[key]:
            origin = origin.with_setting(key, setting)
    return origin


def _setting(value: Any) -> Setting | None:
    """A hyperparameter as an origin keeps it; None for an array."""
    match value:
        case bool() | str():
            return value
        case Integral():
            return int(value)
        case Real():
            return float(value)
        case tuple() | list() | None:
            return str(value)
        case partial():
            return str(value.func.__name__)
        case _:
            return getattr(value, "__name__", None)


def _point(name: str, point: str) -> tuple[float, int | None]:
    """(width, side) of "0.5-160"; no side in "0.5"."""
    width, hyphen, side = point.partition("-")
    try:
        found = float(width), int(side) if hyphen else None
    except ValueError:
        found = 0.0, None
    if not 0 < found[0] < 100 or (hyphen and not found[1]):
        raise UsageError(
            f"{name}: after the colon goes a width multiplier such as 0.5, or also a side as in 0.5-160, not {point!r}"
        )
    return found


def _enough(shape: Shape, write: Callable[[Tensor], Tensor]) -> str:
    """The end of the message: which square input is large enough."""
    if not all(isinstance(dim, int) for dim in shape):
        return ""
    for side in range(1, LARGEST_TRIED):
        try:
            builder.write("trial", (shape[0], side, side), write)
        except ShapeError:
            continue
        return f"; the smallest square input is {side}x{side}"
    return ""
