"""What training makes small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from convsmith.data.dataset import Dataset
from convsmith.train.recipes.recipe import Loss, Recipe


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss of the logits, and of each auxiliary head times its weight.

    "cross_entropy" is of the softmax; "binary" the mean over classes of each class's own cross-entropy, so that a
    mixed image may be of two classes at once (Wightman et al. 2021, arXiv 2110.00476, section 3.2). `class_weights` is
    float32 (classes,), or None where every image counts the same.
    """

    label_smoothing: float = 0.0
    class_weights: Tensor | None = None
    auxiliary_weights: tuple[float, ...] = ()
    loss: Loss = "cross_entropy"

    def __call__(self, outputs: Tensor | tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """The mean loss of a batch: logits (N, classes), or a tuple of them; targets as `total` takes them."""
        return self.total(outputs, targets) / self.weight(targets)

    def total(self, outputs: Tensor | tuple[Tensor, ...], targets: Tensor) -> Tensor:
        """The sum of the losses of a part of a batch. Targets are labels int64 (N,), or shares float32 (N, classes).

        Parts are added up and divided by the `weight` of all targets: the mean over a batch, however it is divided.
        """
        if isinstance(outputs, Tensor):
            return self._sum(outputs, targets)
        loss = self._sum(outputs[0], targets)
        for weight, head in zip(self.auxiliary_weights, outputs[1:], strict=True):
            loss = loss + weight * self._sum(head, targets)
        return loss

    def weight(self, targets: Tensor) -> Tensor | int:
        """What the mean divides by: the number of targets, or the sum of their classes' weights."""
        if self.class_weights is None:
            return len(targets)
        return (self.class_weights[targets] if targets.ndim == 1 else targets @ self.class_weights).sum()

    def _sum(self, logits: Tensor, targets: Tensor) -> Tensor:
        if self.loss == "cross_entropy":
            return F.cross_entropy(
                logits, targets, self.class_weights, label_smoothing=self.label_smoothing, reduction="sum"
            )
        classes = logits.shape[1]
        shares = F.one_hot(targets, classes).to(logits.dtype) if targets.ndim == 1 else targets
        shares = shares * (1 - self.label_smoothing) + self.label_smoothing / classes
        losses = F.binary_cross_entropy_with_logits(logits, shares, reduction="none").mean(dim=1)
        if self.class_weights is not None:
            losses = losses * (self.class_weights[targets] if targets.ndim == 1 else targets @ self.class_weights)
        return losses.sum()


def objective_of(
    dataset: Dataset, recipe: Recipe, auxiliary_weights: tuple[float, ...], device: torch.device
) -> Objective:
    """The objective of a recipe on a data set's train split; `auxiliary_weights` are the shares of auxiliary heads."""
    weights = None
    if recipe.class_weighting == "balanced":
        weights = torch.from_numpy(class_weights(dataset.split("train").labels, len(dataset.classes))).to(device)
    return Objective(recipe.label_smoothing, weights, auxiliary_weights, recipe.loss)


def class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """N / (classes * images of the class), float32 (classes,): scikit-learn's "balanced"; classes count the same."""
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)
