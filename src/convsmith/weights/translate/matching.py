"""Weights of torchvision, timm and Keras, renamed and reshaped for our networks, and back."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convsmith.errors import ModelFileError
from convsmith.network.network import Network
from convsmith.weights.translate.axes import to_ours, to_theirs
from convsmith.weights.translate.keras_numbers import renumbered
from convsmith.weights.translate.keys import COUNTER, UNUSED
from convsmith.weights.translate.slots import named_now, slots
from convsmith.zoo.libraries import record_for

SHOWN = 10
"""How many keys an error message names; it counts the others."""
COMPARED = 100
"""How many keys that are left over are compared with one that is missing."""


@dataclass(frozen=True, eq=False)
class Match:
    """A library's checkpoint, matched with a network.

    `weights` are those that fit, by our names; `notes` say how they were found in the file. `missing` are keys that the
    network needs and the checkpoint lacks, `left_over` those that it has no use for; `misshapen` says of every other
    tensor what it is and what it should be.
    """

    network: Network
    source: str
    weights: Mapping[str, Tensor]
    missing: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that does not fit, one line each."""
        missing, left_over = (f"missing {key}" for key in self.missing), (f"left over {key}" for key in self.left_over)
        return (*missing, *self.misshapen, *left_over)

    def complete(self) -> dict[str, Tensor]:
        """The network's state dict. Raises ModelFileError listing what does not fit, if anything does not."""
        if self.problems:
            raise ModelFileError(f"these {self.source} weights do not fit {self.network.name}: {self.told()}")
        return dict(self.weights)

    def told(self) -> str:
        """What does not fit, in one line: some of each kind, and what is left over under a name like a missing one."""
        near = dict(self._nearest())
        missing = [f"missing {key}" + (f" (nearest: {near[key]})" if key in near else "") for key in self.missing]
        kinds = [missing, [*self.misshapen], [f"left over {key}" for key in self.left_over]]
        shares = _shares([len(kind) for kind in kinds])
        shown = [line for kind, share in zip(kinds, shares, strict=True) for line in kind[:share]]
        more = len(self.problems) - len(shown)
        return "; ".join(shown) + (f"; and {more} more" if more else "")

    def _nearest(self) -> Iterator[tuple[str, str]]:
        for key in self.missing[:SHOWN]:
            near = difflib.get_close_matches(key, self.left_over[:COMPARED], n=1, cutoff=0.75)
            yield from ((key, name) for name in near)

    def filled(self, seed: int = 0) -> dict[str, Tensor]:
        """The network's state dict, initialised from `seed` where the checkpoint has nothing that fits."""
        from convsmith.backend.torch import build

        fresh = build(self.network, seed).state_dict()
        return {name: self.weights.get(name, fresh[name]) for name in self.network.parameters}


def _shares(counts: Sequence[int]) -> list[int]:
    """How many of each kind are shown: all if there is room for them, else as evenly as can be."""
    shares = [0] * len(counts)
    for _ in range(min(SHOWN, sum(counts))):
        least = min((i for i, count in enumerate(counts) if shares[i] < count), key=lambda i: shares[i])
        shares[least] += 1
    return shares


def from_library(network: Network, state: Mapping[str, Any], source: str) -> dict[str, Tensor]:
    """A library's checkpoint as this network's state dict, for `convsmith.build(network).load_state_dict(...)`.

    `state` maps the library's own keys (of `source`: "torchvision", "timm", "keras" or "efficientnet_pytorch") to
    arrays, in its own order of axes; dtypes are kept. Raises ModelFileError listing every key that is missing, left
    over or of the wrong shape.
    """
    return match(network, state, source).complete()


def match(network: Network, state: Mapping[str, Any], source: str, notes: tuple[str, ...] = ()) -> Match:
    """Matches a library's checkpoint with a network, as `from_library` does, and says what fits and what does not."""
    record = record_for(source, network)
    prefixes = record.prefixes(network)
    if source == "keras":
        prefixes = renumbered(prefixes, state)
    wanted = [*slots(network, source, prefixes)]
    expected = {key for slot in wanted for key in slot.keys}
    unused = {named_now(key, expected, record.old_keys): key for key in state if not key.endswith(UNUSED)}
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
    return Match(network, source, weights, tuple(missing), tuple(unused.values()), tuple(misshapen), notes)


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
