"""Smaller and faster models from models. Each method is a function `Model -> Outcome` with a frozen settings value:

    outcome = slim(model, Slimming(keep=0.5))
    print(outcome)                    # which layers it touched, which it did not and why
    save_model(outcome.model, "slim.safetensors")

Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convsmith.compression.description import lean
    from convsmith.compression.low_rank.factor import LowRank, factorize
    from convsmith.compression.low_rank.search import search_ranks
    from convsmith.compression.on_grid import on_grid, storable
    from convsmith.compression.outcome import Outcome, Touched, Untouched
    from convsmith.compression.pruning.gradual import GradualPruning, prune_gradually
    from convsmith.compression.pruning.iterative import prune_iteratively, rewound
    from convsmith.compression.pruning.magnitude import Masks, Pruning, held, masks_of, prune
    from convsmith.compression.pruning.sensitivity import Sensitivity, sensitivity
    from convsmith.compression.quantization.aware import quantize_aware
    from convsmith.compression.quantization.equalize import equalized
    from convsmith.compression.quantization.quantize import Quantization, quantized
    from convsmith.compression.rate_distortion import Measured, measure, quantize_at, quantize_to
    from convsmith.compression.retrain import retrained
    from convsmith.compression.sample import Sample, sample_of
    from convsmith.compression.sharing import Sharing, share, tuned, with_codebooks
    from convsmith.compression.slimming.gradual import slim_gradually
    from convsmith.compression.slimming.slim import Slimming, slim

LAZY = {
    "description": ("lean",),
    "low_rank.factor": ("LowRank", "factorize"),
    "low_rank.search": ("search_ranks",),
    "on_grid": ("on_grid", "storable"),
    "outcome": ("Outcome", "Touched", "Untouched"),
    "pruning.gradual": ("GradualPruning", "prune_gradually"),
    "pruning.iterative": ("prune_iteratively", "rewound"),
    "pruning.magnitude": ("Masks", "Pruning", "held", "masks_of", "prune"),
    "pruning.sensitivity": ("Sensitivity", "sensitivity"),
    "quantization.aware": ("quantize_aware",),
    "quantization.equalize": ("equalized",),
    "quantization.quantize": ("Quantization", "quantized"),
    "rate_distortion": ("Measured", "measure", "quantize_at", "quantize_to"),
    "retrain": ("retrained",),
    "sample": ("Sample", "sample_of"),
    "sharing": ("Sharing", "share", "tuned", "with_codebooks"),
    "slimming.gradual": ("slim_gradually",),
    "slimming.slim": ("Slimming", "slim"),
}
"""Names by module."""

__all__ = [
    "GradualPruning",
    "LowRank",
    "Masks",
    "Measured",
    "Outcome",
    "Pruning",
    "Quantization",
    "Sample",
    "Sensitivity",
    "Sharing",
    "Slimming",
    "Touched",
    "Untouched",
    "equalized",
    "factorize",
    "held",
    "lean",
    "masks_of",
    "measure",
    "on_grid",
    "prune",
    "prune_gradually",
    "prune_iteratively",
    "quantize_at",
    "quantize_aware",
    "quantize_to",
    "quantized",
    "retrained",
    "rewound",
    "sample_of",
    "search_ranks",
    "sensitivity",
    "share",
    "slim",
    "slim_gradually",
    "storable",
    "tuned",
    "with_codebooks",
]


def __getattr__(name: str) -> Any:
    for module, names in LAZY.items():
        if name in names:
            return getattr(import_module(f"convsmith.compression.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
