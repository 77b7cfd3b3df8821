"""The worst images are those with the highest loss under the delivered weights."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from convsmith.data.dataset import Split
from convsmith.errors import RunFolderError
from convsmith.evaluation.inference import predict_logits
from convsmith.evaluation.predictions import Predictions
from convsmith.train.run.folder import HARDEST_FILE
from convsmith.train.run.hardest_images import THUMBNAIL_SIDE, HardImage, hardest_images, read_hardest, write_hardest


@pytest.mark.parametrize("source", ["memory", "files"])
def test_they_are_those_of_the_delivered_weights(tiny: ModuleType, tmp_path: Path, source: str) -> None:
    dataset = tiny.in_files(tmp_path) if source == "files" else tiny.in_memory()
    module = tiny.module()
    tiny.train(module, dataset, tiny.recipe(4), tmp_path / "run")
    val = dataset.splits["val"]
    logits = torch.from_numpy(predict_logits(module, val, tiny.PREPROCESS))
    losses = F.cross_entropy(logits, torch.from_numpy(val.labels), reduction="none")
    worst = read_hardest(tmp_path / "run")
    order = losses.argsort(descending=True)[:12].tolist()
    assert [image.name for image in worst] == [val.images.name(row) for row in order]
    assert [image.label for image in worst] == [dataset.classes[val.labels[row]] for row in order]
    assert [image.predicted for image in worst] == [dataset.classes[int(logits[row].argmax())] for row in order]
    assert [image.loss for image in worst] == pytest.approx(losses[order].tolist(), rel=1e-4)


def predictions(count: int) -> Predictions:
    return Predictions(np.arange(count), np.zeros(count, np.int64), np.arange(count, dtype=np.float32))


def test_a_file_that_vanished_is_left_out(tiny: ModuleType, tmp_path: Path) -> None:
    dataset = tiny.in_files(tmp_path)
    val = dataset.splits["val"]
    Path(val.images.name(18)).unlink()
    assert [image.loss for image in hardest_images(val, predictions(20), dataset.classes)][:3] == [19.0, 17.0, 16.0]


def test_thumbnails_are_small_and_tiny_images_are_enlarged(tiny: ModuleType) -> None:
    dataset = tiny.in_memory()
    tiny_one = hardest_images(dataset.splits["val"], predictions(20), dataset.classes)[0].pixels()
    assert tiny_one.shape == (96, 96, 3)
    assert np.array_equal(tiny_one[::8, ::8], dataset.splits["val"].images[19])


def test_a_photograph_is_made_smaller(tiny: ModuleType) -> None:
    large = np.random.default_rng(0).integers(0, 255, (1, 300, 200, 3), np.uint8)
    split = Split(tiny.ArrayOfImages(large), np.zeros(1, np.int64))
    assert hardest_images(split, predictions(1), ("a",))[0].pixels().shape == (THUMBNAIL_SIDE, 64, 3)


def test_without_a_val_split_there_are_none(tiny: ModuleType, tmp_path: Path) -> None:
    dataset = tiny.in_memory()
    dataset = replace(dataset, splits={"train": dataset.splits["train"]})
    tiny.train(tiny.module(), dataset, tiny.recipe(1), tmp_path)
    assert read_hardest(tmp_path) == ()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        "[1]",
        '[{"png": "x"}]',
        json.dumps([{"name": "a", "label": "b", "predicted": "c", "loss": 1, "png": "PHN2Zz4="}]),
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / HARDEST_FILE).write_text(text)
    with pytest.raises(RunFolderError, match=rf"{HARDEST_FILE} is damaged"):
        read_hardest(tmp_path)


def test_what_is_written_is_read(tiny: ModuleType, tmp_path: Path) -> None:
    dataset = tiny.in_memory()
    images = hardest_images(dataset.splits["val"], predictions(20), dataset.classes)
    write_hardest(tmp_path, images)
    assert read_hardest(tmp_path) == images


def test_a_loss_that_is_no_number_is_null_in_strict_json(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (2, 2)).save(picture, "PNG")
    write_hardest(tmp_path, [HardImage("a", "b", "c", float("nan"), picture.getvalue())])
    written = json.loads((tmp_path / HARDEST_FILE).read_text(), parse_constant=lambda word: pytest.fail(word))
    assert written[0]["loss"] is None
    assert math.isnan(read_hardest(tmp_path)[0].loss)
