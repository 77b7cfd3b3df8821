import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from convsmith.data.augment.augment import (
    Augment,
    Part,
    augment_batch,
    flip_keeps_class,
    random_resized_crop,
    written_characters,
)
from convsmith.data.augment.batch_random import Draws
from convsmith.data.decode.image import cut

EVERYTHING = Augment(
    resized_crop=0.3, shift=0.1, rotate=15, scale=0.1, crop_padding=2, flip=True, trivial=True, erase=0.5
)


def photos(count: int = 16, channels: int = 3, size: tuple[int, int] = (20, 24)) -> Tensor:
    return 255 * torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(7))


def apply(augment: Augment, images: Tensor, seed: int = 0) -> Tensor:
    return augment_batch(images, augment, Draws(torch.Generator().manual_seed(seed), len(images)))


def test_the_same_seed_gives_the_same_images_and_another_does_not() -> None:
    images = photos()
    assert torch.equal(apply(EVERYTHING, images), apply(EVERYTHING, images))
    assert not torch.equal(apply(EVERYTHING, images), apply(EVERYTHING, images, seed=1))


def test_nothing_hidden_is_drawn_from() -> None:
    before = torch.get_rng_state()
    apply(EVERYTHING, photos())
    assert torch.equal(torch.get_rng_state(), before)


def test_no_augmentation_leaves_the_images_as_they_are() -> None:
    assert apply(Augment(), images := photos()) is images


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5), st.sampled_from([1, 3]), st.integers(4, 40), st.integers(4, 40), st.integers(0, 4), st.booleans()
)
def test_shape_and_range_are_kept(count: int, channels: int, height: int, width: int, pad: int, flip: bool) -> None:
    images = photos(count, channels, (height, width))
    out = apply(replace(EVERYTHING, crop_padding=pad, flip=flip), images)
    assert out.shape == images.shape
    assert out.min() >= 0
    assert out.max() <= 255.01


def test_about_half_of_the_images_are_flipped() -> None:
    images = photos(400, 1)
    out = apply(Augment(flip=True), images)
    flipped = (out == images.flip(3)).flatten(1).all(1)
    kept = (out == images).flatten(1).all(1)
    assert bool((flipped ^ kept).all())
    assert 150 < int(flipped.sum()) < 250


def test_a_padded_crop_is_the_image_shifted_by_at_most_the_padding() -> None:
    images = photos(50, 1, (8, 8)) + 1
    padded = torch.nn.functional.pad(images, [2] * 4)
    for image, out in zip(padded, apply(Augment(crop_padding=2), images), strict=True):
        windows = [image[:, top : top + 8, left : left + 8] for top in range(5) for left in range(5)]
        assert any(torch.equal(out, window) for window in windows)


def test_a_shift_moves_the_image_by_that_fraction_of_its_side() -> None:
    ramp = torch.arange(100.0).expand(200, 1, 10, 100)
    moved = apply(Augment(shift=0.1), ramp)[:, 0, 5, 50] - 50
    assert moved.abs().max() <= 10.01
    assert moved.abs().max() > 9
    assert moved.abs().min() < 0.5


def test_rotation_keeps_circles_round_in_images_that_are_not_square() -> None:
    y, x = torch.meshgrid(torch.arange(40.0) - 19.5, torch.arange(80.0) - 39.5, indexing="ij")
    disc = (255.0 * (x**2 + y**2 < 100)).expand(20, 1, 40, 80)
    rotated = apply(Augment(rotate=45), disc)
    assert (rotated - disc).abs().mean() < 3


def test_erasing_paints_a_rectangle_in_the_chosen_fraction_of_images() -> None:
    images = photos(500, 1)
    changed = (apply(Augment(erase=0.25), images) != images).flatten(1).float().mean(1)
    assert 0.18 < float((changed > 0).float().mean()) < 0.32
    assert float(changed.max()) < 0.45


