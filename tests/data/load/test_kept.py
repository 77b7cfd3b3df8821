from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convsmith.data import Dataset, open_dataset
from convsmith.data.augment.augment import Augment
from convsmith.data.decode.image import Box
from convsmith.data.load import kept
from convsmith.data.load.kept import KeptImages, PixelStore, Where, keeping_pixels
from convsmith.data.load.loader import Loader
from convsmith.data.load.workers import EpochOrder
from convsmith.network.preprocess import Preprocess

PREPROCESS = Preprocess(3, (16, 16), 20, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
ORDER = EpochOrder(0, Augment(resized_crop=0.3, flip=True))


def folder_of(root: Path, largest: int, count: int = 12) -> Path:
    generator = np.random.default_rng(0)
    for number in range(count):
        height, width = generator.integers(largest // 2, largest + 1, 2).tolist()
        pixels = generator.integers(0, 256, (height, width, 3), np.uint8)
        (root / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / "ab"[number % 2] / f"{number}.png")
    return root


def batches(dataset: Dataset, epoch: int, workers: int) -> list[torch.Tensor]:
    loader = Loader(dataset.split("train"), PREPROCESS, 4, training=ORDER, workers=workers)
    return [batch.images.clone() for batch in loader.epoch(epoch)]


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize("workers", [0, 2])
def test_crops_of_small_images_are_the_same_bits_and_need_no_file(tmp_path: Path, where: Where, workers: int) -> None:
    dataset = open_dataset(folder_of(tmp_path / "data", 32))
    plain = [batches(dataset, epoch, workers) for epoch in range(3)]
    with keeping_pixels(dataset, PREPROCESS, where) as keeping:
        first = batches(keeping, 0, workers)
        for index in range(len(keeping.split("train"))):  # what an epoch's last incomplete batch left out
            keeping.split("train").images.crop(index, lambda h, w: Box(0, 0, h, w), (16, 16))
        keeping.split("train").images.store.flush()
        for file in (tmp_path / "data").rglob("*.png"):
            file.unlink()
        later = [batches(keeping, epoch, workers) for epoch in (1, 2)]
    for ours, theirs in zip([first, *later], plain, strict=True):
        assert len(ours) == len(theirs) > 0
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_large_images_are_kept_reduced_and_cut_in_their_own_proportions(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for name in "ab":
        (root / name).mkdir(parents=True)
        for number in range(4):
            ramp = np.linspace(0, 255, 400, dtype=np.uint8)
            Image.fromarray(np.stack([np.tile(ramp, (300 + number % 2, 1))] * 3, 2)).save(root / name / f"{number}.png")
    dataset = open_dataset(root)
    with keeping_pixels(dataset, PREPROCESS, "memory") as keeping:
        images = keeping.split("train").images
        assert isinstance(images, KeptImages)
        seen = []

        def right_half(height: int, width: int) -> Box:
            seen.append((height, width))
            return Box(0, width // 2, height, width // 2)

        for _ in range(2):  # from the file, then from what was kept
            box = images.crop(0, right_half, (16, 16))
            images.store.flush()
            assert box.shape == (32, 21, 3)
            assert 120 < box[:, 0].mean() < 140
            assert box[:, -1].mean() > 240
        assert seen in ([(300, 400)] * 2, [(301, 400)] * 2)
        assert images[0].shape == (*seen[0], 3)


@pytest.mark.parametrize("training", [None, EpochOrder(0, Augment(flip=True))])
def test_what_is_prepared_in_one_way_is_the_same_bits_and_needs_no_file(
    tmp_path: Path, training: EpochOrder | None
) -> None:
    dataset = open_dataset(folder_of(tmp_path / "data", 200, 40))
    split = "val" if training is None else "train"
    with keeping_pixels(dataset, PREPROCESS, "memory") as keeping:
        assert keeping.split("test") is dataset.split("test")

        def images(dataset: Dataset, epoch: int) -> torch.Tensor:
            loader = Loader(dataset.split(split), PREPROCESS, 2, training=training, workers=0)
            return torch.cat([batch.images.clone() for batch in loader.epoch(epoch)])

        plain = [images(dataset, epoch) for epoch in range(2)]
        first = images(keeping, 0)
        for file in (tmp_path / "data").rglob("*.png"):
            file.unlink()
        assert torch.equal(first, plain[0])
        assert torch.equal(images(keeping, 1), plain[1])


def test_arrays_are_left_as_they_are() -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (40, 20, 20, 3), np.uint8)
    dataset = Dataset.from_arrays(pixels, np.arange(40) % 2)
    with keeping_pixels(dataset, PREPROCESS, "memory") as keeping:
        assert keeping is dataset


def test_what_finds_no_room_is_decoded_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(folder_of(tmp_path / "data", 32))
    monkeypatch.setattr(kept, "_free_memory", lambda: 32 * 4096)
    plain = [batches(dataset, epoch, 0) for epoch in range(2)]
    with keeping_pixels(dataset, PREPROCESS, "memory") as keeping:
        ours = [batches(keeping, epoch, 0) for epoch in range(2)]
    assert all(
        torch.equal(a, b) for one, other in zip(ours, plain, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_a_store_on_the_disk_serves_the_next_run_and_one_that_is_damaged_is_emptied(tmp_path: Path) -> None:
    store = kept._on_disk(tmp_path / "store")
    store.put(b"key", b"value")
    assert store.get(b"key") is None, "nothing is written before a flush"
    store.flush()
    store.close()
    again = kept._on_disk(tmp_path / "store")
    assert again.get(b"key") == b"value"
    again.close()
    (tmp_path / "store/data.mdb").write_bytes(b"no database" * 1000)
    emptied = kept._on_disk(tmp_path / "store")
    assert emptied.get(b"key") is None
    emptied.put(b"key", b"other")
    emptied.flush()
    assert emptied.get(b"key") == b"other"
    emptied.close()


def test_a_store_that_is_nearly_full_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 2**20)
    store = kept._on_disk(tmp_path / "store")
    for number in range(10):
        store.put(str(number).encode(), bytes(200_000))
        store.flush()
    assert store.get(b"0") == bytes(200_000)
    assert store.get(b"9") is None
    store.close()
    anew = kept._on_disk(tmp_path / "store")
    assert anew.get(b"0") is None
    anew.close()


def test_a_store_in_memory_leaves_nothing(tmp_path: Path) -> None:
    dataset = open_dataset(folder_of(tmp_path / "data", 32))
    with keeping_pixels(dataset, PREPROCESS, "memory") as keeping:
        images = keeping.split("train").images
        assert isinstance(images, KeptImages)
        store: PixelStore = images.store
        batches(keeping, 0, 0)
        assert store.folder.exists()
    assert not store.folder.exists()
