"""Which network of the zoo a checkpoint is of, by the names and shapes of its tensors. No torch is needed for it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from convsmith.errors import ConvsmithError
from convsmith.network.network import Network
from convsmith.transform.width import scale_width
from convsmith.weights.formats.checkpoints import Checkpoint, open_checkpoint
from convsmith.weights.formats.unwrapping import Chosen, Kind, choose
from convsmith.weights.published_weights import recognised
from convsmith.weights.translate.keras_numbers import renumbered
from convsmith.weights.translate.keys import UNUSED
from convsmith.weights.translate.slots import OWN, named_now, prefixes_of, slots, squeezed
from convsmith.zoo.libraries import NAMES, RECORDS
from convsmith.zoo.registry import VARIANTS, create, named

Shapes = Mapping[str, tuple[int, ...]]

NEAREST = 3
"""Networks that are named where none fits exactly."""
LIKELY_SHARE = 0.4
"""Of the keys of a family's smallest or largest network that a checkpoint must have for the family to be looked at."""
ALIKE_SHARE = 0.9
"""Of the keys that must agree before other widths are tried."""
WIDTHS = (0.25, 0.35, 0.5, 0.75, 1.0, 1.3, 1.4, 1.5, 2.0, 0.1, 0.125, 0.2, 0.3, 0.375, 0.4, 0.6, 0.625, 0.7, 0.8, 0.875)
"""Multipliers that are in use, the usual ones first."""
WIDTHS_TRIED = 6


@dataclass(frozen=True)
class Identity:
    """A network that a checkpoint may be of.

    - `name` is what `create` and `import_weights` take, `also` are other names whose networks have the same keys and
      shapes: nothing in the file tells them apart.
    - `naming` says whose names the keys are: "torchvision", "timm", "keras", "efficientnet_pytorch", or "convsmith".
    - `classes` is the length of the output; None if the file has no classifier. `width` is the factor by which all
      layers are wider than in the network of this name, 1.0 if they are not.
    - `exact` says that every parameter is there in its shape, and nothing else. `fitting` of the network's `tensors`
      are; `differences` are what does not fit.
    """

    name: str
    family: str
    variant: str
    naming: str
    classes: int | None
    width: float
    exact: bool
    fitting: int
    tensors: int
    differences: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        widened = f", {self.width:g} times as wide" if self.width != 1 else ""
        head = f"{self.classes} classes" if self.classes else "no classifier"
        described = f"{self.name} ({self.family}, names of {self.naming}): {head}{widened}"
        return described if self.exact else f"{described}; {self.fitting} of {self.tensors} tensors fit"


@dataclass(frozen=True)
class Identified:
    """What a checkpoint is of: exactly one network, or the nearest ones; `notes` say what was taken off or chosen."""

    path: Path
    tensors: int
    published: str | None
    matches: tuple[Identity, ...]
    notes: tuple[str, ...] = ()

    @property
    def exact(self) -> Identity | None:
        """The network that it is of, if that is certain but for other names of it."""
        return self.matches[0] if self.matches and self.matches[0].exact else None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def identify(path: Path, weights: Kind | None = None) -> Identified:
    """The network of the zoo that a checkpoint is of: its name, classes, width and whose names its keys have.

    An exact match comes alone; else the `NEAREST` follow, best first, with what differs. No match is empty. `weights`
    is as in `import_weights`. Raises ModelFileError for a file that is no checkpoint, and as `Checkpoint.chosen` does.
    """
    checkpoint = open_checkpoint(path)
    known = recognised(path)
    matches, chosen = ranked(checkpoint, weights, first=known.model if known else None)
    return Identified(path, len(chosen.tensors), known.name if known else None, tuple(matches), chosen.notes)


