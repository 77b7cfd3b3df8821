"""Layers that do something in training only, found by what they do: dropout and stochastic depth, however written.

In evaluation they hand on their input, so that no graph shows them. A module without parameters is tried on ones in
training mode: zeros in whole images are stochastic depth, in whole channels or single elements dropout.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

Unit = Literal["image", "channel", "element"]

TRIAL = (64, 4, 3, 3)
"""Images, channels, height, width of the ones that a module is tried on."""
TRIALS = 8
"""How often: some layers drop whole batches."""


TOLERANCE = 1e-6


class Noise(NamedTuple):
    """What a module does in training: zeros each unit with probability `p`."""

    unit: Unit
    p: float


def noise_of(module: nn.Module) -> Noise | None:
    """The noise of a module that hands on its input in evaluation; None for any other module, and for p = 0."""
    if next(module.parameters(), None) is not None or next(module.children(), None) is not None:
        return None
    if type(module).__module__.startswith("torch.nn."):
        return None  # torch's own dropouts are seen in the graph; nothing else of torch's is noise
    if any(cls.__module__.startswith("keras.") for cls in type(module).__mro__):
        return None
    before, state = module.training, random.getstate()
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            return _try(module)
    except Exception:
        return None  # a module that cannot take this input is none
    finally:
        random.setstate(state)
        module.train(before)


def _try(module: nn.Module) -> Noise | None:
    ones = torch.ones(TRIAL)
    random.seed(0)
    torch.manual_seed(0)
    module.eval()
    if not _is(module(ones), ones):
        return None
    module.train()
    results = [module(ones) for _ in range(TRIALS)]
    if not all(isinstance(result, Tensor) and result.shape == ones.shape for result in results):
        return None
    y = torch.cat(results)
    kept = torch.unique(y[y != 0])
    if len(kept) != 1 or (kept.item() == 1 and bool(y.all())):
        return None
    p = _stated(module, 1 - 1 / kept.item() if kept.item() > 1 else None)
    return None if p is None else Noise(_unit(y), p)


def _is(result: Any, ones: Tensor) -> bool:
    return isinstance(result, Tensor) and result.shape == ones.shape and torch.equal(result, ones)


def _unit(y: Tensor) -> Unit:
    zeros = y == 0
    if bool((zeros.all(dim=(1, 2, 3)) == zeros.any(dim=(1, 2, 3))).all()):
        return "image"
    return "channel" if bool((zeros.all(dim=(2, 3)) == zeros.any(dim=(2, 3))).all()) else "element"


def _stated(module: nn.Module, measured: float | None) -> float | None:
    """The probability as a module's attribute has it: the one that was measured, or the only one if none could be."""
    stated = {value for value in vars(module).values() if isinstance(value, float) and 0 < value < 1}
    if measured is None:
        return stated.pop() if len(stated) == 1 else None
    kept = {1 - value for value in stated}
    return next((p for p in (*stated, *kept) if abs(p - measured) < TOLERANCE), round(measured, 6))


@contextmanager
def visible(module: nn.Module) -> Iterator[None]:
    """Within, such layers leave an operation in the graph that changes nothing and shows where they stand."""
    found = [(layer, noise) for layer in module.modules() if (noise := noise_of(layer))]
    own = [(layer, vars(layer).get("forward")) for layer, _ in found]
    for layer, noise in found:
        layer.forward = _mark(noise)
    try:
        yield
    finally:
        for layer, forward in own:
            del layer.forward
            if forward is not None:
                layer.forward = forward


def _mark(noise: Noise) -> Callable[[Tensor], Tensor]:
    if noise.unit == "image":
        return lambda x: stochastic_depth(x, noise.p)
    drop = torch.dropout if noise.unit == "element" else torch.feature_dropout
    return lambda x: drop(x, noise.p, False)


@torch.library.custom_op("convsmith::stochastic_depth", mutates_args=(), schema="(Tensor x, float p) -> Tensor")
def stochastic_depth(x: Tensor, p: float) -> Tensor:
    """The mark of stochastic depth in a graph; torch has no operation for it."""
    return x.clone()


@stochastic_depth.register_fake
def _(x: Tensor, p: float) -> Tensor:
    return torch.empty_like(x)
