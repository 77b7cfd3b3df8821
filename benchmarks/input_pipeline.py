"""Aim: from 500x375 JPEGs to batches for training, `Loader` is 3 times as fast as a plain torch DataLoader with Pillow.

Both crop at random (8% to 100% of the area), resize to 224x224, flip, and normalise to float32 (N, 3, 224, 224), with
as many worker processes as the machine has cores. The plain side is written the usual way: one image at a time,
`convert`, `crop`, `resize`, `torch.from_numpy`, mean and std. Each takes the same files in turn; the best of the rounds
is compared. A second row is a later epoch of training with `fit --cache memory`.

    python benchmarks/input_pipeline.py
"""

from __future__ import annotations

import math
import os
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import skimage
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from convsmith.data import open_dataset
from convsmith.data.augment.augment import Augment
from convsmith.data.load.kept import keeping_pixels
from convsmith.data.load.loader import Loader
from convsmith.data.load.workers import EpochOrder
from convsmith.network.preprocess import Preprocess
from row import Row, show

FILES, BATCH, ROUNDS = 3072, 64, 3
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AIM = 3.0


def make_folder(root: Path) -> None:
    """Crops of photographs, in two classes."""
    names = ("astronaut.png", "chelsea.png", "coffee.png")
    photos = [Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB") for name in names]
    generator = random.Random(0)
    for number in range(FILES):
        folder = root / f"class{number % 2}"
        folder.mkdir(exist_ok=True)
        photo = photos[number % len(photos)]
        side = generator.uniform(0.6, 1.0)
        width, height = int(photo.width * side), int(photo.height * side)
        left, top = generator.randint(0, photo.width - width), generator.randint(0, photo.height - height)
        photo.crop((left, top, left + width, top + height)).resize((500, 375)).save(
            folder / f"{number:04}.jpg", quality=90
        )


class Plain(Dataset[tuple[Tensor, int]]):
    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.open(self.paths[index]).convert("RGB")
        area, ratio = random.uniform(0.08, 1.0) * image.width * image.height, math.exp(random.uniform(-0.28, 0.28))
        width = min(image.width, round(math.sqrt(area * ratio)))
        height = min(image.height, round(math.sqrt(area / ratio)))
        left, top = random.randint(0, image.width - width), random.randint(0, image.height - height)
        image = image.crop((left, top, left + width, top + height)).resize((224, 224), Image.Resampling.BILINEAR)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None], index % 2


def images_per_second(batches: Iterable[object], images: int) -> float:
    start = time.perf_counter()
    for _ in batches:
        pass
    return images / (time.perf_counter() - start)


def rows() -> Iterator[Row]:
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        make_folder(Path(folder))
        plain = DataLoader(Plain(sorted(Path(folder).rglob("*.jpg"))), BATCH, shuffle=True, num_workers=workers)
        dataset = open_dataset(folder)
        train = dataset.split("train")
        preprocess = Preprocess(3, crop=(224, 224), resize=256, mean=MEAN, std=STD)
        training = EpochOrder(0, Augment(resized_crop=0.08, flip=True))
        loader = Loader(train, preprocess, BATCH, training=training, workers=workers)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the cores are the workers'
        with keeping_pixels(dataset, preprocess, "memory") as keeping:
            kept = Loader(keeping.split("train"), preprocess, BATCH, training=training, workers=workers)
            for _ in kept.epoch(0):  # after which all but the last incomplete batch are kept
                pass
            best = {"plain": 0.0, "ours": 0.0, "kept": 0.0}
            for round_ in range(1, ROUNDS + 1):
                best["plain"] = max(best["plain"], images_per_second(plain, FILES))
                best["ours"] = max(best["ours"], images_per_second(loader.epoch(round_), len(loader) * BATCH))
                best["kept"] = max(best["kept"], images_per_second(kept.epoch(round_), len(kept) * BATCH))
        torch.set_num_threads(threads)
    name = "`input_pipeline.py`: 500x375 JPEGs, random crops to 224, against a plain DataLoader with Pillow"
    for side, which in (("ours", name), ("kept", f"{name}; later epochs with `--cache memory`")):
        ratio = best[side] / best["plain"]
        figures = f"{ratio:.2f}x: {best[side]:,.0f} images/s against {best['plain']:,.0f}"
        yield Row(which, f"{AIM}x", figures, ratio >= AIM)


if __name__ == "__main__":
    show(rows())
