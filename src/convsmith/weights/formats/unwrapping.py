"""From what a training checkpoint holds to a network's tensors: containers, averages, counters and prefixes.

Names are words with dots between them; a prefix ends in a dot, or is empty.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from convsmith.errors import UsageError
from convsmith.weights.formats.stored import StoredTensor

Kind = Literal["raw", "ema"]
"""Of weights: as the optimizer left them, or a moving average over its steps."""

AVERAGED = re.compile(r"(?:^|_)(?:ema|swa|averaged?|avg|shadow|polyak)(?:_|$)")
"""A word in the name of averaged weights: `model_ema`, `ema_model`, `state_dict_ema`, `averaged_model`."""
COUNTERS = frozenset(
    {"n_averaged", "num_updates", "decay", "ema_decay", "initted", "step", "total_ops", "total_params"}
)
"""Numbers that averaging and profilers (thop) leave among the weights."""
WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""Words that torch puts before the keys of what it wraps: of the whole network, or of some of its layers."""
LEADING_WORDS = 2
"""Of a key, among which the word for averaged weights may be; further on, it names a layer."""
SAME_SHARE = 0.8
"""Of the averaged keys that must also be there without the word, for a file to hold both kinds."""
LEAST_SHARE = 0.1
"""Of the tensors of a file's largest state that another must have to be one."""
NAMED = 5
"""Keys that a note names."""

Tensors = Mapping[str, StoredTensor]


@dataclass(frozen=True, eq=False)
class State:
    """A network's tensors, perhaps under a prefix, and where in the file they are."""

    tensors: Tensors
    place: str
    kind: Kind


class Chosen(NamedTuple):
    """A network's tensors under its own keys, what was decided on the way, and the prefix that was taken off."""

    tensors: Tensors
    notes: tuple[str, ...]
    prefix: str = ""


def states(groups: Mapping[tuple[str, ...], Tensors]) -> list[State]:
    """All that may be a network's weights in a file, in the file's order; a few tensors beside many are not."""
    found = [state for path, tensors in groups.items() for state in _by_kind(path, _without_counters(tensors))]
    most = max((len(state.tensors) for state in found), default=0)
    return [state for state in found if len(state.tensors) > LEAST_SHARE * most]


def choose(found: Sequence[State], expected: Set[str], weights: Kind | None = None) -> Chosen:
    """The weights that fit the `expected` keys best, averaged ones first.

    A prefix before the keys is taken off, and what has another prefix is not the network's. Raises UsageError where the
    file does not hold the kind of `weights` that is asked for.
    """
    found = [replace(state, tensors=_unwrapped_inside(state.tensors, expected)) for state in found]
    kinds = {state.kind for state in found}
    if weights is not None and weights not in kinds:
        raise UsageError(f"the file holds only {NAMES[kinds.pop()]} weights", settings="weights")
    kind: Kind = weights or ("ema" if "ema" in kinds else "raw")
    of_kind = [state for state in found if state.kind == kind]
    best = of_kind[0] if len(of_kind) == 1 else max(of_kind, key=lambda state: _fit(state.tensors, expected))
    notes = [_of_both(best, found)] if len(kinds) == 2 else []
    rest = [state.place for state in of_kind if state is not best]
    if rest:
        notes.append(f"the weights in {best.place or 'the file'} are taken, not those in {', '.join(rest[:NAMED])}")
    prefix = prefix_of(best.tensors, expected)
    inside = {key.removeprefix(prefix): tensor for key, tensor in best.tensors.items() if key.startswith(prefix)}
    outside = [key for key in best.tensors if not key.startswith(prefix)]
    if prefix:
        notes.append(f"the prefix {prefix} is taken off the keys")
    if outside:
        more = f" and {len(outside) - NAMED} more" if len(outside) > NAMED else ""
        notes.append(f"left out, without this prefix: {', '.join(outside[:NAMED])}{more}")
    return Chosen(inside, tuple(notes), prefix)


def prefix_of(keys: Iterable[str], expected: Set[str]) -> str:
    """What stands before the network's keys in a file: before most of the expected ones; else what all keys share."""
    votes = Counter(key[: len(key) - len(tail)] for key in keys for tail in _tails(key) if tail in expected)
    if votes:
        return max(votes, key=lambda prefix: (votes[prefix], -len(prefix)))
    return shared_prefix(keys)


def shared_prefix(keys: Iterable[str]) -> str:
    """The words with which all keys begin."""
    first, *others = (key.split(".")[:-1] for key in keys)
    count = 0
    while count < len(first) and all(words[: count + 1] == first[: count + 1] for words in others):
        count += 1
    return "".join(f"{word}." for word in first[:count])


NAMES: Mapping[Kind, str] = {"raw": "raw", "ema": "averaged"}


def _of_both(best: State, found: Sequence[State]) -> str:
    other: Kind = "raw" if best.kind == "ema" else "ema"
    place = next(state.place for state in found if state.kind == other)
    return (
        f"the {NAMES[best.kind]} weights ({best.place}) are taken; "
        f"there are {NAMES[other]} ones too ({place}), for which ask for weights {other}"
    )


def _fit(tensors: Tensors, expected: Set[str]) -> tuple[int, int]:
    """How many expected keys are there under one prefix, and how many keys there are."""
    prefix = prefix_of(tensors, expected)
    return sum(key.startswith(prefix) and key.removeprefix(prefix) in expected for key in tensors), len(tensors)


def _tails(key: str) -> Iterable[str]:
    yield key
    while "." in key:
        key = key.partition(".")[2]
        yield key


def _unwrapped_inside(tensors: Tensors, expected: Set[str]) -> Tensors:
    """Keys without the wrappers of single layers, as in `features.module.0.weight`; those of all stay, as a prefix."""
    words = [word for word in WRAPPERS if any(f".{word}." in key for key in tensors)]
    words = [word for word in words if not any(f"{word}." in key for key in expected)]
    if not words:
        return tensors
    before = len(shared_prefix(tensors))
    inside = re.compile(rf"(?<![^.])(?:{'|'.join(words)})\.")
    return {key[:before] + inside.sub("", key[before:]): tensor for key, tensor in tensors.items()}


def _without_counters(tensors: Tensors) -> Tensors:
    return {
        key: tensor
        for key, tensor in tensors.items()
        if key.rpartition(".")[2] not in COUNTERS or set(tensor.shape) - {1}
    }


def _by_kind(path: tuple[str, ...], tensors: Tensors) -> list[State]:
    """One state, or two where keys of averaged weights repeat those of others."""
    place = ".".join(path)
    if any(map(AVERAGED.search, path)):
        return [State(tensors, place, "ema")]
    averaged = {key: tensor for key, tensor in tensors.items() if _averaged_word(key)}
    others = {key: tensor for key, tensor in tensors.items() if key not in averaged}
    if not averaged:
        return [State(tensors, place, "raw")]
    if not others:
        return [State(tensors, place, "ema")]
    ends = {tail for key in others for tail in _tails(key)}
    repeated = sum(any(tail in ends for tail in [*_tails(key)][1:-1]) for key in averaged)
    if repeated < SAME_SHARE * len(averaged):
        return [State(tensors, place, "raw")]
    dot = place and f"{place}."
    return [
        State(others, f"{dot}{shared_prefix(others)}*", "raw"),
        State(averaged, f"{dot}{shared_prefix(averaged)}*", "ema"),
    ]


def _averaged_word(key: str) -> bool:
    return any(map(AVERAGED.search, key.split(".")[:-1][:LEADING_WORDS]))