def ranked(
    checkpoint: Checkpoint, weights: Kind | None = None, *, first: str | None = None
) -> tuple[list[Identity], Chosen]:
    """The exact match or the nearest, and the tensors as the best of them sees them.

    Of names that fit equally, `first` is put first.
    """
    likely = [*_likely(checkpoint, weights)]
    found = [trial.compared(checkpoint, weights) for trial in likely if trial.same_length(checkpoint)]
    if not any(identity.exact for identity, _ in found):
        found = [trial.compared(checkpoint, weights) for trial in likely]
        found += [*_wider(found)]
    found = sorted((pair for pair in found if pair[0].fitting), key=lambda pair: _rank(pair[0], first))
    if not found:
        return [], _trial("lenet5", OWN).chosen(checkpoint, weights)
    top, chosen = found[0]
    if not top.exact:
        return [identity for identity, _ in found[:NEAREST]], chosen
    also = [other.name for other, _ in found[1:] if other.exact and other.width == top.width]
    return [replace(top, also=tuple(also))], chosen


def _rank(identity: Identity, first: str | None) -> tuple[Any, ...]:
    """Exact ones first, at their own width, and then those that fit in the largest share of what both have."""
    differing = identity.tensors - identity.fitting + len(identity.differences)
    share = identity.fitting / (identity.fitting + differing)
    return not identity.exact, identity.width != 1, -round(share, 3), identity.name != first, "_" in identity.naming


def _namings() -> dict[str, list[tuple[str, str]]]:
    """(name, whose names its keys have), by groups of networks with the same manner of naming; ours come last."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, (record, _) in NAMES.items():
        found.setdefault(f"{record.library} {record.family}", []).append((name, record.library))
        for (package, family), other in RECORDS.items():
            if family == record.family and other.weights_of and fnmatchcase(name, other.weights_of):
                found.setdefault(f"{package} {family}", []).append((name, package))
    for name, variant in VARIANTS.items():
        found.setdefault(f"{OWN} {variant.family_name}", []).append((name, OWN))
    return found


class _Trial(NamedTuple):
    """A network that a checkpoint may be of, its name, and whose names its keys then have.

    `entries` are the keys that each parameter may have, and its shape; `layers` is the network where they depend on the
    numbers in the file, as Keras' do. The others' networks are not kept: there are hundreds.
    """

    name: str
    naming: str
    classes: int
    entries: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]
    expected: frozenset[str]
    layers: Network | None

    def chosen(self, checkpoint: Checkpoint, weights: Kind | None) -> Chosen:
        """A checkpoint's tensors, as far as they are this network's."""
        if self.layers is not None:
            return checkpoint.chosen(self.layers, self.naming, weights)
        return choose(checkpoint.states, self.expected, weights)

    def same_length(self, checkpoint: Checkpoint) -> bool:
        """Whether a state in the file has as many tensors as the network: else none can be exactly its."""
        counts = [
            len(state.tensors) - sum(key.endswith(UNUSED) for key in state.tensors) for state in checkpoint.states
        ]
        return checkpoint.keras is not None or len(self.entries) in counts

    def alike(self, checkpoint: Checkpoint, weights: Kind | None) -> bool:
        """Whether the keys are like a checkpoint's."""
        here = self.chosen(checkpoint, weights).tensors.keys()
        return len(here & self.expected) >= LIKELY_SHARE * min(len(here), len(self.expected))

    def compared(self, checkpoint: Checkpoint, weights: Kind | None) -> tuple[Identity, Chosen]:
        chosen = self.chosen(checkpoint, weights)
        return _identity(self, 1.0, _shapes(chosen)), chosen


def _of_network(network: Network, name: str, naming: str) -> _Trial:
    found = slots(network, naming, prefixes_of(network, naming))
    entries = tuple((slot.keys, slot.shape) for slot in found)
    expected = frozenset(key for keys, _ in entries for key in keys)
    return _Trial(name, naming, network.classes, entries, expected, network if naming == "keras" else None)


@cache
def _trial(name: str, naming: str) -> _Trial:
    return _of_network(create(name), name, naming)


def _likely(checkpoint: Checkpoint, weights: Kind | None) -> Iterator[_Trial]:
    """The networks whose keys are like the checkpoint's, judged by each family's first and last."""
    for group in _namings().values():
        keras = group[0][1] == "keras"
        ends = dict.fromkeys((group[0], group[-1]))
        if (checkpoint.keras is not None) == keras and any(_trial(*end).alike(checkpoint, weights) for end in ends):
            yield from (_trial(*one) for one in group)


