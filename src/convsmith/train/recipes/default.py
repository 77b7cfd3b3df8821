"""The recipe that is used when none is given."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np

from convsmith.cost import cost_of
from convsmith.data.augment.augment import Augment, written_characters
from convsmith.data.dataset import SMALL_SIDE, Dataset
from convsmith.network.network import Network
from convsmith.network.ops import BatchNorm, Conv, Linear
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.keeping import keeps_class, with_trivial
from convsmith.train.recipes.recipe import FineTuning, Recipe
from convsmith.transform.part import stages

IMAGES_SHOWN = 400_000
"""Image presentations in a whole training: enough for small sets to converge, in minutes on two cores."""

EPOCHS = (24, 60)
BATCH = 128

PARAMS_AN_IMAGE = 1.5
"""Parameters for each training image above which a network gets more weight decay and random crops. On Fashion-MNIST
LeNet-5, with 1.1, only learns more slowly with them; a residual network with 1.7 comes to 94.4% of val, not 93.7%, in
30 epochs (one seed)."""

CROP_AREA = 0.35
"""The smallest part of a picture that is cut out of it in training."""

EPOCH_UPDATES = 100
"""Updates in an epoch, at least: half as many images see as many updates as batches of 128 give them."""

DEEP_LAYERS = 5
"""Layers with weights, LeNet-5's, above which a network without batch norm gets AlexNet's rate. At LeNet-5's,
SqueezeNet on Fashion-MNIST stays at chance."""

HEAD_EPOCHS, HEAD_RATE, HEAD_DECAY = 60, 2e-3, 0.5
"""Of a classifier alone: an epoch takes milliseconds, for its features are computed once. Chosen on the emoji of
`scripts/fetch_emoji.py`, trained on Twitter's and tested on Google's and the other way round: 84.0% against 82.9% with
a decay of 0.05, and against 80.2% with that and classes weighted by their inverse frequency."""


def default_epochs(train_images: int) -> int:
    """Epochs that show about 400,000 images, between 24 and 60."""
    return int(np.clip(round(IMAGES_SHOWN / train_images), *EPOCHS))


def default_batch(train_images: int) -> int:
    """128, or fewer, a power of 2 of at least 8, so that an epoch has `EPOCH_UPDATES` updates."""
    return int(np.clip(2 ** int(np.log2(max(1, train_images / EPOCH_UPDATES))), 8, BATCH))


def default_recipe(
    network: Network, dataset: Dataset, preprocess: Preprocess, *, epochs: int | None = None, seed: int = 0
) -> Recipe:
    """SGD with Nesterov momentum, one warm-up epoch, then a cosine (He et al. 2019, Bag of tricks, section 3).

    The peak rate is 0.1 for a batch of 128 with batch norm (He et al. 2015, section 4.2), scaled linearly with the
    batch (Goyal et al. 2017); without, 0.05 for the depth of LeNet-5 and 0.01 above (Krizhevsky et al. 2012, section
    5), scaled with the batch's root (Krizhevsky 2014, section 5). Weights decay by 5e-4, and by 1e-3 in networks
    without batch norm that could learn the data by heart (`overfits`). Batches are smaller where an epoch would have
    under 100 of them. Characters shift, turn and scale a little, and their labels are smoothed by 0.2; other images,
    by 0.1, are cropped at random where the network could learn them by heart, and flipped where a mirror image keeps
    its class. Classes count by their inverse frequency where one has over three times another's images.
    """
    train = dataset.split("train")
    epochs = epochs or default_epochs(len(train))
    batch = default_batch(len(train))
    normed = _is_normed(network)
    deep = sum(isinstance(node.op, Conv | Linear) for node in network) > DEEP_LAYERS
    counts = np.bincount(train.labels, minlength=len(dataset.classes))
    return Recipe(
        epochs=epochs,
        batch_size=min(batch, len(train)),
        optimizer="sgd",
        learning_rate=(0.1 if normed else 0.01 if deep else 0.05) * _lr_scale(batch / BATCH, linear=normed),
        weight_decay=5e-4 if normed or not overfits(network, dataset) else 1e-3,
        warmup_epochs=min(1.0, epochs / 4),
        label_smoothing=0.2 if written_characters(dataset.classes) else 0.1,
        ema_decay=0.99,
        class_weighting="balanced" if counts.max() > 3 * counts.min() else "none",
        augment=default_augment(network, dataset, preprocess),
        seed=seed,
    )


def fine_tuned(
    network: Network, dataset: Dataset, preprocess: Preprocess, tuning: FineTuning, *, epochs: int | None, seed: int
) -> Recipe:
    """The default recipe at a tenth of the rate and a third of the epochs, for weights that come from elsewhere.

    Where only the classifier is trained, it is AdamW on unchanged images, whose features are then computed once.
    """
    recipe = default_recipe(
        network,
        dataset,
        preprocess,
        epochs=epochs or max(1, default_epochs(len(dataset.split("train"))) // 3),
        seed=seed,
    )
    if tuning.unfreeze_every is None and tuning.frozen_stages == len(stages(network)) - 1:
        return replace(
            recipe,
            epochs=epochs or HEAD_EPOCHS,
            optimizer="adamw",
            learning_rate=HEAD_RATE,
            weight_decay=HEAD_DECAY,
            class_weighting="none",
            augment=Augment(),
            fine_tuning=tuning,
        )
    return replace(recipe, learning_rate=recipe.learning_rate / 10, fine_tuning=tuning)


def with_batch(recipe: Recipe, network: Network, batch_size: int) -> Recipe:
    """The recipe with another batch, and its rate scaled by the rule of `default_recipe`.

    Optimizers that divide by the gradients' size, AdamW and LAMB, always have the root (You et al. 2020, table 4).
    """
    linear = _is_normed(network) and recipe.optimizer in ("sgd", "rmsprop")
    share = _lr_scale(batch_size / recipe.batch_size, linear=linear)
    return replace(recipe, batch_size=batch_size, learning_rate=recipe.learning_rate * share)


def _lr_scale(batch_ratio: float, *, linear: bool) -> float:
    """What a rate is multiplied by where the batch is."""
    return batch_ratio if linear else sqrt(batch_ratio)


def _is_normed(network: Network) -> bool:
    return any(isinstance(node.op, BatchNorm) for node in network)


def overfits(network: Network, dataset: Dataset) -> bool:
    """Whether the network has so many parameters for each training image that it could learn the data by heart."""
    return bool(cost_of(network).params > PARAMS_AN_IMAGE * len(dataset.split("train")))


def default_augment(network: Network, dataset: Dataset, preprocess: Preprocess) -> Augment:
    """Random changes that keep the class, fewer where the network cannot learn the data by heart.

    Small pictures that are shown at a larger side are only mirrored: AlexNet, SqueezeNet and GoogLeNet on Fashion-MNIST
    (`benchmarks/board.py`, one seed each) were better in validation so than with shifts.
    """
    side = preprocess.crop[0]
    padding = max(1, side // 16) if side <= SMALL_SIDE and overfits(network, dataset) else 0
    return class_keeping_augment(dataset, preprocess, area=CROP_AREA, padding=padding)


def class_keeping_augment(
    dataset: Dataset, preprocess: Preprocess, *, area: float, padding: int, trivial: bool = False
) -> Augment:
    """Random changes that keep the class.

    Pictures give a random part of at least `area`. Small ones, shown at whatever side, are shifted by up to `padding`
    pixels instead. Both are mirrored where that keeps the class, by its words and by the images themselves
    (`keeps_class`), and changed once more if `trivial`. Characters only shift, turn and scale a little.
    """
    if written_characters(dataset.classes):
        return Augment(shift=0.06, rotate=10, scale=0.1)
    augment = Augment(flip=keeps_class(dataset, "mirror"))
    large = min(*dataset.size, *preprocess.crop) > SMALL_SIDE
    augment = replace(augment, resized_crop=area) if large else replace(augment, crop_padding=padding)
    return with_trivial(augment, dataset) if trivial else augment
