"""Which network for this data and these limits: a zoo member, scaled by its width multiplier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from convsmith.cost import Cost, cost_of
from convsmith.data.dataset import SMALL_SIDE
from convsmith.design.limits import UNITS, Limits, costed, keeps, unmet
from convsmith.errors import LimitError, ShapeError
from convsmith.network.dims import Shape, text
from convsmith.network.network import Network
from convsmith.transform.width import scale_width
from convsmith.zoo import create

WIDTHS = (1.0, 0.75, 0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.0625, 0.03125)
"""Multipliers tried, from the published network down."""

TINY_SIDE = 32
"""Grey inputs up to this side are of the size that LeNet-5 was made for."""

TRAINING_SECONDS = 300
"""Without limits the network is the first whose training takes at most so long on this machine."""


@dataclass(frozen=True)
class Choice:
    """A network, why it was chosen, and its latency in ms if that was asked about."""

    network: Network
    reason: str
    latency: float | None = None


def choose(
    classes: int,
    shape: Shape,
    train_images: int,
    limits: Limits,
    latency_of: Callable[[Network], float],
    seconds_of: Callable[[Network], float],
    *,
    epochs: int,
    characters: bool = False,
    model: str | None = None,
    training_seconds: float = TRAINING_SECONDS,
) -> Choice:
    """The first candidate within all limits: of `model`'s widths, or of the best-known families for this input.

    Candidates come widest first, see `families`. Without limits, the first whose training takes at most
    `training_seconds`. `latency_of` measures ms for one image and is only asked where there is a limit for it,
    `seconds_of` the seconds of a training step for one image, only where there is none at all.

    Raises LimitError naming the limit that cannot be met and the smallest value that can; ShapeError, UnknownNameError.
    """
    names = (model,) if model is not None else families(shape, characters)
    candidates = list(_candidates(names, classes, shape))
    for limit, figure in costed(limits).items():
        bound, smallest = getattr(limits, limit), min(figure(candidate.cost) for candidate in candidates)
        if smallest > bound:
            raise _impossible(limit, bound, f"{smallest:,}", names, shape)
    affordable = [candidate for candidate in candidates if keeps(limits, candidate.cost)]
    if not affordable:
        raise LimitError(f"no width of {_either(names)} meets all of them together", settings=limits.set)
    if limits == Limits() and model is None:
        shown = train_images * epochs
        in_time = (c for c in affordable if seconds_of(c.cost.network) * shown <= training_seconds)
        affordable = [next(in_time, affordable[-1])]
    if limits.max_latency is None:
        first = affordable[0]
        return Choice(first.cost.network, _reason(first, model is not None, limits))
    measured = []
    for candidate in affordable:
        measured.append(latency_of(candidate.cost.network))
        if measured[-1] <= limits.max_latency:
            return Choice(candidate.cost.network, _reason(candidate, model is not None, limits), measured[-1])
    raise _impossible("max_latency", limits.max_latency, f"{min(measured):.2f}", names, shape)


def within(network: Network, limits: Limits, latency_of: Callable[[Network], float], reason: str) -> Choice:
    """The choice of this very network. Raises LimitError naming a limit that it does not keep, and what it takes."""
    cost = cost_of(network)
    for limit, figure in costed(limits).items():
        if figure(cost) > getattr(limits, limit):
            raise _exceeded(limit, getattr(limits, limit), f"{figure(cost):,}", network.name)
    if limits.max_latency is None:
        return Choice(network, reason)
    latency = latency_of(network)
    if latency > limits.max_latency:
        raise _exceeded("max_latency", limits.max_latency, f"{latency:.2f}", network.name)
    return Choice(network, reason, latency)


def families(shape: Shape, characters: bool = False) -> tuple[str, ...]:
    """Zoo members to choose from for an input (C, H, W), those that are tried first first.

    Digits and letters in grey up to 32 pixels get LeNet-5, wide (LeCun et al. 1998, as in Caffe) then narrow: it was
    made for them, and they need no more. Other images up to 48 pixels get ResNet-20 (He et al. 2015, section 4.2), and
    where the machine is too slow for it LeNet-5. Larger ones get MobileNetV2 (Sandler et al. 2018), then v1, whose
    narrowest is smaller.
    """
    side, lenets = min(shape[1:]), ("lenet5_caffe", "lenet5")
    if side > SMALL_SIDE:
        return "mobilenet_v2", "mobilenet_v1"
    if side > TINY_SIDE or shape[0] != 1:
        return "resnet20", "lenet5"
    return lenets if characters else ("resnet20", *lenets)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A zoo member at a width."""

    name: str
    width: float
    cost: Cost


def _candidates(names: tuple[str, ...], classes: int, shape: Shape) -> Iterator[Candidate]:
    """Each network at each width that it can have, widest first."""
    for name in names:
        net = create(name, classes=classes, input=shape)
        seen = set()
        for width in WIDTHS:
            try:
                scaled = scale_width(net, width)
            except ShapeError:
                continue  # a connection table, say, fixes the number of maps
            if scaled.nodes not in seen:
                seen.add(scaled.nodes)
                yield Candidate(name, width, cost_of(scaled))


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(names)


def _impossible(limit: str, bound: Any, smallest: str, names: tuple[str, ...], shape: Shape) -> LimitError:
    message = unmet(limit, bound, smallest, f"{_either(names)} for an input of {text(shape)}")
    return LimitError(message, settings=limit)


def _exceeded(limit: str, bound: Any, taken: str, name: str) -> LimitError:
    return LimitError(f"{bound:,} cannot be met by the given {name}: it takes {taken} {UNITS[limit]}", settings=limit)


def _reason(chosen: Candidate, named: bool, limits: Limits) -> str:
    at = f"{chosen.name} at width {chosen.width:g}" if chosen.width != 1 else chosen.name
    if limits != Limits():
        return f"{at}: the widest within {', '.join(limits.set)}"
    return f"{at}: as asked" if named else f"{at}: the widest that trains in a few minutes here"
