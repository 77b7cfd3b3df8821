"""The methods by name, and what each can reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convsmith.errors import UnknownNameError, UsageError
from convsmith.shrinking.smaller_file import (
    deep,
    prune_and_quantize,
    prune_only,
    quantize,
    share_only,
    slim_and_quantize,
)
from convsmith.shrinking.smaller_network import int8, low_rank, slim_only
from convsmith.shrinking.target import Measure
from convsmith.shrinking.task import Route

WAYS_OF_THE_BEST: Mapping[Measure, Mapping[str, Route]] = {
    "bytes": {
        "quantize": quantize,
        "prune and quantize": prune_and_quantize,
        "slim, prune and quantize": slim_and_quantize,
    },
    "macs": {"slim": slim_only, "low rank": low_rank},
    "latency": {"int8": int8, "slim": slim_only},
}
"""What is tried in turn, the cheapest first, until one meets the target."""


@dataclass(frozen=True)
class Method:
    """One way to a smaller model: what it does, and the measures that it lowers."""

    name: str
    does: str
    ways: Mapping[Measure, Mapping[str, Route]]

    def ways_to(self, measure: Measure) -> Mapping[str, Route]:
        """The ways to lower a measure, by name. Raises UsageError where there is none."""
        if measure not in self.ways:
            lowers = " and ".join(WORDS[one] for one in self.ways)
            raise UsageError(f"{self.name} lowers {lowers}, but not {WORDS[measure]}", settings=("method", "to"))
        return self.ways[measure]


WORDS: Mapping[Measure, str] = {"bytes": "the file's size", "macs": "multiply-adds", "latency": "latency"}


def _alone(name: str, route: Route, does: str, *measures: Measure) -> Method:
    return Method(name, does, {measure: {name: route} for measure in measures})


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("best", "what meets the target with the least training", WAYS_OF_THE_BEST),
        _alone("svd", low_rank, "low rank: layers as products of thinner ones", "bytes", "macs"),
        _alone("prune", prune_only, "the smallest weights at zero, the others in 8 bits, coded", "bytes"),
        _alone("slim", slim_only, "whole channels removed", "bytes", "macs", "latency"),
        _alone("share", share_only, "few values a layer, coded", "bytes"),
        _alone("deep", deep, "Deep Compression: pruned, shared, coded", "bytes"),
        _alone("int8", int8, "weights and feature maps in 8 bits, without training", "bytes", "latency"),
    )
}


def method_named(name: str) -> Method:
    """The method of this name. Raises UnknownNameError."""
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]
