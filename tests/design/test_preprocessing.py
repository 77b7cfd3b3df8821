from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convsmith.data import open_dataset
from convsmith.data.dataset import Dataset, Split
from convsmith.data.images import ArrayImages, packed
from convsmith.data.load.loader import Loader
from convsmith.design.preprocessing import own_side, preprocess_for
from convsmith.errors import UnknownNameError
from convsmith.network.preprocess import Framing


def dataset(size: tuple[int, int], channels: int = 3) -> Dataset:
    generator = np.random.default_rng(0)
    array = generator.normal(100, 20, (40, *size, channels)).clip(0, 255).astype(np.uint8)
    split = Split(ArrayImages(array, packed(map(str, range(40)))), np.arange(40) % 2)
    return Dataset("made", ("a", "b"), {"train": split, "test": split}, channels, size, "")


@pytest.mark.parametrize(
    ("size", "side", "crop", "resize"),
    [
        ((28, 28), None, (28, 28), 28),
        ((40, 30), None, (40, 30), (40, 30)),
        ((100, 140), None, (96, 96), 110),
        ((600, 400), None, (128, 128), 146),
        ((600, 400), 224, (224, 224), 256),
        ((28, 28), 32, (32, 32), 32),
    ],
)
def test_small_images_keep_their_size_and_large_ones_are_cropped(
    size: tuple[int, int], side: int | None, crop: tuple[int, int], resize: int | tuple[int, int]
) -> None:
    preprocess = preprocess_for(dataset(size), side)
    assert (preprocess.crop, preprocess.resize) == (crop, resize)


def small(sizes: list[tuple[int, int]]) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*sizes[number // 2 % len(sizes)], 3), np.uint8) for number in range(40)]


@pytest.mark.parametrize(
    ("sizes", "crop"),
    [
        ([(40, 30)], (40, 30)),
        ([(30, 40)], (30, 40)),
        ([(40, 30), (30, 40)], (30, 30)),
        ([(40, 30), (30, 40), (20, 31)], (30, 30)),
        ([(48, 300), (48, 200)], (128, 128)),
        ([(3, 300)], (3, 300)),
    ],
)
@pytest.mark.parametrize("source", ["arrays", "files"])
def test_small_images_that_are_not_square_can_be_preprocessed(
    sizes: list[tuple[int, int]], crop: tuple[int, int], source: str, tmp_path: Path
) -> None:
    images, labels = small(sizes), np.arange(40) % 2
    if source == "files":
        for number, image in enumerate(images):
            (tmp_path / "ab"[labels[number]]).mkdir(exist_ok=True)
            Image.fromarray(image).save(tmp_path / "ab"[labels[number]] / f"{number:02}.png")
        made = open_dataset(tmp_path)
    else:
        made = Dataset.from_arrays(images, labels, ("a", "b"))
    preprocess = preprocess_for(made)
    assert preprocess.crop == crop
    batch = next(Loader(made.split("train"), preprocess, 8, workers=0).epoch())
    assert batch.images.shape == (8, 3, *crop)


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_and_deviation_are_those_of_the_training_images(channels: int) -> None:
    made = dataset((28, 28), channels)
    preprocess = preprocess_for(made)
    assert preprocess.channels == len(preprocess.mean) == channels
    assert preprocess.mean == pytest.approx([100 / 255] * channels, abs=0.01)
    assert preprocess.std == pytest.approx([20 / 255] * channels, abs=0.01)


def test_a_network_for_small_images_gets_its_own_input_size() -> None:
    assert own_side("lenet5", (28, 28)) == 32
    assert own_side("resnet20", (32, 32)) == 32
    assert own_side("lenet5", (40, 40)) is None
    assert own_side("resnet50", (28, 28)) is None
    with pytest.raises(UnknownNameError):
        own_side("lenet6", (28, 28))


@pytest.mark.parametrize(
    ("framing", "side", "crop", "resize"),
    [
        ("crop", None, (32, 32), 32),
        ("squash", None, (128, 128), (128, 128)),
        ("pad", None, (128, 128), (128, 128)),
        ("crop", 100, (100, 100), 114),
        ("squash", 100, (100, 100), (100, 100)),
    ],
)
def test_a_framing_that_is_asked_for_has_about_as_many_pixels_as_the_pictures(
    framing: Framing, side: int | None, crop: tuple[int, int], resize: int | tuple[int, int]
) -> None:
    preprocess = preprocess_for(dataset((60, 300)), side, framing)
    assert (preprocess.framing, preprocess.crop, preprocess.resize) == (framing, crop, resize)


@pytest.mark.parametrize(
    ("framing", "crop"), [(None, (40, 30)), ("crop", (30, 30)), ("squash", (35, 35)), ("pad", (40, 40))]
)
def test_small_pictures_of_one_size_stay_as_they_are_unless_a_framing_is_asked_for(
    framing: Framing | None, crop: tuple[int, int]
) -> None:
    assert preprocess_for(dataset((40, 30)), None, framing).crop == crop


def test_the_ground_of_padded_pictures_is_their_mean_colour() -> None:
    for channels in (1, 3):
        assert preprocess_for(dataset((60, 300), channels), None, "pad").pad == pytest.approx((0.3922,) * 3, abs=0.01)