def part_of(image: NDArray[np.uint8]) -> Part:
    return lambda choose: cut(image, choose(*image.shape[:2]))


def test_a_resized_crop_has_the_size_and_follows_from_its_generator() -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    part = part_of(image)
    crops = [random_resized_crop(part, (32, 24), 0.3, True, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert crops[0].shape == (32, 24, 3)
    assert crops[0].dtype == torch.uint8
    assert torch.equal(crops[0], crops[1])
    assert not torch.equal(crops[0], crops[2])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 1000))
def test_images_of_every_shape_can_be_cropped(height: int, width: int, seed: int) -> None:
    image = np.full((height, width, 3), 200, np.uint8)
    crop = random_resized_crop(part_of(image), (16, 16), 0.08, False, np.random.default_rng(seed))
    assert crop.shape == (16, 16, 3)
    assert (crop == 200).all()


def test_the_parts_of_a_batch_have_the_areas_and_ratios_of_those_of_files() -> None:
    height, width = 60, 90
    across, down = torch.arange(float(width)).expand(height, width), torch.arange(float(height))[:, None]
    ramps = torch.stack([across, down.expand(height, width)]).expand(2000, 2, height, width)
    parts = apply(Augment(resized_crop=0.5), ramps)
    wide = parts[:, 0, 0, -2] - parts[:, 0, 0, 1]
    tall = parts[:, 1, -2, 0] - parts[:, 1, 1, 0]
    wide, tall = wide / (width - 3), tall / (height - 3)  # of the whole; the outermost pixels are cut off at the edge
    ratio = wide / tall * width / height
    free = (wide < 0.99) & (tall < 0.99)
    assert ((wide <= 1.001) & (tall <= 1.001)).all()
    assert ((wide * tall)[free] > 0.49).all()
    assert bool(((ratio[free] > 0.74) & (ratio[free] < 1.35)).all())
    assert ratio[free].min() < 0.85
    assert ratio[free].max() > 1.2
    assert (wide * tall).min() < 0.55


@pytest.mark.parametrize(
    ("classes", "flips"),
    [
        (["0", "1", "2"], False),
        (["a", "b", "C"], False),
        (["Zero", "one"], False),
        (["10", "11", "12"], False),
        (["turn left", "turn-right"], False),
        (["cat", "dog"], True),
        (["T-shirt/top", "Trouser", "Ankle boot"], True),
        (["a", "cat"], True),
        (["copyright", "cleft"], True),
    ],
)
def test_flipping_is_for_classes_that_survive_it(classes: list[str], flips: bool) -> None:
    assert flip_keeps_class(classes) is flips


def test_digits_and_letters_are_recognised_as_written_characters() -> None:
    assert written_characters("0123456789")
    assert not written_characters(["left", "right"])


def test_an_augmentation_survives_json() -> None:
    for augment in (EVERYTHING, Augment(resized_crop=0.25), Augment()):
        assert Augment.from_json(json.loads(json.dumps(augment.to_json()))) == augment


@pytest.mark.parametrize("parts", [2, 3])
def test_processes_that_share_a_batch_change_its_images_as_one_would(parts: int) -> None:
    images = photos()
    shares = torch.arange(len(images)).chunk(parts)
    changed = [
        augment_batch(images[places], EVERYTHING, Draws(torch.Generator().manual_seed(0), len(images), places))
        for places in shares
    ]
    torch.testing.assert_close(torch.cat(changed), apply(EVERYTHING, images))


def test_a_random_crop_is_mirrored_half_of_the_time() -> None:
    image = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None], (64, 64, 3)).copy()
    mirrored = 0
    part = part_of(image)
    for seed in range(200):
        same, maybe = (
            random_resized_crop(part, (8, 8), 1.0, flip, np.random.default_rng(seed)) for flip in (False, True)
        )
        assert torch.equal(maybe, same) or torch.equal(maybe, same.flip(1))
        mirrored += not torch.equal(maybe, same)
    assert 70 < mirrored < 130
