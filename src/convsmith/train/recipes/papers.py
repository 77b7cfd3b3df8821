"""The recipes of the papers, as far as data of any size allows.

What all of them share, and where a paper may say otherwise: the learning rate is scaled linearly with the batch (Goyal
et al. 2017), which is a tenth of the training images at most; biases and norms do not decay; images are flipped only
where a mirror image keeps its class; "when the error plateaus" stands where the authors' or the field's implementation
has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from convsmith.data.augment.augment import Augment
from convsmith.data.dataset import Dataset
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.default import class_keeping_augment
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.recipes.schedule import Schedule

MakeRecipe = Callable[[Network, Dataset, Preprocess, int | None, int], Recipe]
"""From a network, data, preprocessing, epochs (None: as many as the recipe has) and a seed."""


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe by name: where it comes from, what it is in a sentence, how it is made, and for which families.

    Families are patterns, as of file names; the last recipe that fits is a family's own.
    """

    name: str
    source: str
    summary: str
    make: MakeRecipe
    families: tuple[str, ...] = ()


def cropped(area: float, *, trivial: bool = False) -> Callable[[Dataset, Preprocess], Augment]:
    """A random part of at least this share of the area; a shift by an eighth where none is cut."""

    def augment(dataset: Dataset, preprocess: Preprocess) -> Augment:
        padding = max(1, preprocess.crop[0] // 8)
        return class_keeping_augment(dataset, preprocess, area=area, padding=padding, trivial=trivial)

    return augment


def paper(
    name: str,
    source: str,
    summary: str,
    families: tuple[str, ...] = (),
    *,
    batch: int,
    rate: float,
    epochs: int,
    augment: Callable[[Dataset, Preprocess], Augment],
    warmup: float = 0.0,
    **fields: Any,
) -> NamedRecipe:
    """A paper's recipe: its batch, its peak rate at that batch, its epochs, and other fields of `Recipe`."""

    def make(network: Network, dataset: Dataset, preprocess: Preprocess, wanted: int | None, seed: int) -> Recipe:
        ours = min(batch, max(1, len(dataset.split("train")) // 10))
        passes = wanted or epochs
        settings = {"optimizer": "sgd", "nesterov": False, **fields}
        return Recipe(
            epochs=passes,
            batch_size=ours,
            learning_rate=rate * ours / batch,
            warmup_epochs=warmup * passes / epochs,
            augment=augment(dataset, preprocess),
            seed=seed,
            name=name,
            **settings,
        )

    return NamedRecipe(name, source, summary, make, families)


def thirds(*drops: float, factor: float = 0.1) -> Schedule:
    """The rate times `factor` at these shares of the training."""
    return Schedule("steps", factor=factor, drops=drops)


RMSPROP: dict[str, Any] = {"optimizer": "rmsprop", "momentum": 0.9}

PAPERS = (
    paper(
        "alexnet",
        "Krizhevsky, Sutskever and Hinton 2012, section 5; steps as Caffe's bvlc_alexnet",
        "SGD, momentum 0.9, batch 128, rate 0.01 divided by 10 three times, weight decay 5e-4, 90 epochs",
        ("alexnet*",),
        batch=128,
        rate=0.01,
        epochs=90,
        weight_decay=5e-4,
        augment=cropped((224 / 256) ** 2),
        schedule=thirds(2 / 9, 4 / 9, 6 / 9),
    ),
    paper(
        "vgg",
        "Simonyan and Zisserman 2015 (arXiv 1409.1556), section 3.1",
        "SGD, momentum 0.9, batch 256, rate 0.01 divided by 10 three times, weight decay 5e-4, 74 epochs",
        ("vgg",),
        batch=256,
        rate=0.01,
        epochs=74,
        weight_decay=5e-4,
        augment=cropped(0.25),
        schedule=thirds(0.25, 0.5, 0.75),
    ),
    paper(
        "inception",
        "Szegedy et al. 2016 (arXiv 1512.00567), section 8",
        "RMSProp with epsilon 1, rate 0.045 for 1,600 images, times 0.94 every 2 epochs, clipped gradients, "
        "label smoothing 0.1, averaged weights, 100 epochs",
        ("googlenet*", "inception*", "xception"),
        augment=cropped(0.08),
        batch=1600,
        rate=0.045,
        epochs=100,
        weight_decay=4e-5,
        epsilon=1.0,
        clip_norm=2.0,
        label_smoothing=0.1,
        ema_decay=0.9999,
        schedule=Schedule("exponential", factor=0.94, every=2),
        **RMSPROP,
    ),
    paper(
        "resnet",
        "He et al. 2015 (arXiv 1512.03385), section 3.4; steps as fb.resnet.torch",
        "SGD, momentum 0.9, batch 256, rate 0.1 divided by 10 at a third and two thirds, weight decay 1e-4, 90 epochs",
        ("resnet", "resnet_v2*", "resnext", "wide_resnet", "se*"),
        batch=256,
        rate=0.1,
        epochs=90,
        weight_decay=1e-4,
        schedule=thirds(1 / 3, 2 / 3),
        augment=cropped(0.25),
    ),
    paper(
        "resnet-cifar",
        "He et al. 2015 (arXiv 1512.03385), section 4.2",
        "SGD, momentum 0.9, batch 128, rate 0.1 divided by 10 at 50% and 75%, weight decay 1e-4, 164 epochs",
        ("resnet_cifar", "resnext_cifar"),
        augment=cropped(0.08),
        batch=128,
        rate=0.1,
        epochs=164,
        weight_decay=1e-4,
        schedule=thirds(0.5, 0.75),
    ),
    paper(
        "wide-resnet",
        "Zagoruyko and Komodakis 2016 (arXiv 1605.07146), section 3",
        "SGD, Nesterov momentum 0.9, batch 128, rate 0.1 times 0.2 at 30%, 60% and 80%, weight decay 5e-4, 200 epochs",
        ("wide_resnet_cifar", "se_wide_resnet_cifar"),
        augment=cropped(0.08),
        batch=128,
        rate=0.1,
        epochs=200,
        weight_decay=5e-4,
        nesterov=True,
        schedule=thirds(0.3, 0.6, 0.8, factor=0.2),
    ),
    paper(
        "densenet",
        "Huang et al. 2017 (arXiv 1608.06993), section 4.2, ImageNet",
        "SGD, Nesterov momentum 0.9, batch 256, rate 0.1 divided by 10 at a third and two thirds, weight decay 1e-4, "
        "90 epochs",
        ("densenet",),
        augment=cropped(0.08),
        batch=256,
        rate=0.1,
        epochs=90,
        weight_decay=1e-4,
        nesterov=True,
        schedule=thirds(1 / 3, 2 / 3),
    ),
    paper(
        "densenet-cifar",
        "Huang et al. 2017 (arXiv 1608.06993), section 4.2, CIFAR",
        "SGD, Nesterov momentum 0.9, batch 64, rate 0.1 divided by 10 at 50% and 75%, weight decay 1e-4, 300 epochs",
        ("densenet_cifar",),
        augment=cropped(0.08),
        batch=64,
        rate=0.1,
        epochs=300,
        weight_decay=1e-4,
        nesterov=True,
        schedule=thirds(0.5, 0.75),
    ),
    paper(
        "squeezenet",
        "Iandola et al. 2016 (arXiv 1602.07360), section 4, and its published solver",
        "SGD, momentum 0.9, batch 512, rate 0.04 falling linearly, weight decay 2e-4, 68 epochs",
        ("squeezenet",),
        batch=512,
        rate=0.04,
        epochs=68,
        weight_decay=2e-4,
        schedule=Schedule("linear"),
        augment=cropped(0.25),
    ),
    paper(
        "mobilenet",
        "Sandler et al. 2018 (arXiv 1801.04381), section 6.1",
        "RMSProp, rate 0.045 for 1,536 images, times 0.98 every epoch, weight decay 4e-5, 300 epochs",
        ("mobilenet*", "mnasnet"),
        augment=cropped(0.08),
        batch=1536,
        rate=0.045,
        epochs=300,
        weight_decay=4e-5,
        epsilon=1e-3,
        schedule=Schedule("exponential", factor=0.98, every=1),
        **RMSPROP,
    ),
    paper(
        "efficientnet",
        "Tan and Le 2019 (arXiv 1905.11946), section 5.2",
        "RMSProp, rate 0.256 for 4,096 images, times 0.97 every 2.4 epochs, weight decay 1e-5, averaged weights, "
        "stochastic depth 0.2, 350 epochs; TrivialAugment in AutoAugment's place",
        ("efficientnet*",),
        batch=4096,
        rate=0.256,
        epochs=350,
        weight_decay=1e-5,
        epsilon=1e-3,
        ema_decay=0.9999,
        label_smoothing=0.1,
        stochastic_depth=0.2,
        warmup=5.0,
        augment=cropped(0.08, trivial=True),
        schedule=Schedule("exponential", factor=0.97, every=2.4),
        **RMSPROP,
    ),
)