def _shapes(chosen: Chosen) -> Shapes:
    return {key: tensor.shape for key, tensor in chosen.tensors.items()}


def _wider(found: Sequence[tuple[Identity, Chosen]]) -> Iterator[tuple[Identity, Chosen]]:
    """Networks of the same layers at other widths, up to the first that fits exactly."""
    for identity, chosen in found:
        misshapen = sum("has shape" in difference for difference in identity.differences)
        if misshapen and identity.fitting + misshapen >= ALIKE_SHARE * identity.tensors:
            shapes = _shapes(chosen)
            for width, wider in _widened(_trial(identity.name, identity.naming), shapes):
                other = _identity(wider, width, shapes)
                yield other, chosen
                if other.exact:
                    return


def _widened(trial: _Trial, shapes: Shapes) -> Iterator[tuple[float, _Trial]]:
    """The network at the widths that its layers suggest: by its own multiplier, or else each layer scaled."""
    name, naming = trial.name, trial.naming
    own = "width" in inspect.signature(named(name).variant.family).parameters and ":" not in name
    for width in _widths(trial, shapes):
        try:
            if own:
                yield 1.0, _of_network(create(name, width=width), f"{name}:{width:g}", naming)
            else:
                yield width, _of_network(scale_width(create(name), width), name, naming)
        except ConvsmithError:
            continue


def _widths(trial: _Trial, shapes: Shapes) -> list[float]:
    """Likely multipliers, nearest to the ratio of the layers' channels first."""
    ratios = [
        (math.prod(shapes[key]) / math.prod(shape)) ** 0.5
        for keys, shape in _entries(trial, shapes)
        for key in keys
        if key in shapes and len(shape) == 4 and shape[1] > 3 and shape[0] != trial.classes
    ]
    ratio = median(ratios) if ratios else 1.0
    return sorted({*WIDTHS, round(ratio, 2)} - {1.0}, key=lambda width: abs(width - ratio))[:WIDTHS_TRIED]


def _entries(trial: _Trial, keys: Iterable[str]) -> Sequence[tuple[tuple[str, ...], tuple[int, ...]]]:
    """A network's keys and shapes; Keras' unnamed layers have the numbers that they have in the file."""
    if trial.layers is None:
        return trial.entries
    prefixes = renumbered(prefixes_of(trial.layers, trial.naming), keys)
    return [(slot.keys, slot.shape) for slot in slots(trial.layers, trial.naming, prefixes)]


def _identity(trial: _Trial, width: float, shapes: Shapes) -> Identity:
    wanted, origin = _entries(trial, shapes), named(trial.name).origin
    old = () if trial.naming == OWN else RECORDS[trial.naming, origin.family].old_keys
    here = {named_now(key, trial.expected, old): key for key in shapes if not key.endswith(UNUSED)}
    classes, differences = None, list[str]()
    for keys, shape in wanted:
        key = next((key for key in keys if key in here), None)
        if key is None:
            differences.append(f"missing {keys[0]}")
            continue
        theirs, ours = shapes[here.pop(key)], shape
        if shape[0] == trial.classes and theirs:
            classes = theirs[-1] if trial.naming == "keras" else theirs[0]
            ours = (classes, *shape[1:])
        if _form(theirs, trial.naming) != _form(ours, trial.naming):
            differences.append(f"{key} has shape {theirs}, not {shape}")
    fitting = len(wanted) - len(differences)
    differences += [f"left over {key}" for key in here.values()]
    return Identity(
        name=trial.name,
        family=origin.family,
        variant=origin.variant,
        naming=trial.naming,
        classes=classes,
        width=width,
        exact=not differences,
        fitting=fitting,
        tensors=len(wanted),
        differences=tuple(differences),
    )


def _form(shape: tuple[int, ...], naming: str) -> tuple[int, ...]:
    """What a tensor's shape is whatever the order of its axes is in a library."""
    return tuple(sorted(size for size in shape if size != 1)) if naming == "keras" else squeezed(shape)
