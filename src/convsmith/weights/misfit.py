"""Why a checkpoint does not fit a network, as far as its keys and shapes tell."""

from __future__ import annotations

import re

from convsmith.weights.formats.checkpoints import Checkpoint
from convsmith.weights.formats.unwrapping import Kind
from convsmith.weights.identification import Identity, ranked
from convsmith.weights.translate.matching import Match
from convsmith.zoo.registry import origin_of

CHANGED = (
    (r"_packed_params|(?:^|\.)zero_point$|\.scales?$", "it is quantized: save the weights in floating point"),
    (
        r"_mask$",
        "it is pruned by masks (weight_orig, weight_mask): make that permanent with prune.remove, and save again",
    ),
    (
        r"\.weight_[gv]$|\.parametrizations\.",
        "its weights are parametrized: remove the parametrizations, and save again",
    ),
    (r"lora_[AB]", "it holds LoRA adapters: merge them into the weights, and save again"),
)
"""Keys that tell what was done to a network before it was saved."""

NEAR_SHARE = 0.3
"""Of a network's tensors that must fit for it to be named as the nearest."""


def reason(found: Match, checkpoint: Checkpoint, weights: Kind | None = None) -> str:
    """The likeliest reason why these weights do not fit, or what they do fit."""
    for state in checkpoint.states:
        for pattern, said in CHANGED:
            if any(re.search(pattern, key) for key in state.tensors):
                return said
    matches, _ = ranked(checkpoint, weights)
    return _of_matches(found, matches)


def _of_matches(found: Match, matches: list[Identity]) -> str:
    if not matches or matches[0].fitting < NEAR_SHARE * matches[0].tensors:
        return "no network here has keys like these; perhaps another library's names, such as Hugging Face's"
    best, origin = matches[0], origin_of(found.network)
    if best.exact and best.width == 1 and origin and origin.name in (best.name, *best.also):
        return f"its classifier has {best.classes} classes, and {found.network.classes} are asked for: name its classes"
    if best.exact:
        return f"it is {best}"
    return f"nearest is {best}"
