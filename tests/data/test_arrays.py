"""Data sets from what a program holds in memory: every usual form is taken, and each mistake names its argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from convsmith.data import Dataset, open_dataset
from convsmith.data.arrays import images_from_arrays
from convsmith.data.augment.augment import Augment
from convsmith.data.load.loader import Loader
from convsmith.data.load.workers import EpochOrder
from convsmith.design.preprocessing import preprocess_for
from convsmith.errors import ConvsmithError, DataError, UsageError

GENERATOR = np.random.default_rng(0)
COLOUR = GENERATOR.integers(0, 256, (40, 12, 10, 3), dtype=np.uint8)
GREY = GENERATOR.integers(0, 256, (40, 12, 10), dtype=np.uint8)
LABELS = np.arange(40) % 2
CLASSES = ("cat", "dog")


def pixels(dataset: Dataset) -> dict[bytes, int]:
    """Every image of the data set, and its label."""
    return {image.tobytes(): label for split in dataset.splits.values() for image, label in split}


def rgb(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3)


@pytest.mark.parametrize(
    "images",
    [
        COLOUR,
        GREY,
        GREY[..., None],
        list(COLOUR),
        list(GREY),
        [Image.fromarray(image) for image in COLOUR],
        torch.from_numpy(COLOUR),
        torch.from_numpy(COLOUR).permute(0, 3, 1, 2),
        torch.from_numpy(COLOUR).permute(0, 3, 1, 2) / 255,
        [image.permute(2, 0, 1) / 255 for image in torch.from_numpy(COLOUR)],
        torch.from_numpy(GREY)[:, None].double() / 255,
        COLOUR.astype(np.float32),
        COLOUR.astype(np.int64),
        GREY.astype(np.uint16) * 257,
    ],
    ids=lambda images: f"{type(images).__name__} {getattr(images, 'dtype', type(images[0]).__name__)}",
)
def test_every_form_of_images_gives_their_pixels(images: Any) -> None:
    dataset = Dataset.from_arrays(images, LABELS, CLASSES)
    shape = np.asarray(images[0]).shape
    given = COLOUR if 3 in (shape[0], shape[-1]) else GREY
    assert dataset.classes == CLASSES
    assert dataset.channels == (3 if given is COLOUR else 1)
    assert dataset.size == (12, 10)
    assert pixels(dataset) == {image.tobytes(): label for image, label in zip(rgb(given), LABELS, strict=True)}


@pytest.mark.parametrize(
    ("labels", "classes", "found"),
    [
        (LABELS, None, ("0", "1")),
        (LABELS.tolist(), CLASSES, CLASSES),
        (torch.from_numpy(LABELS), CLASSES, CLASSES),
        (list(torch.from_numpy(LABELS)), CLASSES, CLASSES),
        (LABELS[:, None].astype(np.uint8), CLASSES, CLASSES),
        (LABELS.astype(np.float32), CLASSES, CLASSES),
        (LABELS.astype(bool), CLASSES, CLASSES),
        (np.eye(2)[LABELS], CLASSES, CLASSES),
        (np.array(CLASSES)[LABELS], None, CLASSES),
        ([CLASSES[label] for label in LABELS], None, CLASSES),
        ([CLASSES[label] for label in LABELS], ("dog", "cat"), ("dog", "cat")),
        (np.array(CLASSES, object)[LABELS], None, CLASSES),
    ],
)
def test_labels_are_numbers_or_names(labels: Any, classes: Any, found: tuple[str, ...]) -> None:
    dataset = Dataset.from_arrays(COLOUR, labels, classes)
    assert dataset.classes == found
    flipped = found[0] == "dog"
    assert pixels(dataset) == {
        image.tobytes(): int(label) ^ flipped for image, label in zip(COLOUR, LABELS, strict=True)
    }


def test_numbers_as_classes_are_in_their_order() -> None:
    assert Dataset.from_arrays(COLOUR, LABELS * 8 + 2).classes == ("2", "10")


def test_images_of_different_sizes_are_kept_in_memory_as_they_are() -> None:
    generator = np.random.default_rng(1)
    images = [generator.integers(0, 256, (8 + number % 3, 9, 3), dtype=np.uint8) for number in range(30)]
    dataset = Dataset.from_arrays(images, np.arange(30) % 2, CLASSES)
    assert {image.shape[0] for image, _ in dataset.split("train")} == {8, 9, 10}
    assert dataset.size == (9, 9)
    mixed = Dataset.from_arrays([*images[:15], *(image[..., 0] for image in images[15:])], np.arange(30) % 2)
    assert mixed.channels == 3


def test_nothing_is_shared_with_what_was_given() -> None:
    images, listed = COLOUR.copy(), [image.copy() for image in (*COLOUR, COLOUR[0, :5])]
    whole, ragged = Dataset.from_arrays(images, LABELS), Dataset.from_arrays(listed, [*LABELS, 0])
    before = pixels(whole), pixels(ragged)
    images[:] = 0
    for image in listed:
        image[:] = 0
    assert (pixels(whole), pixels(ragged)) == before


def test_splits_that_are_given_are_used_and_missing_ones_made() -> None:
    given = Dataset.from_arrays(COLOUR[:30], LABELS[:30], splits={"test": (COLOUR[30:], LABELS[30:])})
    assert {name: len(split) for name, split in given.splits.items()} == {"train": 26, "val": 4, "test": 10}
    assert np.array_equal(given.split("test").images[0], COLOUR[30])
    both = Dataset.from_arrays(
        COLOUR[:20],
        LABELS[:20],
        splits={"validation": (COLOUR[20:30], LABELS[20:30]), "test": (COLOUR[30:], LABELS[30:])},
    )
    assert {name: len(split) for name, split in both.splits.items()} == {"train": 20, "val": 10, "test": 10}


def test_fractions_are_of_each_class_and_follow_the_seed() -> None:
    dataset = Dataset.from_arrays(COLOUR, LABELS, splits={"val": 0.25}, seed=3)
    assert {name: np.bincount(split.labels).tolist() for name, split in dataset.splits.items()} == {
        "train": [15, 15],
        "val": [5, 5],
    }
    mixed = Dataset.from_arrays(COLOUR[:30], LABELS[:30], splits={"val": 0.2, "test": (COLOUR[30:], LABELS[30:])})
    assert [len(split) for split in mixed.splits.values()] == [24, 6, 10]
    other = Dataset.from_arrays(COLOUR, LABELS, splits={"val": 0.25}, seed=4)
    assert dataset.fingerprint != other.fingerprint


def test_arrays_and_files_of_the_same_pixels_are_split_alike(tmp_path: Path) -> None:
    for number, image in enumerate(COLOUR):
        folder = tmp_path / CLASSES[LABELS[number]]
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:03}.png")
    files, arrays = open_dataset(tmp_path), Dataset.from_arrays(COLOUR, LABELS, CLASSES)
    for name, split in files.splits.items():
        assert {image.tobytes() for image, _ in split} == {image.tobytes() for image, _ in arrays.split(name)}


def test_an_opened_data_set_is_returned_as_it_is() -> None:
    dataset = Dataset.from_arrays(COLOUR, LABELS)
    assert open_dataset(dataset) is dataset


@pytest.mark.parametrize("sizes", ["one size", "many sizes"])
def test_batches_for_training_and_evaluation_come_out_of_it(sizes: str) -> None:
    images = [image[: 12 - number % 3 * (sizes == "many sizes")] for number, image in enumerate(COLOUR)]
    dataset = Dataset.from_arrays(images, LABELS, CLASSES)
    preprocess = preprocess_for(dataset)
    for training in (None, EpochOrder(0, Augment(flip=True)), EpochOrder(0, Augment(resized_crop=0.5))):
        batches = list(Loader(dataset.split("train"), preprocess, 7, training=training, workers=1).epoch())
        assert len(batches) == 4
        assert batches[0].images.shape == (7, 3, *preprocess.crop)


def test_images_without_labels_are_images() -> None:
    images = images_from_arrays([COLOUR[0], GREY[1, :5]])
    assert [images[row].shape for row in range(2)] == [(12, 10, 3), (5, 10, 3)]
    assert images.name(1) == "images[1]"


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("form", ["array", "list", "tensor", "pillow"])
def test_16_bit_images_are_scaled_alike_in_all_splits(bits: int, form: str) -> None:
    generator = np.random.default_rng(bits)
    whole = generator.integers(0, 1 << bits, (40, 9, 9), dtype=np.uint16)
    whole[0, 0, 0], whole[30:] = (1 << bits) - 1, whole[30:] // 4  # the test images are darker
    given = {
        "array": whole,
        "list": list(whole),
        "tensor": torch.from_numpy(whole.astype(np.int32)).to(torch.uint16),
        "pillow": [Image.fromarray(image) for image in whole],
    }[form]
    dataset = Dataset.from_arrays(given[:30], LABELS[:30], splits={"test": (given[30:], LABELS[30:])})
    assert dataset.decoding.bits == bits
    assert len(dataset.notes) == (bits < 16)
    expected = (whole[30:] * (255 / ((1 << bits) - 1))).round()
    assert np.array_equal([image[..., 0] for image, _ in dataset.split("test")], expected)
    alone = images_from_arrays(given[30:], decoding=dataset.decoding)
    assert np.array_equal(alone[3][..., 0], expected[3])


NAN = COLOUR / 255
NAN[3, 0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((COLOUR[0], LABELS), r"labels: int64 of shape \(40,\) for 12 images; expected one label for each"),
        ((COLOUR[0, 0], LABELS), r"images: uint8 of shape \(10, 3\); expected \(N, H, W\)"),
        ((np.zeros((0, 4, 4), np.uint8), []), r"images: uint8 of shape \(0, 4, 4\); expected"),
        (([], []), "images: an empty list"),
        ((COLOUR[..., :2], LABELS), r"images: uint8 of shape \(40, 12, 10, 2\); expected 1 channel"),
        ((torch.zeros((40, 3, 8, 3), dtype=torch.uint8), LABELS), r"may be \(H, W, C\) or \(C, H, W\)"),
        ((COLOUR / 127.5 - 1, LABELS), "images: float64 with values from -1 to 1; expected uint8, or floats from 0"),
        ((COLOUR.astype(np.int32) * 9, LABELS), "images: int32 with values from 0 to 2295"),
        ((NAN, LABELS), "images: some values are not finite"),
        ((COLOUR.astype(str), LABELS), "images: <U3; expected uint8"),
        (([*COLOUR[:39], "cat.jpg"], LABELS), r"images\[39\]: <U7 of shape \(\); expected \(H, W\)"),
        (([*COLOUR[:39], COLOUR[39] / 255], LABELS), r"images: the images differ in type \(float64, uint8\)"),
        ((COLOUR, LABELS[:39]), r"labels: int64 of shape \(39,\) for 40 images"),
        ((COLOUR, LABELS + 0.5), "labels: float64; expected whole numbers or class names"),
        ((COLOUR, LABELS - 1), "labels: -1 is negative; leave out images without a label"),
        ((COLOUR, LABELS + 1, CLASSES), "labels: 2 is not from 0 to 1: there are 2 classes"),
        ((COLOUR, ["cat", "cow"] * 20, CLASSES), "labels: 'cow' is not one of the classes: cat, dog"),
        ((COLOUR, ["cat", ""] * 20), "labels: a class has an empty name"),
        ((COLOUR, LABELS, "ab"), "classes: 'ab'; expected a sequence of names"),
        ((COLOUR, LABELS, ("cat", "cat")), "classes: names 'cat' twice"),
    ],
)
def test_a_mistake_names_its_argument(arguments: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        Dataset.from_arrays(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("splits", "complaint"),
    [
        ({"train": 0.5}, "splits: 'train' is not one of val, .*test.*; images and labels are the train split"),
        ({"vla": 0.5}, "splits: 'vla' is not one of val"),
        ({"val": 1.5}, r"splits\['val'\]: expected a fraction between 0 and 1, not 1.5"),
        ({"val": 0.5, "test": 0.5}, "splits: fractions of 1 together leave nothing to train on"),
        ({"val": (COLOUR, LABELS[1:])}, r"splits\['val'\] labels: int64 of shape \(39,\) for 40 images"),
        ({"val": (COLOUR, ["a", "b"] * 20)}, "labels: numbers in one split and names in another"),
    ],
)
def test_a_split_that_cannot_be_made_names_itself(splits: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Dataset.from_arrays(COLOUR, LABELS, splits=splits)


def test_the_checks_of_every_data_set_are_made() -> None:
    with pytest.raises(DataError, match="arrays holds one class, '0'; at least two classes are needed"):
        Dataset.from_arrays(COLOUR, np.zeros(40, int))
    with pytest.raises(DataError, match="class 'b' has 2 images; it needs 3"):
        Dataset.from_arrays(COLOUR, ["a"] * 38 + ["b"] * 2)
    with pytest.raises(DataError, match="class 'dog' has no image in test"):
        Dataset.from_arrays(COLOUR, LABELS, CLASSES, splits={"test": (COLOUR[:4], [0] * 4)})
    with pytest.raises(ConvsmithError, match="pets: class 'cow' has no image in"):
        Dataset.from_arrays(COLOUR, LABELS, (*CLASSES, "cow"), name="pets")
