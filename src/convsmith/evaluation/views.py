"""The views of an image that a protocol has, and a network's mean answer to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convsmith.backend.preprocess import PreprocessModule, centre_crop, resize
from convsmith.data.dataset import Split
from convsmith.data.load.loader import WORKERS
from convsmith.evaluation.inference import answers, device_of, evaluating, predict_logits
from convsmith.evaluation.protocol import CORNERS, Protocol
from convsmith.network.preprocess import Preprocess

VIEWS = 256
"""Views that are moved to the device at once, at most."""

LONGEST = 8
"""Times its shorter side that an image is looked at: of longer ones, the middle. A picture of 1x6000 takes gigabytes
otherwise."""


def predict_by(
    module: nn.Module, split: Split, preprocess: Preprocess, protocol: Protocol, *, workers: int = WORKERS
) -> NDArray[np.float32]:
    """The module's answer to every image of a split by a protocol, in order: float32 (N, classes).

    Logits where there is one view or logits are averaged, else the logarithms of mean probabilities. Raises DataError
    naming a file that cannot be read.
    """
    if protocol.single:
        return predict_logits(module, split, protocol.preprocess(preprocess), workers=workers)
    prepare, device = PreprocessModule(preprocess), device_of(module)
    at_once = max(1, VIEWS // protocol.views)

    def viewed(row: int) -> Tensor:
        return views_of(torch.from_numpy(np.array(split.images[row])), protocol, prepare)

    means = []
    with ThreadPoolExecutor(max(1, workers)) as pool, evaluating(module), torch.inference_mode():
        for batch in _ahead(pool, viewed, len(split), at_once):
            parts = torch.split(torch.cat(batch), VIEWS)
            outputs = torch.cat([answers(module, part.to(device)) for part in parts])
            means.append(_mean(outputs.view(len(batch), protocol.views, -1), protocol).cpu())
    return torch.cat(means).numpy()


def views_of(image: Tensor, protocol: Protocol, prepare: PreprocessModule) -> Tensor:
    """The views of a decoded image, uint8 (H, W, 3): float32 (views, C, h, w), as the first layer takes them."""
    pixels = _middle(prepare.to_channels(image))
    views = []
    for size in protocol.sizes:
        resized = resize(pixels, _target(pixels, size, protocol), protocol.interpolation)
        for square in _squares(resized, protocol):
            views += _crops(square, protocol)
            if protocol.whole:
                views.append(resize(square, protocol.crop, protocol.interpolation))
    found = torch.cat(views)
    if protocol.mirrored:
        found = torch.cat([found, found.flip(-1)])
    return prepare.normalize(found.contiguous())


def _mean(outputs: Tensor, protocol: Protocol) -> Tensor:
    """Of logits (N, views, classes) to (N, classes)."""
    if protocol.average == "logits":
        return outputs.mean(dim=1)
    return torch.logsumexp(outputs.log_softmax(dim=-1), dim=1) - math.log(outputs.shape[1])


def _middle(image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    longest = LONGEST * min(height, width)
    return centre_crop(image, (min(height, longest), min(width, longest)))


def _target(image: Tensor, size: int | tuple[int, int], protocol: Protocol) -> tuple[int, int]:
    if isinstance(size, tuple):
        return size
    height, width = image.shape[-2:]
    longer = max(size, int(size * max(height, width) / min(height, width)))
    return (size, longer) if height <= width else (longer, size)


def _squares(image: Tensor, protocol: Protocol) -> Iterator[Tensor]:
    if protocol.squares == "none":
        yield image
        return
    height, width = image.shape[-2:]
    side = min(height, width)
    if protocol.squares == "three":
        yield image[..., :side, :side]
    yield centre_crop(image, (side, side))
    if protocol.squares == "three":
        yield image[..., height - side :, width - side :]


def _crops(image: Tensor, protocol: Protocol) -> list[Tensor]:
    height, width = protocol.crop
    room = image.shape[-2] - height, image.shape[-1] - width
    if protocol.crops in (1, CORNERS):
        corners = [] if protocol.crops == 1 else [(0, 0), (0, room[1]), (room[0], 0), room]
        places = [image[..., top : top + height, left : left + width] for top, left in corners]
        return [*places, centre_crop(image, protocol.crop)]
    steps = math.isqrt(protocol.crops)
    grid = [
        (round(room[0] * i / (steps - 1)), round(room[1] * j / (steps - 1))) for i in range(steps) for j in range(steps)
    ]
    return [image[..., top : top + height, left : left + width] for top, left in grid]


def _ahead(
    pool: ThreadPoolExecutor, viewed: Callable[[int], Tensor], rows: int, at_once: int
) -> Iterator[list[Tensor]]:
    """Lists of `at_once` images' views, the next list being decoded while one is answered."""
    waiting = None
    for start in range(0, rows, at_once):
        following = [pool.submit(viewed, row) for row in range(start, min(start + at_once, rows))]
        if waiting is not None:
            yield [future.result() for future in waiting]
        waiting = following
    if waiting is not None:
        yield [future.result() for future in waiting]
