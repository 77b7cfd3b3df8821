"""Keras' numbered names: an unnamed layer is called after its kind, with a counter that runs on from model to model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

NUMBERED = re.compile(r"(conv2d|batch_normalization|normalization)(?:_(\d+))?")


def renumbered(prefixes: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """Key prefixes by node name, with a checkpoint's numbers instead of those from 0, in the same order.

    A second InceptionV3 in one session begins with `conv2d_94`; the order of its layers is the same.
    """
    own, theirs = _numbered(prefixes.values()), _numbered(key.partition("/")[0] for key in keys)
    actual: dict[str, str] = {}
    for kind in own.keys() & theirs.keys():
        both = min(len(own[kind]), len(theirs[kind]))
        actual |= dict(zip(own[kind][:both], theirs[kind][:both], strict=True))
    return {node: actual.get(prefix, prefix) for node, prefix in prefixes.items()}


def _numbered(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of unnamed layers, by kind, in the order of their numbers; the first in a session has none."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        match = NUMBERED.fullmatch(name)
        if match:
            found.setdefault(match[1], {})[int(match[2] or 0)] = name
    return {kind: [numbers[i] for i in sorted(numbers)] for kind, numbers in found.items()}
