"""The random resized crop: boxes of the right area and shape, and the same pixels from files and from memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from PIL import Image

from convsmith.data.augment.augment import Augment
from convsmith.data.augment.random_crop import Crop, random_resized_crop
from convsmith.data.dataset import Split
from convsmith.data.decode.image import cut
from convsmith.data.images import ArrayImages, FileImages, packed
from convsmith.data.load.loader import Loader
from convsmith.data.load.workers import EpochOrder
from convsmith.network.preprocess import Framing, Preprocess


def crop_of(image: NDArray[np.uint8]) -> Crop:
    return lambda choose: cut(image, choose(*image.shape[:2]))


def to(height: int, width: int) -> Preprocess:
    return Preprocess(3, (height, width), max(height, width), (0.5,) * 3, (0.25,) * 3)


def test_a_resized_crop_has_the_size_and_follows_from_its_generator() -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    crop = crop_of(image)
    crops = [random_resized_crop(crop, to(32, 24), 0.3, True, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert crops[0].shape == (32, 24, 3)
    assert crops[0].dtype == torch.uint8
    assert torch.equal(crops[0], crops[1])
    assert not torch.equal(crops[0], crops[2])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 1000), st.sampled_from(["crop", "squash", "pad"]))
def test_images_of_every_shape_can_be_cropped(height: int, width: int, seed: int, framing: Framing) -> None:
    image = np.full((height, width, 3), 200, np.uint8)
    preprocess = to(16, 16).framed(framing)
    resized = random_resized_crop(crop_of(image), preprocess, 0.08, False, np.random.default_rng(seed))
    assert resized.shape == (16, 16, 3)
    picture = resized == 200
    assert picture.any()
    assert picture.all() or framing == "pad"
    assert (resized[~picture] == 128).all()


@pytest.mark.parametrize("framing", ["squash", "pad"])
def test_random_parts_of_whole_pictures_have_their_proportions(framing: Framing) -> None:
    image = np.broadcast_to(np.arange(0, 240, dtype=np.uint8)[None, :, None], (40, 240, 3)).copy()
    preprocess = replace(to(32, 32).framed(framing), pad=(1.0, 1.0, 1.0) if framing == "pad" else None)
    parts = [
        random_resized_crop(crop_of(image), preprocess, 0.35, False, np.random.default_rng(seed)).int()
        for seed in range(100)
    ]
    spans = [int(part[16, :, 0].max() - part[16, :, 0].min()) for part in parts]
    assert min(spans) > 100  # of 240: at least the root of 0.35, narrowed by a ratio of 3/4
    assert max(spans) > 200
    grounds = [float((part == 255).all(dim=2).float().mean()) for part in parts]
    assert (0.7 < min(grounds) < max(grounds) < 0.92) if framing == "pad" else max(grounds) == 0


@pytest.mark.parametrize("shape", [(60, 300), (300, 60)])
def test_crops_of_long_pictures_lie_anywhere_in_them(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    image[:30, :30] = 255
    seen = [
        bool((random_resized_crop(crop_of(image), to(16, 16), 0.35, False, np.random.default_rng(seed)) > 0).any())
        for seed in range(100)
    ]
    assert 5 < sum(seen) < 60


def test_a_random_crop_is_mirrored_half_of_the_time() -> None:
    image = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None], (64, 64, 3)).copy()
    mirrored = 0
    crop = crop_of(image)
    for seed in range(200):
        same, maybe = (
            random_resized_crop(crop, to(8, 8), 1.0, flip, np.random.default_rng(seed)) for flip in (False, True)
        )
        assert torch.equal(maybe, same) or torch.equal(maybe, same.flip(1))
        mirrored += not torch.equal(maybe, same)
    assert 70 < mirrored < 130


def test_boxes_have_the_areas_and_ratios_asked_for() -> None:
    across, down = np.meshgrid(np.arange(0, 180, 2), np.arange(0, 240, 4))
    image = np.stack([across, down, down], axis=-1).astype(np.uint8)
    sides = []
    for seed in range(500):
        resized = random_resized_crop(crop_of(image), to(30, 30), 0.5, False, np.random.default_rng(seed)).float()
        wide, tall = resized[:, -1, 0] - resized[:, 0, 0], resized[-1, :, 1] - resized[0, :, 1]
        sides.append((float(wide.mean()) / 2 * 30 / 29, float(tall.mean()) / 4 * 30 / 29))  # in pixels of the image
    width, height = np.array(sides).T
    area, ratio = width * height / (90 * 60), width / height
    assert 0.46 < area.min() < 0.55
    assert area.max() > 0.8
    assert 0.7 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 1.55


@pytest.fixture
def both(tmp_path: Path) -> tuple[Split, Split]:
    """The same photographs as one array and as files."""
    array = np.random.default_rng(0).integers(0, 256, (12, 60, 80, 3), dtype=np.uint8)
    names = packed(f"{number}.png" for number in range(len(array)))
    for name, image in zip(names.tolist(), array, strict=True):
        Image.fromarray(image).save(tmp_path / name.decode())
    labels = np.arange(len(array)) % 2
    return Split(ArrayImages(array, names), labels), Split(FileImages(tmp_path, names), labels)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("channels", [1, 3])
def test_files_and_arrays_are_cropped_to_the_same_pixels(
    both: tuple[Split, Split], channels: int, workers: int
) -> None:
    preprocess = Preprocess(channels, (16, 24), 32, (0.5,) * channels, (0.25,) * channels)
    training = EpochOrder(3, Augment(resized_crop=0.3, flip=True, erase=0.5))
    in_memory, in_files = (
        list(Loader(split, preprocess, 4, training=training, workers=workers).epoch(1)) for split in both
    )
    assert len(in_memory) == len(in_files) == 3
    for ours, theirs in zip(in_memory, in_files, strict=True):
        assert torch.equal(ours.images, theirs.images)


def test_crops_reach_the_edges_that_the_evaluation_crop_cuts_off() -> None:
    wide = np.zeros((1, 20, 100, 3), np.uint8)
    wide[:, :, :30] = 255  # outside of the middle square
    split = Split(ArrayImages(wide.repeat(32, axis=0), packed(map(str, range(32)))), np.zeros(32, np.int64))
    preprocess = Preprocess(3, (20, 20), 20, (0.0,) * 3, (1.0,) * 3)
    evaluated = next(Loader(split, preprocess, 32).epoch())
    trained = next(Loader(split, preprocess, 32, training=EpochOrder(0, Augment(resized_crop=0.1))).epoch())
    assert float(evaluated.images.max()) == 0
    assert (trained.images.amax(dim=(1, 2, 3)) > 0.9).float().mean() > 0.2


def test_a_crop_is_antialiased() -> None:
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255
    split = Split(ArrayImages(stripes.repeat(8, axis=0), packed(map(str, range(8)))), np.zeros(8, np.int64))
    preprocess = Preprocess(3, (8, 8), 8, (0.0,) * 3, (1.0,) * 3)
    training = EpochOrder(0, Augment(resized_crop=0.9))
    images = next(Loader(split, preprocess, 8, training=training).epoch()).images
    assert float((images - 0.5).abs().max()) < 0.1
