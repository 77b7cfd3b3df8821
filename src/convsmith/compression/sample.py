"""Some labelled images, prepared as a model takes them: what criteria and ranks are measured on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from convsmith.data.augment.augment import Augment
from convsmith.data.dataset import Dataset
from convsmith.data.load.loader import Loader
from convsmith.data.load.workers import EpochOrder
from convsmith.errors import DataError, UsageError
from convsmith.evaluation.inference import main_output
from convsmith.model import Model

BATCH = 64
"""Images in one pass."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Prepared images, float32 (N, C, H, W), and their labels as the model numbers classes, int64 (N,).

    Raises UsageError if there are none, or not a label for each.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if not len(self.images) or len(self.images) != len(self.labels):
            raise UsageError(f"{len(self.images)} images and {len(self.labels)} labels are no sample")

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The sample, `BATCH` images at a time."""
        for start in range(0, len(self), BATCH):
            yield self.images[start : start + BATCH], self.labels[start : start + BATCH]


def sample_of(model: Model, dataset: Dataset, count: int = 512, *, split: str = "train", seed: int = 0) -> Sample:
    """About so many images of a split, in whole batches, drawn by `seed`; no more than there are.

    Raises DataError for a split that there is not, for classes that are not the model's, or if no image can be read.
    """
    if dataset.classes != model.classes:
        raise DataError(f"{dataset.name} does not have the classes of the model ({model.network.name})")
    chosen = dataset.split(split)
    size = min(BATCH, count, len(chosen))
    # An epoch of training without any changes begins with a random part of the images, decoded as training does it.
    order = EpochOrder(seed, Augment())
    loader = Loader(chosen, model.preprocess, size, training=order, workers=0, steps=-(-count // size))
    found = [(batch.images.clone(), batch.labels) for batch in loader.epoch()]
    if not found:
        raise DataError(f"none of {count} images of {dataset.name} could be read")
    images, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Sample(images, labels)


def loss_and_accuracy(model: Model, sample: Sample) -> tuple[float, float]:
    """The mean cross-entropy, and the share of images that are put in their class."""
    module = model.module(model.network.inference)
    loss, right = 0.0, 0
    with torch.inference_mode():
        for images, labels in sample.batches():
            logits = main_output(module(images))
            loss += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(1) == labels).sum())
    return loss / len(sample), right / len(sample)
