"""What training makes small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from convsmith.data.dataset import Dataset
from convsmith.errors import UsageError
from convsmith.train.recipes.recipe import Loss, Recipe


class TrainingBatch(NamedTuple):
    """A batch, or a part of one, as the network gets it: preprocessed, augmented, mixed.

    `images` float32 (N, C, H, W); `targets` labels int64 (N,), or shares float32 (N, classes) where images are mixed;
    `rows` int64 (N,), the images' places in the train split, on the CPU.
    """

    images: Tensor
    targets: Tensor
    rows: Tensor

    def parts(self, count: int) -> list[TrainingBatch]:
        """The batch in `count` parts of about equal size, or fewer where it has fewer images."""
        return [TrainingBatch(*part) for part in zip(*(tensor.chunk(count) for tensor in self), strict=True)]


@runtime_checkable
class Objective(Protocol):
    """What is minimised: the sum of `total` over the parts of a batch, divided by the `weight` of the whole batch.

    Divided like this, the loss does not depend on how a batch is cut into parts or spread over processes.
    """

    def total(self, outputs: Any, batch: TrainingBatch, module: nn.Module) -> Tensor:
        """The sum of the images' losses, a tensor of shape (). `outputs` is what `module` returned for the batch."""
        ...

    def weight(self, batch: TrainingBatch) -> Tensor | int:
        """What the sum is divided by, the number of images for instance."""
        ...


@runtime_checkable
class Instrumenting(Protocol):
    """An objective that needs more of a module than its outputs: distillation its feature maps."""

    def instrument(self, module: nn.Module) -> nn.Module:
        """The module with what is needed behind its outputs in training mode; in evaluation mode it is as it was.

        It holds the module's own layers, so training one trains the other. Layers that it has besides are trained,
        kept in checkpoints, and not delivered.
        """
        ...


def instrumented(objective: Objective, module: nn.Module) -> nn.Module:
    """The module as the objective needs it."""
    return objective.instrument(module) if isinstance(objective, Instrumenting) else module


MeanLoss = Callable[[Any, TrainingBatch, nn.Module], Tensor]
"""The simplest objective: a function of outputs, batch and module that returns the mean loss, shape ()."""


@dataclass(frozen=True, eq=False)
class ClassificationLoss:
    """The loss of the logits, and of each auxiliary head times its weight.

    "cross_entropy" is of the softmax; "binary" the mean over classes of each class's own cross-entropy, so that a
    mixed image may be of two classes at once (Wightman et al. 2021, arXiv 2110.00476, section 3.2). `class_weights` is
    float32 (classes,), or None where every image counts the same.
    """

    label_smoothing: float = 0.0
    class_weights: Tensor | None = None
    auxiliary_weights: tuple[float, ...] = ()
    loss: Loss = "cross_entropy"

    def total(self, outputs: Any, batch: TrainingBatch, module: nn.Module) -> Tensor:
        """The sum over the batch, outputs being logits (N, classes) or a tuple of them, auxiliary heads' last."""
        if isinstance(outputs, Tensor):
            return self._sum(outputs, batch.targets)
        if len(outputs) != 1 + len(self.auxiliary_weights):
            raise UsageError(
                f"the module returned {len(outputs)} outputs, the objective has weights for "
                f"{len(self.auxiliary_weights)} auxiliary ones"
            )
        loss = self._sum(outputs[0], batch.targets)
        for weight, head in zip(self.auxiliary_weights, outputs[1:], strict=True):
            loss = loss + weight * self._sum(head, batch.targets)
        return loss

    def weight(self, batch: TrainingBatch) -> Tensor | int:
        """The number of images, or the sum of their classes' weights."""
        if self.class_weights is None:
            return len(batch.targets)
        return self._weight_of_each(batch.targets, self.class_weights).sum()

    def image_weights(self, batch: TrainingBatch) -> Tensor | float:
        """What each image counts, (N,): its class's weight; 1 where all count the same."""
        return 1.0 if self.class_weights is None else self._weight_of_each(batch.targets, self.class_weights)

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
            losses = losses * self._weight_of_each(targets, self.class_weights)
        return losses.sum()

    @staticmethod
    def _weight_of_each(targets: Tensor, class_weights: Tensor) -> Tensor:
        return class_weights[targets] if targets.ndim == 1 else targets @ class_weights


@dataclass(frozen=True, eq=False)
class _Mean:
    """A mean loss as an objective: every image counts the same."""

    function: MeanLoss

    def total(self, outputs: Any, batch: TrainingBatch, module: nn.Module) -> Tensor:
        loss = self.function(outputs, batch, module)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            found = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise UsageError(f"the objective returned {found}; it must return one number, the mean over the batch")
        return loss.reshape(()) * len(batch.targets)

    def weight(self, batch: TrainingBatch) -> int:
        return len(batch.targets)


def as_objective(objective: Objective | MeanLoss) -> Objective:
    """The objective itself, or the one that a function of (outputs, batch, module) stands for."""
    return objective if isinstance(objective, Objective) else _Mean(objective)


def default_objective(module: nn.Module, dataset: Dataset, recipe: Recipe, device: torch.device) -> ClassificationLoss:
    """The recipe's loss on the data set's train split, with the weights of the network's own auxiliary heads."""
    network = getattr(module, "network", None)
    heads = () if network is None else tuple(head.weight for head in network.auxiliary)
    weights = None
    if recipe.class_weighting == "balanced":
        weights = torch.from_numpy(class_weights(dataset.split("train").labels, len(dataset.classes))).to(device)
    return ClassificationLoss(recipe.label_smoothing, weights, heads, recipe.loss)


def class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """N / (classes * images of the class), float32 (classes,): scikit-learn's "balanced"; classes count the same."""
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)
