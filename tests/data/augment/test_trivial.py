"""TrivialAugment's operations against Pillow's, which its paper used."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from convsmith.data.augment import trivial
from convsmith.data.augment.batch_random import BatchRandom
from convsmith.data.augment.trivial import LEVELS, OPERATIONS, trivial_augment


def photos(count: int = 64, channels: int = 3) -> Tensor:
    generator = np.random.default_rng(0)
    smooth = generator.integers(30, 220, (count, 6, 6, channels), dtype=np.uint8)
    large = [
        np.asarray(Image.fromarray(image.squeeze()).resize((24, 20), Image.Resampling.BICUBIC)) for image in smooth
    ]
    return torch.from_numpy(np.stack(large)).reshape(count, 20, 24, channels).permute(0, 3, 1, 2).float()


def changed_by(images: Tensor, seed: int = 0) -> Tensor:
    return trivial_augment(images, BatchRandom(torch.Generator().manual_seed(seed), len(images)))


PILLOW: list[tuple[trivial.Operation, float, Callable[[Image.Image], Image.Image], float]] = [
    (trivial._brightness, 0.5, lambda image: ImageEnhance.Brightness(image).enhance(1 + 0.99 * 0.5), 1),
    (trivial._brightness, -0.5, lambda image: ImageEnhance.Brightness(image).enhance(1 - 0.99 * 0.5), 1),
    (trivial._colour, -0.6, lambda image: ImageEnhance.Color(image).enhance(1 - 0.99 * 0.6), 2),
    (trivial._contrast, 0.4, lambda image: ImageEnhance.Contrast(image).enhance(1 + 0.99 * 0.4), 2),
    (trivial._posterize, 2 / 3, lambda image: ImageOps.posterize(image, 4), 0),
    (trivial._solarize, 0.4, lambda image: ImageOps.solarize(image, 154), 0),
    (trivial._autocontrast, 0.0, ImageOps.autocontrast, 1.01),
    (trivial._equalize, 0.0, ImageOps.equalize, 0),
]


@pytest.mark.parametrize(("operation", "amount", "theirs", "tolerance"), PILLOW)
def test_colours_change_as_pillow_changes_them(
    operation: trivial.Operation, amount: float, theirs: Callable[[Image.Image], Image.Image], tolerance: float
) -> None:
    images = photos(8)
    ours = operation(images, torch.full((8, 1, 1, 1), amount)).clamp(0, 255)
    for image, changed in zip(images, ours, strict=True):
        expected = np.asarray(theirs(Image.fromarray(image.permute(1, 2, 0).byte().numpy())), dtype=np.float32)
        assert np.abs(changed.permute(1, 2, 0).numpy() - expected).max() <= tolerance


def test_sharpness_changes_the_inside_as_pillow_does() -> None:
    images = photos(8)
    ours = trivial._sharpness(images, torch.full((8, 1, 1, 1), -0.8)).clamp(0, 255)
    for image, changed in zip(images, ours, strict=True):
        theirs = ImageEnhance.Sharpness(Image.fromarray(image.permute(1, 2, 0).byte().numpy())).enhance(1 - 0.99 * 0.8)
        difference = np.abs(changed.permute(1, 2, 0).numpy() - np.asarray(theirs, dtype=np.float32))
        assert difference[1:-1, 1:-1].max() <= 1.5


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_keep_their_shape_and_range(channels: int) -> None:
    images = photos(channels=channels)
    changed = changed_by(images)
    assert changed.shape == images.shape
    assert 0 <= changed.min() <= changed.max() <= 255
    assert not torch.equal(changed, images)


def test_the_same_seed_gives_the_same_images() -> None:
    images = photos()
    assert torch.equal(changed_by(images), changed_by(images))
    assert not torch.equal(changed_by(images), changed_by(images, 1))


def test_the_images_given_are_left_alone() -> None:
    images = photos()
    before = images.clone()
    changed_by(images)
    assert torch.equal(images, before)


def test_each_change_comes_about_as_often_and_some_images_stay_as_they_are() -> None:
    images = photos(1).expand(1400, -1, -1, -1)
    same = (changed_by(images) == images).flatten(1).all(1)
    # One kind in fourteen changes nothing, nor do the others at strength 0; a few more happen to find nothing to do.
    assert 1400 / 14 < same.sum() < 1400 * (1 / 14 + 3 / LEVELS)


def test_what_is_left_out_is_not_drawn() -> None:
    images = photos(1).expand(300, -1, -1, -1)
    random = BatchRandom(torch.Generator().manual_seed(0), len(images))
    shifted = trivial_augment(images, random, turn=False, colour=False)
    same = (shifted == images).flatten(1).all(1)
    assert 300 / 3 < same.sum() < 300 * (1 / 3 + 0.1)
    random = BatchRandom(torch.Generator().manual_seed(0), len(images))
    plain = torch.full((300, 3, 12, 12), 100.0)
    assert torch.allclose(trivial_augment(plain, random, colour=False), plain)


def test_no_strength_of_shape_moves_nothing() -> None:
    images = photos(5)
    still = trivial._moved(images, torch.arange(5), torch.zeros(5))
    torch.testing.assert_close(still, images, atol=1e-2, rtol=0)


def test_a_translation_is_by_a_seventh_at_most() -> None:
    images = torch.zeros(1, 1, 28, 28)
    images[..., 14:, :] = 255
    moved = trivial._moved(images, torch.tensor([trivial.GEOMETRIC.index("translate_y")]), torch.ones(1))
    assert int((moved[0, 0, :, 0] > 127).sum()) == 14 + 28 // 7


def test_every_operation_is_tested_here() -> None:
    assert {row[0] for row in PILLOW} | {trivial._sharpness} == set(OPERATIONS)
