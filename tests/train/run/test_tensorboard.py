"""What TensorBoard shows of a run, read back as TensorBoard reads it."""

import io
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from convsmith.evaluation.feature_cache import with_features
from convsmith.train.run.hardest_images import HardImage, read_hardest
from convsmith.train.run.interrupt import TrainingInterruptedError
from convsmith.train.run.tensorboard import Board


def board_of(run_dir: Path) -> EventAccumulator:
    board = EventAccumulator(str(run_dir / "tensorboard"), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    return board.Reload()


def steps(board: EventAccumulator, tag: str) -> list[int]:
    return [event.step for event in board.Scalars(tag)]


def fit(tiny: ModuleType, run_dir: Path, epochs: int = 3) -> None:
    tiny.train(tiny.module(), tiny.in_memory(), tiny.recipe(epochs), run_dir)


def test_a_run_shows_curves_gradient_norms_confusion_and_worst_images(tiny: ModuleType, tmp_path: Path) -> None:
    fit(tiny, tmp_path)
    board = board_of(tmp_path)
    by_layer = {"gradient_norm_by_layer/0", "gradient_norm_by_layer/6"}
    curves = {"loss/train", "loss/val", "accuracy/val", "learning_rate", "images_per_second", "gradient_norm"}
    assert set(board.Tags()["scalars"]) == curves | by_layer
    assert all(steps(board, tag) == [1, 2, 3] for tag in curves | by_layer)
    assert set(board.Tags()["images"]) == {"confusion", "hardest_images"}


def test_pictures_are_of_the_end_alone_in_a_short_run_and_of_each_epoch_in_a_long_one(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tiny, tmp_path / "short")
    assert len(board_of(tmp_path / "short").Images("confusion")) == 1
    monkeypatch.setattr("convsmith.train.run.tensorboard.PICTURES_EVERY_SECONDS", 0.0)
    fit(tiny, tmp_path / "long")
    assert len(board_of(tmp_path / "long").Images("hardest_images")) == 3


def test_a_resumed_run_shows_each_epoch_once(tiny: ModuleType, tmp_path: Path) -> None:
    module, done = tiny.module(), 0

    def stop(layer: object, inputs: object) -> None:
        nonlocal done
        done += module.training
        if done == 24:  # the last step of the second epoch
            os.kill(os.getpid(), signal.SIGTERM)

    module.register_forward_pre_hook(stop)
    recipe = tiny.recipe(3)
    with pytest.raises(TrainingInterruptedError):
        tiny.train(module, tiny.in_memory(), recipe, tmp_path / "a")
    resumed = tiny.train(tiny.module(), tiny.in_memory(), recipe, tmp_path / "a")
    straight = tiny.train(tiny.module(), tiny.in_memory(), recipe, tmp_path / "b")
    assert steps(board_of(tmp_path / "a"), "gradient_norm") == [1, 2, 3]
    assert [e.gradient_norm for e in resumed.history] == [e.gradient_norm for e in straight.history]
    assert read_hardest(tmp_path / "a") == read_hardest(tmp_path / "b")


def test_epochs_that_are_done_again_are_shown_as_they_were_done_last(tiny: ModuleType, tmp_path: Path) -> None:
    fit(tiny, tmp_path)
    for file in sorted((tmp_path / "checkpoint").iterdir())[1:]:
        file.unlink()
    tiny.train(tiny.module(), tiny.in_memory(), tiny.recipe(3), tmp_path)
    assert steps(board_of(tmp_path), "gradient_norm_by_layer/0") == [1, 2, 3]


def test_more_classes_than_a_picture_holds_are_pairs_as_text(tmp_path: Path) -> None:
    board = Board(tmp_path, 1)
    board.confusion({(0, 0): 9, (0, 1): 3, (7, 2): 5}, [f"<b>{i}\n" for i in range(31)], 4)
    board.close()
    (event,) = board_of(tmp_path).Tensors("confusion/text_summary")
    assert event.step == 4
    assert event.tensor_proto.string_val[0].decode() == (
        "         5  <b>7\\n called <b>2\\n\n         3  <b>0\\n called <b>1\\n"
    )


def test_class_names_are_never_read_as_formulas_or_lines(tmp_path: Path) -> None:
    board = Board(tmp_path, 1)
    names = [r"$\frac$", "a\nb", "猫" * 40]
    board.confusion({(0, 1): 1, (2, 2): 4}, names, 1)
    pixels = np.zeros((20, 20, 3), np.uint8)
    png = worst_png(pixels)
    board.hardest([HardImage("x", names[i], names[2 - i], 1.0, png) for i in range(3)], 1)
    board.close()
    assert set(board_of(tmp_path).Tags()["images"]) == {"confusion", "hardest_images"}


def worst_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_the_worst_images_can_be_seen(tmp_path: Path) -> None:
    board = Board(tmp_path, 1)
    red = np.full((20, 20, 3), (255, 0, 0), np.uint8)
    board.hardest([HardImage("x", "a", "b", 1.0, worst_png(red))], 1)
    board.close()
    shown = np.asarray(Image.open(io.BytesIO(board_of(tmp_path).Images("hardest_images")[0].encoded_image_string)))
    assert (shown == (255, 0, 0)).all(axis=2).mean() > 0.05


def test_frozen_features_show_the_images_that_they_are_of(tiny: ModuleType, tmp_path: Path) -> None:
    dataset = tiny.in_memory()
    features = {name: np.float32(split.images.array.mean(axis=(1, 2)) / 255) for name, split in dataset.splits.items()}
    made = with_features(dataset, features)
    recipe = replace(tiny.recipe(1), memory_format="contiguous")
    tiny.train(torch.nn.Sequential(torch.nn.Linear(3, 3)), made, recipe, tmp_path)
    worst = read_hardest(tmp_path)
    assert len(worst) == 12
    row = int(worst[0].name.removeprefix("image "))
    assert np.array_equal(worst[0].pixels()[::8, ::8], dataset.splits["val"].images[row])
