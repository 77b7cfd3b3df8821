"""Batches of a split on the training device: whole-array indexing for sets in memory, worker processes for the rest."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convsmith.backend.preprocess import PreprocessModule
from convsmith.data.augment.augment import Augment, augment_batch
from convsmith.data.augment.batch_random import BatchRandom
from convsmith.data.dataset import Finding, InMemory, Split
from convsmith.data.load.buffer_pool import BufferPool
from convsmith.data.load.workers import EpochOrder, Key, read_batches
from convsmith.network.preprocess import Preprocess

__all__ = ["WORKERS", "Batch", "InMemory", "Loader", "epoch_order", "seed_of"]

WORKERS = max(1, min(8, (os.cpu_count() or 1) // 2))
"""Processes that decode files: half the cores, because the other half trains."""


class Batch(NamedTuple):
    """`images` float32 (N, C, H, W), preprocessed; `labels` int64 (N,); `rows` their places in the split, (N,).

    `step` counts the epoch's batches from 0.
    """

    step: int
    images: Tensor
    labels: Tensor
    rows: NDArray[np.int64]


class Loader:
    """Batches of one split, preprocessed, on `device`.

    Without `training` every image comes once, in order, as `PreprocessModule` makes it. With it, each epoch is a
    permutation, images are augmented, and a last incomplete batch is left out, so that every batch costs and weighs
    the same. Order is a function of (seed, epoch), random crops of (seed, epoch, row), other changes of
    (seed, epoch, step): nothing depends on the number of workers or on what was read before.

    An epoch has at most `steps` batches, where these are given.

    Of every batch this process takes part `part[0]` of `part[1]`. Its images are as they would be if it took all.

    A file that has become unreadable is left out of its batch and listed in `unreadable`.
    """

    def __init__(
        self,
        split: Split,
        preprocess: Preprocess,
        batch_size: int,
        *,
        training: EpochOrder | None = None,
        device: torch.device | None = None,
        workers: int = WORKERS,
        part: tuple[int, int] = (0, 1),
        steps: int | None = None,
    ) -> None:
        self._unreadable: dict[str, Finding] = {}
        self._split = split
        self._training = training
        self._device = device or torch.device("cpu")
        self._preprocess = PreprocessModule(preprocess).to(self._device)
        self._batch_size = min(batch_size, len(split)) if training else batch_size
        self._workers, self._part, self._steps = workers, part, steps
        self._buffers = BufferPool()
        self._augment = training.augment if training else Augment()
        self._random_crops = self._augment.resized_crop is not None
        if self._random_crops:
            self._augment = replace(self._augment, resized_crop=None, flip=False)  # the reader does both

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(len(self._split), self._batch_size)
        batches = whole if self._training or not rest else whole + 1
        return batches if self._steps is None else min(batches, self._steps)

    @property
    def batch_size(self) -> int:
        return self._batch_size

    @property
    def unreadable(self) -> tuple[Finding, ...]:
        """The files that could not be read so far, each once."""
        return tuple(self._unreadable.values())

    def reason(self, name: str) -> str:
        """Why the file of this name could not be read. Raises KeyError if it could."""
        return self._unreadable[name].reason

    def epoch(self, epoch: int = 0, start: int = 0) -> Generator[Batch]:
        """The batches of an epoch from step `start` on: the same ones as if the earlier had been taken."""
        shares = self._shares(epoch, start)
        for share, (kept, images) in zip(shares, self._read(epoch, shares), strict=True):
            rows = share.rows[kept]
            if not len(rows):
                if self._part[1] == 1:
                    continue
                # The other processes have their parts of this batch, and wait for this one.
                images = torch.zeros(0, self._preprocess.preprocess.channels, *self._preprocess.preprocess.crop)
            labels = torch.from_numpy(self._split.labels[rows]).to(self._device, non_blocking=True)
            images = self._prepare(images.to(self._device, non_blocking=True), epoch, share, kept)
            batch = Batch(share.step, images, labels, rows)
            del images, labels  # so that the memory is free once whoever takes the batch lets go of it
            yield batch
            del batch

    def _shares(self, epoch: int, start: int) -> list[_Share]:
        """What this process has of each batch."""
        training, count = self._training, len(self._split)
        order = epoch_order(count, training.seed, epoch, training.repeats) if training else np.arange(count)
        (rank, size), shares = self._part, []
        for step in range(start, len(self)):
            batch = order[step * self._batch_size : (step + 1) * self._batch_size]
            places = np.arange(len(batch))[len(batch) * rank // size : len(batch) * (rank + 1) // size]
            shares.append(_Share(step, batch[places], places, len(batch)))
        return shares

    def _read(self, epoch: int, shares: list[_Share]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Which of a share's images could be read (indices), and their pixels: uint8 (N, H, W, C), or preprocessed."""
        array = self._whole_array()
        if array is not None:
            return ((np.arange(len(share.rows)), torch.from_numpy(array[share.rows])) for share in shares)
        return self._one_by_one(epoch, shares)

    def _whole_array(self) -> NDArray[Any] | None:
        """The array that batches are taken from by indexing; None where each image is read by itself.

        Random crops are cut out of single images: the same code crops files and arrays, and gives the same pixels.
        """
        images = self._split.images
        if not isinstance(images, InMemory) or (self._random_crops and images.array.dtype == np.uint8):
            return None
        return images.array

    def _one_by_one(self, epoch: int, shares: list[_Share]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        keys = [self._keys(epoch, share) for share in shares]
        for read in read_batches(self._split.images, self._preprocess.preprocess, self._training, keys, self._workers):
            self._unreadable |= {finding.subject: finding for finding in read.unreadable}
            yield np.array(read.kept, np.int64), read.images

    def _keys(self, epoch: int, share: _Share) -> list[Key]:
        repeats = self._training.repeats if self._training else 1
        pairs = zip(share.rows.tolist(), share.places.tolist(), strict=True)
        return [Key(epoch, row, place % repeats) for row, place in pairs]

    def _prepare(self, images: Tensor, epoch: int, share: _Share, kept: NDArray[np.int64]) -> Tensor:
        in_memory = self._whole_array() is not None
        if images.is_floating_point():  # preprocessed by workers, or features
            return images if in_memory else self._as_floats(images)
        if self._training is None:
            prepared: Tensor = self._preprocess(images)
            return prepared
        floats = self._preprocess.to_channels(self._as_floats(images))
        if in_memory:
            floats = self._preprocess.resize_and_crop(floats)
        generator = torch.Generator().manual_seed(seed_of(self._training.seed, epoch, share.step))
        random = BatchRandom(generator, share.of, torch.from_numpy(share.places[kept]))
        return self._preprocess.normalize(augment_batch(floats, self._augment, random))

    def _as_floats(self, images: Tensor) -> Tensor:
        """A copy: the memory of what was read is used again."""
        if images.device.type != "cpu":
            return images.float()
        return self._buffers.empty(tuple(images.shape)).copy_(images)


def epoch_order(count: int, seed: int, epoch: int, repeats: int = 1) -> NDArray[np.int64]:
    """The rows of an epoch of training: a permutation of all, or `repeats` times each of the first ones of it."""
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return order if repeats == 1 else order.repeat(repeats)[:count]


def seed_of(*keys: int) -> int:
    """A 63-bit seed that is a function of these non-negative numbers alone."""
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> 1)


class _Share(NamedTuple):
    """Of the batch of `of` images at a step: the rows that this process takes, and their places in the batch."""

    step: int
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    of: int
