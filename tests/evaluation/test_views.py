"""Each protocol's views and their mean, equal to a second computation with NumPy and Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from convsmith.backend.preprocess import PreprocessModule
from convsmith.data.dataset import Split
from convsmith.data.images import ArrayImages
from convsmith.evaluation.protocol import Protocol, changed, protocol_named
from convsmith.evaluation.views import predict_by, views_of
from convsmith.network import Preprocess

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
SIZES = ((37, 53), (53, 37), (41, 41), (90, 31), (20, 150), (7, 5))
OWN = Preprocess(3, (24, 24), 28, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


def picture(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_pillow(pixels: NDArray[np.float32], size: tuple[int, int], kind: str) -> NDArray[np.float32]:
    """Each channel as floats, resized by Pillow."""
    height, width = size
    channels = [
        np.asarray(Image.fromarray(pixels[:, :, c]).resize((width, height), FILTERS[kind]))
        for c in range(pixels.shape[2])
    ]
    found = np.stack(channels, axis=2)
    return np.clip(found, 0, 255) if kind == "bicubic" else found


def by_hand(image: NDArray[np.uint8], protocol: Protocol) -> NDArray[np.float32]:
    """The views of a picture (views, h, w, 3), from 0 to 255, without anything of convsmith's."""
    views = []
    (ch, cw), pixels = protocol.crop, image.astype(np.float32)
    for size in protocol.sizes:
        height, width = image.shape[:2]
        if isinstance(size, tuple):
            target = size
        elif height <= width:
            target = (size, max(size, int(size * width / height)))
        else:
            target = (max(size, int(size * height / width)), size)
        resized = by_pillow(pixels, target, protocol.interpolation)
        side = min(target)
        middle = (round((target[0] - side) / 2), round((target[1] - side) / 2))
        corners = {
            "none": [(0, 0, *target)],
            "centre": [(*middle, side, side)],
            "three": [(0, 0, side, side), (*middle, side, side), (target[0] - side, target[1] - side, side, side)],
        }[protocol.squares]
        for top, left, high, wide in corners:
            square = resized[top : top + high, left : left + wide]
            rows, columns = high - ch, wide - cw
            centre = (round(rows / 2), round(columns / 2))
            if protocol.crops == 1:
                places = [centre]
            elif protocol.crops == 5:
                places = [(0, 0), (0, columns), (rows, 0), (rows, columns), centre]
            else:
                steps = round(protocol.crops**0.5)
                grid = [i / (steps - 1) for i in range(steps)]
                places = [(round(rows * i), round(columns * j)) for i in grid for j in grid]
            views += [square[y : y + ch, x : x + cw] for y, x in places]
            if protocol.whole:
                views.append(by_pillow(np.ascontiguousarray(square), protocol.crop, protocol.interpolation))
    if protocol.mirrored:
        views += [view[:, ::-1] for view in views]
    return np.stack(views)


PROTOCOLS = [
    *(protocol_named(name, OWN) for name in ("torchvision", "timm", "caffe-10-crop", "alexnet", "resnet-10-crop",
                                             "googlenet-144")),
    changed(protocol_named("own", OWN), sizes=[26, 30], crops=9, mirrored=True, interpolation="bicubic"),
    changed(protocol_named("own", OWN), crops=4),
]  # fmt: skip


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda one: one.name)
@pytest.mark.parametrize("size", SIZES)
def test_views_are_those_made_by_hand(protocol: Protocol, size: tuple[int, int]) -> None:
    image = picture(*size)
    found = views_of(torch.from_numpy(image), protocol, PreprocessModule(OWN))
    expected = (by_hand(image, protocol) / 255 - np.array(OWN.mean)) / np.array(OWN.std)
    assert found.shape == (protocol.views, 3, *protocol.crop)
    np.testing.assert_allclose(found.permute(0, 2, 3, 1).numpy(), expected, atol=2e-3)


class Linear(nn.Module):
    """Logits that NumPy computes too."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3 * 24 * 24, generator=torch.Generator().manual_seed(0)) / 20)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1) @ self.weight.T


@pytest.mark.parametrize("average", ["probabilities", "logits"])
@pytest.mark.parametrize("name", ["resnet-10-crop", "googlenet-144"])
def test_the_mean_is_that_computed_by_hand(name: str, average: str) -> None:
    protocol = changed(protocol_named(name, OWN), average=average)  # type: ignore[arg-type]
    images = np.stack([picture(37, 53), picture(37, 53)[::-1]])
    split = Split(ArrayImages(images, ["a", "b"]), np.zeros(2, np.int64))
    module = Linear()
    found = predict_by(module, split, OWN, protocol, workers=1)
    weight = module.weight.detach().numpy().astype(np.float64)
    for row, image in enumerate(split.images[i] for i in range(2)):
        views = (by_hand(image, protocol) / 255 - np.array(OWN.mean)) / np.array(OWN.std)
        logits = views.transpose(0, 3, 1, 2).reshape(len(views), -1) @ weight.T
        if average == "logits":
            np.testing.assert_allclose(found[row], logits.mean(axis=0), atol=1e-2)
        else:
            each = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            np.testing.assert_allclose(np.exp(found[row]), each.mean(axis=0), atol=1e-3)


def test_pictures_that_are_long_beyond_reason_cost_little() -> None:
    image = torch.from_numpy(picture(1, 6000))
    assert views_of(image, protocol_named("googlenet-144", OWN), PreprocessModule(OWN)).shape[0] == 144
