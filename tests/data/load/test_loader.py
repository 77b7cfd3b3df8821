import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from convsmith.backend.preprocess import PreprocessModule
from convsmith.data.augment.augment import Augment
from convsmith.data.dataset import Split
from convsmith.data.decode.image import Box, cut
from convsmith.data.load.loader import Batch, Loader, epoch_order, seed_of
from convsmith.data.load.workers import EpochOrder
from convsmith.errors import DataError
from convsmith.network.preprocess import Preprocess

PREPROCESS = Preprocess(3, (16, 16), 20, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
EVERYTHING = Augment(resized_crop=0.5, shift=0.1, rotate=10, crop_padding=1, flip=True, erase=0.2)


@dataclass
class ArrayOfImages:
    array: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return self.array[index]

    def name(self, index: int) -> str:
        return f"image {index}"


@dataclass
class Files:
    paths: list[Path]
    asked: list[tuple[int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        try:
            return np.array(Image.open(self.paths[index]))
        except OSError as error:
            raise DataError(f"{self.paths[index]}: {error}") from None

    def crop(self, index: int, choose: Callable[[int, int], Box], size: tuple[int, int]) -> NDArray[np.uint8]:
        self.asked.append(size)
        image = self[index]
        return cut(image, choose(*image.shape[:2]))

    def name(self, index: int) -> str:
        return str(self.paths[index])


@pytest.fixture
def memory() -> Split:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (50, 24, 20, 3), dtype=np.uint8)
    return Split(ArrayOfImages(images), generator.integers(0, 5, 50))


@pytest.fixture
def files(tmp_path: Path) -> Split:
    generator = np.random.default_rng(1)
    paths = [tmp_path / f"{i}.png" for i in range(30)]
    for path in paths:
        height, width = generator.integers(20, 60, 2)
        Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return Split(Files(paths), np.arange(30) % 4)


def same(one: list[Batch], other: list[Batch]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(
        a.step == b.step
        and torch.equal(a.images, b.images)
        and torch.equal(a.labels, b.labels)
        and np.array_equal(a.rows, b.rows)
        for a, b in pairs
    )


@pytest.mark.parametrize("source", ["memory", "files"])
def test_evaluation_batches_are_what_the_preprocess_module_gives(request: pytest.FixtureRequest, source: str) -> None:
    split: Split = request.getfixturevalue(source)
    module = PreprocessModule(PREPROCESS)
    batches = list(Loader(split, PREPROCESS, 8, workers=1).epoch())
    expected = torch.cat([module(torch.tensor(image)) for image, _ in split])
    torch.testing.assert_close(torch.cat([batch.images for batch in batches]), expected, rtol=0, atol=1e-5)
    assert torch.cat([batch.labels for batch in batches]).tolist() == split.labels.tolist()
    assert np.concatenate([batch.rows for batch in batches]).tolist() == list(range(len(split)))


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(files: Split, workers: int) -> None:
    training = EpochOrder(3, EVERYTHING)
    here = list(Loader(files, PREPROCESS, 8, training=training, workers=0).epoch(2))
    assert same(here, list(Loader(files, PREPROCESS, 8, training=training, workers=workers).epoch(2)))


class Parents(Files):
    """Images of which none can be read, for the reason of which process started the one that tried."""

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        raise DataError(f"child of {os.getppid()}")


def started_by(files: Split) -> str:
    """The process that starts those that decode files."""
    loader = Loader(replace(files, images=Parents(files.images.paths)), PREPROCESS, 8, workers=1)
    assert list(loader.epoch()) == []
    (reason,) = {finding.reason for finding in loader.unreadable}
    return reason


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is ever forked on other systems")
def test_more_workers_than_cores_are_no_cause_for_a_warning(files: Split) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(Loader(files, PREPROCESS, 4, workers=1 + (os.cpu_count() or 1)).epoch(0)))


def test_beside_the_threads_of_ray_nothing_is_forked(files: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    assert started_by(files) == f"child of {os.getpid()}"
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    assert started_by(files) != f"child of {os.getpid()}"


def test_batches_do_not_depend_on_how_processes_start(files: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    training = EpochOrder(3, EVERYTHING)
    here = list(Loader(files, PREPROCESS, 8, training=training, workers=0).epoch(2))
    loader = Loader(files, PREPROCESS, 8, training=training, workers=2)
    assert same(here, list(loader.epoch(2)))
    assert loader.unreadable == ()


@pytest.mark.parametrize("source", ["memory", "files"])
def test_an_epoch_begun_in_the_middle_goes_on_with_the_same_batches(
    request: pytest.FixtureRequest, source: str
) -> None:
    training = EpochOrder(3, EVERYTHING)
    split: Split = request.getfixturevalue(source)
    whole = list(Loader(split, PREPROCESS, 8, training=training, workers=1).epoch(4))
    loader = Loader(split, PREPROCESS, 8, training=training, workers=1)
    next(iter(loader.epoch(1)))
    assert same(whole[2:], list(loader.epoch(4, start=2)))


def test_epochs_differ_in_order_and_in_augmentation(memory: Split) -> None:
    loader = Loader(memory, PREPROCESS, 50, training=EpochOrder(0, Augment(flip=True)))
    first, second = next(loader.epoch(0)), next(loader.epoch(1))
    assert first.rows.tolist() != second.rows.tolist()
    assert sorted(first.rows.tolist()) == sorted(second.rows.tolist()) == list(range(50))


def test_training_leaves_out_the_last_incomplete_batch_and_evaluation_does_not(memory: Split) -> None:
    trained = [len(b.labels) for b in Loader(memory, PREPROCESS, 8, training=EpochOrder(0, Augment())).epoch()]
    evaluated = [len(b.labels) for b in Loader(memory, PREPROCESS, 8).epoch()]
    assert trained == [8] * 6
    assert evaluated == [8] * 6 + [2]


def test_a_split_smaller_than_the_batch_is_one_batch(memory: Split) -> None:
    loader = Loader(memory, PREPROCESS, 1000, training=EpochOrder(0, Augment()))
    assert [len(batch.labels) for batch in loader.epoch()] == [50]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_became_unreadable_is_left_out_and_named(files: Split, workers: int) -> None:
    assert isinstance(files.images, Files)
    gone, broken = files.images.paths[3], files.images.paths[7]
    gone.unlink()
    broken.write_bytes(b"not an image")
    loader = Loader(files, PREPROCESS, 4, workers=workers)
    rows = [batch.rows.tolist() for batch in loader.epoch()]
    assert rows[:2] == [[0, 1, 2], [4, 5, 6]]
    assert [finding.subject for finding in loader.unreadable] == [str(gone), str(broken)]


def test_a_batch_without_a_readable_file_is_passed_over_and_steps_keep_their_numbers(files: Split) -> None:
    assert isinstance(files.images, Files)
    for path in files.images.paths[4:8]:
        path.unlink()
    steps = [batch.step for batch in Loader(files, PREPROCESS, 4, workers=0).epoch()]
    assert steps == [0, 2, 3, 4, 5, 6, 7]


def test_training_asks_for_parts_no_smaller_than_the_crop(files: Split) -> None:
    assert isinstance(files.images, Files)
    training = EpochOrder(0, Augment(resized_crop=0.25))
    list(Loader(files, PREPROCESS, 8, training=training, workers=0).epoch())
    assert set(files.images.asked) == {PREPROCESS.crop}


def levels(batches: list[Batch]) -> torch.Tensor:
    """The pixels' values before the normalization, in 0..255."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (PREPROCESS.mean, PREPROCESS.std))
    return torch.cat([(batch.images * std + mean) * 255 for batch in batches])


def test_parts_of_files_are_cut_out_once(files: Split) -> None:
    training = EpochOrder(0, Augment(resized_crop=0.25, flip=True))
    values = levels(list(Loader(files, PREPROCESS, 8, training=training, workers=0).epoch()))
    # Workers hand over whole levels; another cut would interpolate between them.
    torch.testing.assert_close(values, values.round(), rtol=0, atol=1e-3)


def test_parts_are_cut_out_of_an_array_too(memory: Split) -> None:
    cut_out, whole = (
        levels(list(Loader(memory, PREPROCESS, 8, training=EpochOrder(0, augment)).epoch()))
        for augment in (Augment(resized_crop=0.25), Augment())
    )
    assert ((cut_out - whole).abs().mean(dim=(1, 2, 3)) > 5).float().mean() > 0.9


def test_batches_that_are_kept_do_not_change(files: Split) -> None:
    loader = Loader(files, PREPROCESS, 4, training=EpochOrder(0, EVERYTHING), workers=0)
    kept = list(loader.epoch())
    copies = [batch.images.clone() for batch in loader.epoch()]
    assert all(torch.equal(batch.images, copy) for batch, copy in zip(kept, copies, strict=True))


def test_without_a_random_crop_training_sees_the_evaluation_crop(files: Split) -> None:
    batch = next(Loader(files, PREPROCESS, 8, training=EpochOrder(0, Augment()), workers=0).epoch())
    module = PreprocessModule(PREPROCESS)
    expected = torch.cat([module(torch.tensor(files.images[row])) for row in batch.rows.tolist()])
    half_a_level = 0.51 / 255 / min(PREPROCESS.std)
    torch.testing.assert_close(batch.images, expected, rtol=0, atol=half_a_level)


def test_order_is_a_permutation_that_follows_from_seed_and_epoch() -> None:
    assert sorted(epoch_order(100, 1, 2).tolist()) == list(range(100))
    assert epoch_order(100, 1, 2).tolist() == epoch_order(100, 1, 2).tolist()
    assert epoch_order(100, 1, 2).tolist() != epoch_order(100, 2, 1).tolist()


def test_seeds_of_neighbouring_steps_have_nothing_in_common() -> None:
    seeds = {seed_of(seed, epoch, step) for seed in range(5) for epoch in range(5) for step in range(20)}
    assert len(seeds) == 500
    assert all(0 <= seed < 2**63 for seed in seeds)
