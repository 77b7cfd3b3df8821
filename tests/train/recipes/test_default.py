from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import convsmith
from convsmith.data.dataset import Dataset, Split
from convsmith.data.images import ArrayImages, FileImages, packed
from convsmith.network import Preprocess
from convsmith.train.recipes.default import default_augment, default_epochs, default_recipe
from convsmith.train.recipes.papers import cropped

GREY = Preprocess(1, (28, 28), 28, (0.5,), (0.5,))
LENET = convsmith.create("lenet5")
PHOTO = Preprocess(3, (96, 96), 110, (0.5,) * 3, (0.5,) * 3)


def dataset(classes: tuple[str, ...], counts: tuple[int, ...]) -> Dataset:
    labels = np.repeat(np.arange(len(classes)), counts)
    array = np.zeros((len(labels), 4, 4, 1), np.uint8)
    split = Split(ArrayImages(array, packed(map(str, range(len(labels))))), labels)
    return Dataset("made", classes, {"train": split}, 1, (28, 28), "")


def test_epochs_show_the_same_number_of_images_within_bounds() -> None:
    assert default_epochs(100) == 60
    assert default_epochs(60_000) == default_epochs(10**6) == 24
    assert default_epochs(10_000) == 40


@pytest.mark.parametrize(("images", "batch"), [(40, 8), (1600, 16), (9_000, 64), (60_000, 128)])
def test_batches_are_small_where_data_are_few(images: int, batch: int) -> None:
    recipe = default_recipe(convsmith.create("lenet5"), dataset(("a", "b"), (images // 2,) * 2), GREY, epochs=9, seed=0)
    assert recipe.batch_size == batch


def test_the_rate_follows_the_batch_and_the_norm() -> None:
    few, many = dataset(("a", "b"), (800, 800)), dataset(("a", "b"), (40_000, 40_000))
    rates = {
        name: [
            default_recipe(convsmith.create(name), data, GREY, epochs=9, seed=0).learning_rate for data in (few, many)
        ]
        for name in ("lenet5", "resnet20")
    }
    assert rates["resnet20"] == pytest.approx([0.1 * 16 / 128, 0.1])
    assert rates["lenet5"] == pytest.approx([0.05 * (16 / 128) ** 0.5, 0.05])


def test_classes_are_balanced_where_one_has_far_more_images() -> None:
    net = convsmith.create("lenet5")
    assert default_recipe(net, dataset(("a", "b"), (300, 100)), GREY, epochs=1, seed=0).class_weighting == "none"
    assert default_recipe(net, dataset(("a", "b"), (301, 100)), GREY, epochs=1, seed=0).class_weighting == "balanced"


def test_images_change_only_in_ways_that_keep_their_class() -> None:
    digits = default_augment(LENET, dataset(("0", "1"), (9, 9)), GREY)
    assert digits.rotate
    assert digits.shift
    assert not digits.flip
    clothes = default_augment(LENET, dataset(("coat", "bag"), (9, 9)), GREY)
    assert clothes.flip
    assert clothes.crop_padding == 1
    many = default_augment(LENET, dataset(("coat", "bag"), (30_000, 30_000)), GREY)
    assert many.flip
    assert not many.crop_padding
    assert not default_augment(LENET, dataset(("left hand", "right hand"), (9, 9)), GREY).flip


def test_parts_are_cut_out_of_large_pictures_alone(tmp_path: Path) -> None:
    small = dataset(("cat", "dog"), (9, 9))
    files = {"train": Split(FileImages(tmp_path, packed("ab")), np.arange(2))}
    for data in (replace(small, size=(128, 96)), replace(small, size=(96, 128), splits=files)):
        for augment in (default_augment(LENET, data, PHOTO), cropped(0.08)(data, PHOTO)):
            assert augment.resized_crop
            assert not augment.crop_padding
    for data in (small, replace(small, splits=files)):
        for augment, padding in ((default_augment(LENET, data, PHOTO), 0), (cropped(0.08)(data, PHOTO), 12)):
            assert augment.resized_crop is None
            assert augment.crop_padding == padding
