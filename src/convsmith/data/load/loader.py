"""Batches of a split on the training device: whole-array indexing for sets in memory, worker processes for files."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convsmith.backend.preprocess import PreprocessModule
from convsmith.data.augment.augment import Augment, augment_batch
from convsmith.data.augment.batch_random import Draws
from convsmith.data.dataset import Finding, Split
from convsmith.data.load.buffer_pool import ReusedMemory
from convsmith.data.load.workers import Key, Training, read_files
from convsmith.network.preprocess import Preprocess

WORKERS = max(1, min(8, (os.cpu_count() or 1) // 2))
"""Processes that decode files: half the cores, for the other half trains."""


@runtime_checkable
class InMemory(Protocol):
    """Images that are one array: uint8 (N, H, W, C); or features, floats of any shape, handed over as they are."""

    @property
    def array(self) -> NDArray[Any]: ...


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
    permutation, images are augmented, and a last incomplete batch is left out, for every batch then costs and weighs
    the same. Order is a function of (seed, epoch), augmentation of (seed, epoch, step) and, where it happens in
    workers, (seed, epoch, row): nothing depends on the number of workers or on what was read before.

    Of every batch this process takes part `part[0]` of `part[1]`: as images, as they would be if it took all.

    A file that has become unreadable is left out of its batch and listed in `unreadable`.
    """

    def __init__(
        self,
        split: Split,
        preprocess: Preprocess,
        batch_size: int,
        *,
        training: Training | None = None,
        device: torch.device | None = None,
        workers: int = WORKERS,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        self._unreadable: dict[str, Finding] = {}
        self._split = split
        self._training = training
        self._device = device or torch.device("cpu")
        self._preprocess = PreprocessModule(preprocess).to(self._device)
        self._batch_size = min(batch_size, len(split)) if training else batch_size
        self._workers, self._part = workers, part
        self._memory = ReusedMemory()
        self._augment = training.augment if training else Augment()
        if self._augment.resized_crop is not None and not isinstance(split.images, InMemory):
            self._augment = replace(self._augment, resized_crop=None, flip=False)  # workers do both

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(len(self._split), self._batch_size)
        return whole if self._training or not rest else whole + 1

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
                # The others of the group have a part of this batch, and wait for what this process makes of its own.
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
        """Which of a share's images could be read, as indices, and they: uint8 (N, H, W, C), or preprocessed."""
        if isinstance(self._split.images, InMemory):
            array = self._split.images.array
            return ((np.arange(len(share.rows)), torch.from_numpy(array[share.rows])) for share in shares)
        return self._from_files(epoch, shares)

    def _from_files(self, epoch: int, shares: list[_Share]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        keys = [self._keys(epoch, share) for share in shares]
        for read in read_files(self._split.images, self._preprocess.preprocess, self._training, keys, self._workers):
            self._unreadable |= {finding.subject: finding for finding in read.unreadable}
            yield np.array(read.kept, np.int64), read.images

    def _keys(self, epoch: int, share: _Share) -> list[Key]:
        repeats = self._training.repeats if self._training else 1
        pairs = zip(share.rows.tolist(), share.places.tolist(), strict=True)
        return [Key(epoch, row, place % repeats) for row, place in pairs]

    def _prepare(self, images: Tensor, epoch: int, share: _Share, kept: NDArray[np.int64]) -> Tensor:
        if images.is_floating_point():  # preprocessed by workers, or features
            return images if isinstance(self._split.images, InMemory) else self._as_floats(images)
        if self._training is None:
            prepared: Tensor = self._preprocess(images)
            return prepared
        floats = self._preprocess.to_channels(self._as_floats(images))
        if isinstance(self._split.images, InMemory):
            floats = self._preprocess.resize_and_crop(floats)
        generator = torch.Generator().manual_seed(seed_of(self._training.seed, epoch, share.step))
        draws = Draws(generator, share.of, torch.from_numpy(share.places[kept]))
        return self._preprocess.normalize(augment_batch(floats, self._augment, draws))

    def _as_floats(self, images: Tensor) -> Tensor:
        """A copy, for the memory of what is read is used again."""
        if images.device.type != "cpu":
            return images.float()
        return self._memory.floats(tuple(images.shape)).copy_(images)


def epoch_order(count: int, seed: int, epoch: int, repeats: int = 1) -> NDArray[np.int64]:
    """The rows that an epoch of training walks: a permutation of all, or `repeats` times as much of the first ones."""
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
