"""Training small enough for tests; as a script, the process that they kill.

Usage: tiny.py (memory|files) EPOCHS FOLDER RUN_DIR [PLACE:TIME]

With PLACE:TIME the process kills itself there, when it comes by for that time: a training "step", "validation", a
"checkpoint" that is half written, or its "rename".
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from convsmith.data.augment.augment import Augment
from convsmith.data.dataset import Dataset, Split
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run import checkpoint
from convsmith.train.run.checkpoint import CheckpointFolder, read_checkpoint
from convsmith.train.run.events import Event, Noticed, StepEnded
from convsmith.train.run.interrupt import Interruption
from convsmith.train.run.loop import Observer, Training, TrainResult
from convsmith.train.run.store import RunStore
from convsmith.train.run.tensorboard import TensorBoard

# More threads do nothing for images of 12x12, and on a busy machine they wait for each other.
torch.set_num_threads(1)

PREPROCESS = Preprocess(3, crop=(12, 12), resize=(12, 12), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


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

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return np.array(Image.open(self.paths[index]))

    def name(self, index: int) -> str:
        return str(self.paths[index])


def module(seed: int = 0) -> nn.Module:
    """Norm, dropout and a convolution: all the kinds of state that a step has."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(24, 3),
    )


def recipe(epochs: int = 6, seed: int = 0) -> Recipe:
    return Recipe(
        epochs=epochs,
        batch_size=8,
        optimizer="sgd",
        learning_rate=0.05,
        weight_decay=1e-3,
        warmup_epochs=1,
        label_smoothing=0.1,
        ema_decay=0.99,
        augment=Augment(shift=0.1, rotate=10, crop_padding=1, flip=True, resized_crop=0.5),
        memory_format="channels_last",
        precision="float32",
        seed=seed,
    )


def pixels(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noise, brighter in the channel of the class: learned within a few epochs."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = generator.integers(0, 200, (count, 12, 12, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 40
    return images, labels.astype(np.int64)


def in_memory(images: int = 100) -> Dataset:
    splits = {name: pixels(count, seed) for seed, (name, count) in enumerate((("train", images), ("val", 20)))}
    return _dataset({name: Split(ArrayOfImages(array), labels) for name, (array, labels) in splits.items()})


def in_files(folder: Path, images: int = 100) -> Dataset:
    splits = {}
    for name, split in in_memory(images).splits.items():
        paths = [folder / f"{name}{i}.png" for i in range(len(split))]
        for path, (image, _) in zip(paths, split, strict=True):
            if not path.exists():
                Image.fromarray(image).save(path)
        splits[name] = Split(Files(paths), split.labels)
    return _dataset(splits)


def _dataset(splits: dict[str, Split]) -> Dataset:
    return Dataset("tiny", ("red", "green", "blue"), splits, channels=3, size=(12, 12), fingerprint="tiny")


def train(
    module: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    run_dir: Path,
    on_event: Callable[[Event], None] = lambda event: None,
    **settings: Any,
) -> TrainResult:
    """A run in a folder, as `convsmith fit` has it: resumed where it was begun, with log, TensorBoard and signals."""

    def tell(event: Event, training: Training) -> None:
        if not isinstance(event, StepEnded):
            on_event(event)

    store, interruption = RunStore(run_dir), Interruption()
    with store.log, TensorBoard(run_dir) as board, interruption:
        observers: tuple[Observer, ...] = (store.log, board, tell, interruption)
        training = Training(module, dataset, PREPROCESS, recipe, store=store, observers=observers, **settings)
        training.advance()
    result = training.result()
    module.load_state_dict(result.weights)
    module.eval()
    return result


def fit(run_dir: Path, dataset: Dataset | None = None, **changes: object) -> TrainResult:
    """A run without a hitch, by the recipe with these changes."""
    return train(module(), dataset or in_memory(), replace(recipe(), **changes), run_dir)


def last_tensors(run_dir: Path) -> Mapping[str, Tensor]:
    """Everything that the newest checkpoint holds: weights, momentum, average, best, loss."""
    return read_checkpoint(CheckpointFolder(run_dir / "checkpoint").files()[0]).tensors


def notices(events: list[Event]) -> list[str]:
    """What was noticed, without the reasons of the plan."""
    return [e.text for e in events if isinstance(e, Noticed) and not e.text.startswith("plan: ")]


def assert_same_bits(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert different == []


def interrupt_at(module: nn.Module, step: int, number: signal.Signals) -> None:
    """Sends this process a signal during the forward pass of a training step (from 0)."""
    steps = 0

    def forward(module: nn.Module, inputs: object) -> None:
        nonlocal steps
        if module.training:
            if steps == step:
                os.kill(os.getpid(), number)
            steps += 1

    module.register_forward_pre_hook(forward)


def kill_at(place: str, times: int, network: nn.Module) -> None:
    """Prepares this process to be killed, as from outside: nothing can be caught, nothing is cleaned up."""
    left = times

    def come_by(where: str) -> None:
        nonlocal left
        left -= where == place
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def save_half(tensors: object, path: Path, metadata: object) -> None:
        save_file(tensors, path, metadata)
        if place == "checkpoint" and left == 1:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        come_by("checkpoint")

    def replace_file(path: Path, target: Path) -> Path:
        come_by("rename")
        return rename(path, target)

    save_file, rename = checkpoint.save_file, Path.replace
    checkpoint.save_file, Path.replace = save_half, replace_file
    network.register_forward_pre_hook(lambda layer, x: come_by("step" if layer.training else "validation"))


def main(source: str, epochs: str, folder: str, run_dir: str, death: str = "") -> None:
    dataset = in_files(Path(folder)) if source == "files" else in_memory()
    network = module()
    if death:
        place, _, times = death.partition(":")
        kill_at(place, int(times), network)
    train(network, dataset, recipe(int(epochs)), Path(run_dir), decoders=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
