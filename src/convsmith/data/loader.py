"""Batches of a split on the training device: whole-array indexing for sets in memory, worker processes for files."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import data as torch_data

from convsmith.backend.preprocess import PreprocessModule
from convsmith.data.augment import Augment, augment_batch, random_resized_crop
from convsmith.data.dataset import Finding, Images, Split
from convsmith.data.draws import Draws
from convsmith.errors import DataError
from convsmith.network.preprocess import Preprocess

WORKERS = max(1, min(8, (os.cpu_count() or 1) // 2))
"""Processes that decode files: half the cores, for the other half trains."""

PREFETCH = 2
"""Batches that each worker holds ready: what bounds memory, whatever the number of files."""


@runtime_checkable
class InMemory(Protocol):
    """Images that are one array: uint8 (N, H, W, C); or features, floats of any shape, handed over as they are."""

    @property
    def array(self) -> NDArray[Any]: ...


@runtime_checkable
class Streamed(Protocol):
    """Images that can be decoded at a reduced size, no smaller than `at_least` (height, width) of uint8 (H, W, 3)."""

    def decode(self, index: int, at_least: tuple[int, int]) -> NDArray[np.uint8]: ...


class Batch(NamedTuple):
    """`images` float32 (N, C, H, W), preprocessed; `labels` int64 (N,); `rows` their places in the split, (N,).

    `step` counts the epoch's batches from 0.
    """

    step: int
    images: Tensor
    labels: Tensor
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Training:
    """How training walks a split: the order of each epoch follows from the seed, and so does every random change.

    A batch holds each of its images `repeats` times.
    """

    seed: int
    augment: Augment
    repeats: int = 1


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
        self._augment = training.augment if training else Augment()
        if self._augment.resized_crop is not None and not isinstance(split.images, InMemory):
            self._augment = replace(self._augment, flip=False)  # workers do it with the crop

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
            yield Batch(share.step, images, labels, rows)

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
        # Workers live for an epoch: a fork takes milliseconds, and validation's then cost nothing while training.
        loader = torch_data.DataLoader(
            _Files(self._split.images, self._preprocess.preprocess, self._training),
            batch_sampler=(self._keys(epoch, share) for share in shares),
            num_workers=self._workers,
            collate_fn=_collate,
            worker_init_fn=_start_worker,
            prefetch_factor=PREFETCH if self._workers else None,
            # A fork shares the parent's torch and list of files; starting afresh would cost seconds and 200 MB each.
            multiprocessing_context="fork" if self._workers and sys.platform == "linux" else None,
        )
        for read in loader:
            self._unreadable |= {finding.subject: finding for finding in read.unreadable}
            yield read.kept.numpy(), read.images

    def _keys(self, epoch: int, share: _Share) -> list[_Key]:
        repeats = self._training.repeats if self._training else 1
        pairs = zip(share.rows.tolist(), share.places.tolist(), strict=True)
        return [_Key(at, epoch, row, place % repeats) for at, (row, place) in enumerate(pairs)]

    def _prepare(self, images: Tensor, epoch: int, share: _Share, kept: NDArray[np.int64]) -> Tensor:
        if images.is_floating_point():  # preprocessed by workers, or features
            return images
        if self._training is None:
            prepared: Tensor = self._preprocess(images)
            return prepared
        floats = self._preprocess.to_channels(images)
        if isinstance(self._split.images, InMemory):
            floats = self._preprocess.resize_and_crop(floats)
        generator = torch.Generator().manual_seed(seed_of(self._training.seed, epoch, share.step))
        draws = Draws(generator, share.of, torch.from_numpy(share.places[kept]))
        return self._preprocess.normalize(augment_batch(floats, self._augment, draws))


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


class _Key(NamedTuple):
    """Which image a worker reads: where it is in the share, the epoch, its row, and which of its copies it is."""

    at: int
    epoch: int
    row: int
    copied: int


class _Sample(NamedTuple):
    at: int
    image: Tensor | None
    unreadable: Finding | None


class _Read(NamedTuple):
    kept: Tensor
    images: Tensor
    unreadable: list[Finding]


class _Files(torch_data.Dataset[_Sample]):
    """What a worker does with one file: decode it, and bring it to the size of the network's input."""

    def __init__(self, images: Images, preprocess: Preprocess, training: Training | None) -> None:
        self._images = images
        self._preprocess = PreprocessModule(preprocess)
        self._training = training

    def __getitem__(self, key: _Key) -> _Sample:
        try:
            image = self._evaluated(key.row) if self._training is None else self._trained(self._training, key)
        except (DataError, OSError) as error:
            return _Sample(key.at, None, Finding(self._images.name(key.row), str(error)))
        return _Sample(key.at, image, None)

    def _evaluated(self, row: int) -> Tensor:
        """float32 (C, h, w), preprocessed: images of different sizes do not fit one array before."""
        image: Tensor = self._preprocess(torch.tensor(self._images[row]))[0]
        return image

    def _trained(self, training: Training, key: _Key) -> Tensor:
        """uint8 (h, w, 3) of the crop's size: a quarter of the bytes of floats on the way to the trainer."""
        area = training.augment.resized_crop
        size = self._preprocess.preprocess.crop
        if area is None:
            floats = torch.tensor(self._images[key.row]).permute(2, 0, 1)[None].float()
            return self._preprocess.resize_and_crop(floats)[0].permute(1, 2, 0).round().to(torch.uint8)
        image = self._decoded(key.row, size, area)
        generator = np.random.default_rng([training.seed, key.epoch, key.row, *([key.copied] if key.copied else [])])
        return torch.from_numpy(random_resized_crop(image, size, area, training.augment.flip, generator))

    def _decoded(self, row: int, size: tuple[int, int], area: float) -> NDArray[np.uint8]:
        if not isinstance(self._images, Streamed):
            return self._images[row]
        # The smallest box of the widest ratio must still hold the network's input at the reduced scale.
        enlarge = (4 / 3) / area**0.5
        return self._images.decode(row, (round(size[0] * enlarge), round(size[1] * enlarge)))


def _collate(samples: list[_Sample]) -> _Read:
    readable = [sample for sample in samples if sample.image is not None]
    images = [sample.image for sample in readable if sample.image is not None]
    return _Read(
        kept=torch.tensor([sample.at for sample in readable], dtype=torch.int64),
        images=torch.stack(images) if images else torch.empty(0),
        unreadable=[sample.unreadable for sample in samples if sample.unreadable is not None],
    )


def _start_worker(worker: int) -> None:
    """Ctrl-C goes to the whole process group, and is for the trainer alone: it finishes its step, then ends workers."""
    os.setpgid(0, 0)
