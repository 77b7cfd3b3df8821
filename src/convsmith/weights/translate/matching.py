"""Weights of torchvision, timm and Keras, renamed and reshaped for our networks, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from convsmith.errors import ModelFileError
from convsmith.network.network import Network, Node
from convsmith.network.ops import BatchNorm
from convsmith.weights.translate.axes import to_ours, to_theirs
from convsmith.weights.translate.keras_numbers import renumbered
from convsmith.weights.translate.keys import COUNTER, UNUSED, keys_of
from convsmith.zoo.libraries import record_for

SHOWN = 8
"""How many problems an error message lists; it counts the others."""


@dataclass(frozen=True, eq=False)
class Match:
    """A library's checkpoint, matched with a network.

    `weights` are those that fit, by our names. `missing` are keys that the network needs and the checkpoint lacks,
    `left_over` those that it has no use for; `misshapen` says of every other tensor what it is and what it should be.
    """

    network: Network
    source: str
    weights: Mapping[str, Tensor]
    missing: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that does not fit, one line each."""
        missing, left_over = (f"missing {key}" for key in self.missing), (f"left over {key}" for key in self.left_over)
        return (*missing, *self.misshapen, *left_over)

    def complete(self) -> dict[str, Tensor]:
        """The network's state dict. Raises ModelFileError listing what does not fit, if anything does not."""
        if self.problems:
            more = len(self.problems) - SHOWN
            listed = "; ".join(self.problems[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
            raise ModelFileError(f"these {self.source} weights do not fit {self.network.name}: {listed}")
        return dict(self.weights)

    def filled(self, seed: int = 0) -> dict[str, Tensor]:
        """The network's state dict, initialised from `seed` where the checkpoint has nothing that fits."""
        from convsmith.backend.torch import build

        fresh = build(self.network, seed).state_dict()
        return {name: self.weights.get(name, fresh[name]) for name in self.network.parameters}


class Slot(NamedTuple):
    """One parameter of a network, and the keys that it may have in a library's checkpoint, likeliest first."""

    node: Node
    parameter: str
    shape: tuple[int, ...]
    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.node.name}.{self.parameter}"


def slots(network: Network, source: str, prefixes: Mapping[str, str]) -> Iterator[Slot]:
    """Every parameter of a network, in node order, with the keys that follow from the layers' `prefixes`."""
    for node in network.nodes:
        for parameter in network.parameters_of(node):
            keys = keys_of(prefixes[node.name], parameter.name, source, norm=isinstance(node.op, BatchNorm))
            yield Slot(node, parameter.name, tuple(map(int, parameter.shape)), keys)


def from_library(network: Network, state: Mapping[str, Any], source: str) -> dict[str, Tensor]:
    """A library's checkpoint as this network's state dict, for `convsmith.build(network).load_state_dict(...)`.

    `state` maps the library's own keys (of `source`: "torchvision", "timm", "keras" or "efficientnet_pytorch") to
    arrays, in its own order of axes; dtypes are kept. Raises ModelFileError listing every key that is missing, left
    over or of the wrong shape.
    """
    return match(network, state, source).complete()


def match(network: Network, state: Mapping[str, Any], source: str) -> Match:
    """Matches a library's checkpoint with a network, as `from_library` does, and says what fits and what does not."""
    record = record_for(source, network)
    prefixes = record.prefixes(network)
    if source == "keras":
        prefixes = renumbered(prefixes, state)
    wanted = [*slots(network, source, prefixes)]
    expected = {key for slot in wanted for key in slot.keys}
    unused = {_named_now(key, expected, record.old_keys): key for key in state if not key.endswith(UNUSED)}
    weights: dict[str, Tensor] = {}
    missing, misshapen = [], []
    for slot in wanted:
        key = next((key for key in slot.keys if key in unused), slot.keys[0])
        if key not in unused:
            missing.append(key)
            continue
        theirs = torch.as_tensor(state[unused.pop(key)])
        ours = to_ours(theirs, network, slot.node, slot.shape, record)
        if ours.shape != slot.shape:
            misshapen.append(f"{key} has shape {tuple(theirs.shape)}, {slot.node.name} needs {slot.shape}")
        elif not ours.is_floating_point():
            misshapen.append(f"{key} holds {ours.dtype}, {slot.node.name} needs floating point")
        else:
            weights[slot.name] = ours.clone(memory_format=torch.contiguous_format)
    return Match(network, source, weights, tuple(missing), tuple(unused.values()), tuple(misshapen))


def _named_now(key: str, expected: Set[str], old_keys: Iterable[tuple[str, str]]) -> str:
    """What the library calls a tensor today, without Keras' name scopes (`CELL/BLOCK/LAYER/kernel`)."""
    unscoped = "/".join(key.split("/")[-2:])
    if unscoped in expected:
        return unscoped
    for pattern, replacement in old_keys:
        key = re.sub(pattern, replacement, key)
    return key


def to_library(network: Network, weights: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """A state dict of this network as a library's checkpoint, under the library's keys and in its order of axes.

    The inverse of `from_library`. Batch norms of torch's libraries also count their batches, and Keras' `Normalization`
    its pixels. No output depends on these counters; they are written as 0. Raises ModelFileError if the weights lack a
    parameter of the network.
    """
    state: dict[str, Tensor] = {}
    record = record_for(source, network)
    for slot in slots(network, source, record.prefixes(network)):
        if slot.name not in weights:
            raise ModelFileError(f"the weights lack {slot.name} of {network.name}")
        key = slot.keys[0]
        ours = weights[slot.name].detach().cpu().reshape(slot.shape)
        state[key] = to_theirs(ours, network, slot.node, record).clone(memory_format=torch.contiguous_format)
        if slot.parameter == "running_var" and source != "keras":
            state[key.replace("running_var", "num_batches_tracked")] = torch.tensor(0)
        if slot.parameter == "variance" and source == "keras":
            state[COUNTER.format(key.partition("/")[0])] = torch.tensor(0)
    return state
