"""Auxiliary heads: outputs that a module has in training only, as GoogLeNet's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from convsmith.backend.read.module import outputs
from convsmith.backend.read.module.capture import quiet
from convsmith.backend.read.module.keras import is_keras
from convsmith.backend.read.module.outputs import Output


class Heads(NamedTuple):
    """What a module returns in training: `found`, of which `main` is the index of the answer."""

    found: Sequence[Output]
    main: int


@contextmanager
def training_outputs(module: nn.Module) -> Iterator[None]:
    """Within, the module takes the branches of training, but its layers compute as in evaluation."""
    module.train()
    for layer in module.modules():
        if next(layer.children(), None) is None and layer is not module:
            layer.eval()
    try:
        yield
    finally:
        module.eval()


def heads_of(module: nn.Module, images: Tensor, answer: Tensor) -> Heads | None:
    """The outputs in training, where there is no doubt about them; None otherwise.

    There is none if one of them is the answer of evaluation, and the others are scores of as many classes.
    """
    if answer.ndim != 2 or is_keras(module) or not _has_more(module, images):
        return None
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    try:
        with training_outputs(module), torch.no_grad(), quiet(), torch.random.fork_rng(devices=[]):
            found = outputs.outputs_of(module(images.clone()))
    except Exception:
        return None  # training has its own demands, on the size of the batch for one
    finally:
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                buffer.copy_(buffers[name])
    if len(found) < 2 or any(output.tensor.shape != answer.shape for output in found):
        return None
    same = [i for i, output in enumerate(found) if torch.allclose(output.tensor, answer, rtol=1e-4, atol=1e-4)]
    return Heads(found, same[0]) if len(same) == 1 else None


def _has_more(module: nn.Module, images: Tensor) -> bool:
    """Whether training has more outputs, found without computing anything."""
    try:
        tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        state = {name: tensor.to("meta") for name, tensor in tensors.items()}
        with training_outputs(module), torch.no_grad(), quiet():
            found = outputs.outputs_of(functional_call(module, state, (images.to("meta"),)))
    except Exception:  # code that cannot run on meta tensors is not looked into for more heads
        return False
    return len(found) > 1
