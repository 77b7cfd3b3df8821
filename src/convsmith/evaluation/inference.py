"""A network's outputs for a whole split."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convsmith.data.dataset import Split
from convsmith.data.load.loader import WORKERS, Loader
from convsmith.errors import DataError
from convsmith.network.preprocess import Preprocess

CPU_PIXELS = 8 * 224 * 224
"""Of the images that go through a network at once on a CPU. Of more, its maps do not fit into the caches any longer:
MobileNet-V1 0.5 takes 8 ms for each of 4 images of 224x224, and 22 ms for each of 64."""


def predict_logits(
    module: nn.Module, split: Split, preprocess: Preprocess, batch_size: int = 256, *, workers: int = WORKERS
) -> NDArray[np.float32]:
    """The module's output for every image of the split, in order: float32 (N, ...), computed on the module's device.

    `workers` processes decode files. Raises DataError naming a file that cannot be read: a figure is of all images of
    the split, or it is not given.
    """
    loader = Loader(split, preprocess, batch_size, device=device_of(module), workers=workers)
    with evaluating(module), torch.inference_mode():
        logits = [answers(module, batch.images).cpu() for batch in loader.epoch()]
    if loader.unreadable:
        raise DataError(str(loader.unreadable[0]))
    return torch.cat(logits).numpy()


def answers(module: nn.Module, images: Tensor) -> Tensor:
    """A module's logits, float32 (N, ...), for prepared images (N, C, H, W) on its device, a few at a time on a CPU."""
    if images.ndim < 4 or images.device.type != "cpu":
        return main_output(module(images)).float()
    at_once = max(1, CPU_PIXELS // (images.shape[-2] * images.shape[-1]))
    return torch.cat([main_output(module(part)).float() for part in torch.split(images, at_once)])


def best_device() -> torch.device:
    """The first GPU, where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(module: nn.Module) -> torch.device:
    """Where the module's first parameter lives; the CPU for a module without any."""
    first = next(module.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def main_output(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The logits among a module's outputs: the first, where auxiliary heads follow."""
    return outputs[0] if isinstance(outputs, tuple) else outputs


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode, and afterwards in the mode that it was in."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
