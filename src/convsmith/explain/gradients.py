"""Gradient and activation norms by layer, at initialisation and during the first steps of training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from convsmith.backend.torch import NetworkModule, build
from convsmith.data.augment.augment import Augment
from convsmith.data.dataset import Dataset
from convsmith.data.load.loader import Loader
from convsmith.data.load.workers import EpochOrder
from convsmith.data.open import open_dataset
from convsmith.design.preprocessing import preprocess_for
from convsmith.errors import UsageError
from convsmith.explain.flow import GradientFlow, Moment
from convsmith.explain.measure import Probe, loss_of
from convsmith.model import Model
from convsmith.network import Preprocess, ops
from convsmith.network.dims import text
from convsmith.network.network import Network
from convsmith.resolve import network_of
from convsmith.transform.part import with_classes

NORMED_RATE, PLAIN_RATE = 0.1, 0.01
"""The rates of the field's recipes, with batch norm (He et al. 2015, arXiv 1512.03385, section 3.4) and without
(Krizhevsky et al. 2012, section 5), both for SGD with momentum 0.9."""
MOMENTUM = 0.9

RANDOM = "random images"


def gradients(
    network: Network | Model | str | Path,
    data: Dataset | str | Path | None = None,
    *,
    steps: int = 10,
    batch_size: int = 32,
    learning_rate: float | None = None,
    seed: int = 0,
) -> GradientFlow:
    """How gradients flow through a network at initialisation and in the first `steps` of training with SGD.

    `network` is anything that `convsmith.resolve.network_of` takes; it is initialised by `seed`, whatever weights it
    has. `data` is a data set: its training images in the network's own size and channels, its classes; without one,
    random images (each number standard normal) of random classes. The moments are at 0, 1, 2, 5, 10, 20, 50...
    updates, and the last. The verdict is that of `convsmith.explain.flow.CRITERION`.

    Raises UsageError for numbers out of range and for a network that is no classifier, and what opening the network
    and the data raise.
    """
    for name, right, what in (
        ("steps", steps >= 0, "at least 0"),
        ("batch_size", batch_size >= 2, "at least 2"),
        ("learning_rate", learning_rate is None or learning_rate > 0, "above 0"),
    ):
        if not right:
            raise UsageError(f"must be {what}", settings=name)
    net = network_of(network)
    if len(net.shapes[net.output]) != 1:
        raise UsageError(f"{net.name} is no classifier: its output is {text(net.shapes[net.output])}, not class scores")
    dataset = None if data is None else open_dataset(data, seed=seed)
    if dataset is not None:
        net = with_classes(net, len(dataset.classes))
    rate = learning_rate or (NORMED_RATE if any(isinstance(node.op, ops.BatchNorm) for node in net) else PLAIN_RATE)
    batches = _random(net, batch_size, seed) if dataset is None else _batches(net, dataset, batch_size, seed)
    torch.manual_seed(seed)  # dropout's
    moments = tuple(moments_of(build(net, seed).train(), batches, steps, rate))
    return GradientFlow(net.name, dataset.name if dataset else RANDOM, batch_size, rate, seed, moments)


def moments_of(
    module: NetworkModule, batches: Iterator[tuple[Tensor, Tensor]], steps: int, rate: float
) -> Iterator[Moment]:
    """The flow at the moments that are looked at, up to `steps` updates or until the loss is no longer finite."""
    probe = Probe(module.network)
    optimizer = torch.optim.SGD(module.parameters(), lr=rate, momentum=MOMENTUM)
    looked_at = {0, steps, *(digit * 10**power for power in range(7) for digit in (1, 2, 5))}
    for step in range(steps + 1):
        images, labels = next(batches)
        if step in looked_at:
            moment = probe.moment(module, images, labels, step)
            yield moment
            if moment.loss != moment.loss or moment.loss == float("inf"):
                return
        else:
            optimizer.zero_grad()
            loss_of(module.network, module(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _random(net: Network, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        images = torch.randn(batch_size, *net.input, generator=generator)
        yield images, torch.randint(net.classes, (batch_size,), generator=generator)


def _batches(net: Network, dataset: Dataset, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    loader = Loader(
        dataset.split("train"),
        as_taken(net, dataset),
        batch_size,
        training=EpochOrder(seed, Augment()),
        workers=0,
    )
    epoch = 0
    while True:
        for batch in loader.epoch(epoch):
            yield batch.images, batch.labels
        epoch += 1


def as_taken(net: Network, dataset: Dataset) -> Preprocess:
    """Preprocessing to the network's own channels and size (height, width), with the images' own mean and deviation."""
    own = preprocess_for(dataset)
    channels, *size = net.input
    if channels not in (1, 3):
        raise UsageError(f"{net.name} takes {channels} channels; images have 1 or 3")
    height, width = size

    def spread(values: tuple[float, ...]) -> tuple[float, ...]:
        return values if len(values) == channels else (sum(values) / len(values),) * channels

    return Preprocess(channels, (height, width), (height, width), spread(own.mean), spread(own.std))
