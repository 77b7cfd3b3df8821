import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

from convsmith.data.augment.augment import (
    Augment,
    augment_batch,
    colour_keeps_class,
    flip_keeps_class,
    turn_keeps_class,
    written_characters,
)
from convsmith.data.augment.batch_random import BatchRandom

EVERYTHING = Augment(
    shift=0.1, rotate=15, scale=0.1, crop_padding=2, flip=True, trivial=True, erase=0.5, quarter_turns=True
)


def photos(count: int = 16, channels: int = 3, size: tuple[int, int] = (20, 24)) -> Tensor:
    return 255 * torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(7))


def apply(augment: Augment, images: Tensor, seed: int = 0) -> Tensor:
    return augment_batch(images, augment, BatchRandom(torch.Generator().manual_seed(seed), len(images)))


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


@pytest.mark.parametrize(("size", "turns"), [((20, 20), (0, 1, 2, 3)), ((20, 24), (0, 2))])
def test_images_are_turned_by_right_angles_each_as_often(size: tuple[int, int], turns: tuple[int, ...]) -> None:
    images = photos(400, 1, size)
    out = apply(Augment(quarter_turns=True), images)
    counts = [int((out == images.rot90(turn, (2, 3))).flatten(1).all(1).sum()) for turn in turns]
    assert sum(counts) == len(images)
    assert min(counts) > 0.7 * len(images) / len(turns)


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


@pytest.mark.parametrize(
    ("classes", "flips"),
    [
        (["0", "1", "2"], False),
        (["a", "b", "C"], False),
        (["Zero", "one"], False),
        (["10", "11", "12"], False),
        (["turn left", "turn-right"], False),
        (["turnLeft", "turnRight"], False),
        (["TURN_LEFT", "TurnRIGHT2"], False),
        (["clockwise", "counterclockwise"], False),
        (["rightful", "leftover"], True),
        (["cat", "dog"], True),
        (["T-shirt/top", "Trouser", "Ankle boot"], True),
        (["a", "cat"], True),
        (["copyright", "cleft"], True),
    ],
)
def test_flipping_is_for_classes_that_survive_it(classes: list[str], flips: bool) -> None:
    assert flip_keeps_class(classes) is flips


@pytest.mark.parametrize(
    ("classes", "turns"),
    [
        (["thumbs_up", "thumbs_down"], False),
        (["arrowUp", "arrow-left"], False),
        (["0", "1"], False),
        (["down jacket", "coat"], True),
        (["cat", "dog"], True),
    ],
)
def test_turning_is_for_classes_that_name_no_directions(classes: list[str], turns: bool) -> None:
    assert turn_keeps_class(classes) is turns


@pytest.mark.parametrize(
    ("classes", "changes"),
    [
        (["red", "green"], False),
        (["ripe tomato", "unripe_tomato"], False),
        (["dayScene", "nightScene"], False),
        (["red fox", "wolf"], True),
        (["cat", "dog"], True),
    ],
)
def test_colours_change_where_not_all_classes_name_one(classes: list[str], changes: bool) -> None:
    assert colour_keeps_class(classes) is changes


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
        augment_batch(images[places], EVERYTHING, BatchRandom(torch.Generator().manual_seed(0), len(images), places))
        for places in shares
    ]
    torch.testing.assert_close(torch.cat(changed), apply(EVERYTHING, images))
