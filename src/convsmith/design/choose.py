"""Which network for this data and these limits: a zoo member, scaled by its width multiplier."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from convsmith.cost import Cost, cost_of
from convsmith.errors import LimitError, ShapeError
from convsmith.network.dims import Shape, text
from convsmith.network.network import Network
from convsmith.transform.width import scale_width
from convsmith.zoo import create

WIDTHS = (1.0, 0.75, 0.5, 0.35, 0.25, 0.18, 0.125, 0.09, 0.0625, 0.03125)
"""Multipliers tried, from the published network down."""

SMALL_SIDE = 48
"""Inputs up to this side get a network made for such: larger ones' early strides would leave nothing to see."""

TRAINING_MACS = 1.0e12
"""Without limits the network is the largest whose training takes at most about so many multiply-adds in the forward
passes: a few minutes on two cores, for small networks train at some 5 G of them a second there."""

METADATA_BYTES = 24_000
"""Room in the model file for class names, preprocessing, provenance and metrics."""


@dataclass(frozen=True)
class Limits:
    """What the network may cost: parameters, multiply-adds, bytes of the model file, ms for one image here."""

    max_params: int | None = None
    max_macs: int | None = None
    max_size: int | None = None
    max_latency: float | None = None


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
    *,
    epochs: int,
    model: str | None = None,
) -> Choice:
    """The widest candidate within all limits: of `model`, or of the best-known family for this input size.

    ResNet-20 (He et al. 2015, section 4.2) narrowed for sides up to 48, MobileNetV2 above; without limits, the widest that trains in reasonable
    time on two cores. `latency_of` measures ms for one image and is only asked where there is a limit for it.

    Raises LimitError naming the limit that cannot be met and the smallest value that can; ShapeError, UnknownNameError.
    """
    named = model is not None
    name = model or ("resnet20" if min(shape[1:]) <= SMALL_SIDE else "mobilenet_v2")
    ladder = [(width, net, cost_of(net)) for width, net in _ladder(name, classes, shape)]
    for limit, figure in _figures(limits).items():
        bound = getattr(limits, limit)
        if not any(figure(cost) <= bound for _, _, cost in ladder):
            smallest = min(figure(cost) for _, _, cost in ladder)
            raise LimitError(_impossible(limit, bound, f"{smallest:,}", name, shape))
    affordable = [step for step in ladder if _within(limits, step[2])]
    if not affordable:
        raise LimitError(f"no width of {name} meets all limits together; loosen one of {_named(limits)}")
    if not named and not any((limits.max_params, limits.max_macs, limits.max_size, limits.max_latency)):
        trainable = [s for s in affordable if s[2].macs * train_images * epochs <= TRAINING_MACS]
        affordable = trainable or affordable[-1:]
    if limits.max_latency is None:
        width, net, _ = affordable[0]
        return Choice(net, _reason(name, width, named, limits))
    measured = []
    for width, net, _ in affordable:
        measured.append(latency_of(net))
        if measured[-1] <= limits.max_latency:
            return Choice(net, _reason(name, width, named, limits), measured[-1])
    raise LimitError(_impossible("max_latency", limits.max_latency, f"{min(measured):.2f}", name, shape))


def _ladder(name: str, classes: int, shape: Shape) -> Iterator[tuple[float, Network]]:
    """The network at each width that it can have, widest first."""
    net = create(name, classes=classes, input=shape)
    seen = set()
    for width in WIDTHS:
        try:
            scaled = scale_width(net, width)
        except ShapeError:
            continue  # a connection table, say, fixes the number of maps
        if scaled.nodes not in seen:
            seen.add(scaled.nodes)
            yield width, scaled


def file_bytes(cost: Cost) -> int:
    """Bytes of the model file, rounded up by the room that its metadata may need."""
    names = cost.network.parameters
    index = sum(len(name) + 90 for name in names)
    described = len(json.dumps(json.dumps(cost.network.to_json())))
    return int(cost.weights_bytes()) + index + described + METADATA_BYTES


def _figures(limits: Limits) -> dict[str, Callable[[Cost], int]]:
    figures: dict[str, Callable[[Cost], int]] = {
        "max_params": lambda cost: int(cost.params),
        "max_macs": lambda cost: int(cost.macs),
        "max_size": file_bytes,
    }
    return {name: figure for name, figure in figures.items() if getattr(limits, name) is not None}


def _within(limits: Limits, cost: Cost) -> bool:
    return all(figure(cost) <= getattr(limits, name) for name, figure in _figures(limits).items())


def _named(limits: Limits) -> str:
    return ", ".join(_option(name) for name, value in vars(limits).items() if value is not None)


def _option(limit: str) -> str:
    return "--" + limit.replace("_", "-")


def _impossible(limit: str, bound: Any, smallest: str, name: str, shape: Shape) -> str:
    unit = {"max_params": "parameters", "max_macs": "multiply-adds", "max_size": "bytes", "max_latency": "ms"}[limit]
    return (
        f"{_option(limit)} {bound:,} cannot be met: the smallest {name} for an input of {text(shape)} "
        f"takes {smallest} {unit}"
    )


def _reason(name: str, width: float, named: bool, limits: Limits) -> str:
    at = f"{name} at width {width:g}" if width != 1 else name
    if any(value is not None for value in vars(limits).values()):
        return f"{at}: the widest within {_named(limits)}"
    return f"{at}: as asked" if named else f"{at}: the widest that trains in a few minutes on two cores"
