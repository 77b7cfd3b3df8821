"""What worker processes do: read single images, and leave them in memory that they share with the trainer."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import BaseContext
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import data as torch_data

from convsmith.backend.preprocess import PreprocessModule
from convsmith.data.augment.augment import Augment
from convsmith.data.augment.random_crop import random_resized_crop
from convsmith.data.dataset import Finding, Images
from convsmith.data.decode.image import Box
from convsmith.data.images import read_box
from convsmith.data.load.kept import KeptImages
from convsmith.errors import DataError
from convsmith.network.preprocess import Preprocess

PREFETCH_BATCHES = 2
"""What each worker holds ready. It bounds memory, whatever the number of files."""


@dataclass(frozen=True)
class EpochOrder:
    """How training walks a split: the order of each epoch follows from the seed, and so does every random change.

    A batch holds each of its images `repeats` times.
    """

    seed: int
    augment: Augment
    repeats: int = 1


class Key(NamedTuple):
    """Which image is read: the epoch, its row, and which of its copies it is."""

    epoch: int
    row: int
    copied: int


class ReadBatch(NamedTuple):
    """The images of a batch: which could be read (indices), their pixels, and what is wrong with the others.

    `images` is uint8 (N, h, w, 3) of the crop's size in training, else float32 (N, C, h, w), preprocessed. Its memory
    is used again for the next batch.
    """

    kept: list[int]
    images: Tensor
    unreadable: list[Finding]


def read_batches(
    images: Images, preprocess: Preprocess, training: EpochOrder | None, batches: list[list[Key]], workers: int
) -> Iterator[ReadBatch]:
    """The batches in turn, read ahead by this many worker processes; with 0, by this process."""
    if workers and isinstance(images, KeptImages):
        images.store.close()  # or the processes could not open it, which begin as copies of this one
    largest = max(map(len, batches), default=0)
    reader = _Reader(images, preprocess, training, largest, workers)
    # Workers live for an epoch: a fork takes milliseconds, and validation's then cost nothing while training.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")  # more than cores, where asked for
        loader = torch_data.DataLoader(
            reader,
            batch_size=None,
            sampler=_Jobs(batches, reader.slots),
            num_workers=workers,
            collate_fn=_unchanged,  # type: ignore[arg-type]  # the stubs only know lists
            worker_init_fn=_start_worker,
            prefetch_factor=PREFETCH_BATCHES if workers else None,
            multiprocessing_context=_context() if workers else None,
        )
        epoch = iter(loader)
    for done in epoch:
        yield ReadBatch(done.kept, reader.images_of(done), done.unreadable)


class _Job(NamedTuple):
    """A batch, and the part of the shared memory that it goes to."""

    slot: int
    keys: list[Key]


class _Done(NamedTuple):
    slot: int
    kept: list[int]
    unreadable: list[Finding]


class _Jobs(torch_data.Sampler[_Job]):
    """The batches, one slot after another: a slot is used again when its last batch has been taken."""

    def __init__(self, batches: list[list[Key]], slots: int) -> None:
        self._batches, self._slots = batches, slots

    def __iter__(self) -> Iterator[_Job]:
        return (_Job(number % self._slots, keys) for number, keys in enumerate(self._batches))


class _Reader(torch_data.Dataset[_Done]):
    """Reads the images of a batch and brings them to the size of the network's input.

    There is one slot more than batches in flight, because one is being used. Only a batch's slot is handed over: fresh
    memory for each batch would cost a page fault for every 4 KB, in the worker and again in the trainer.
    """

    def __init__(
        self, images: Images, preprocess: Preprocess, training: EpochOrder | None, batch: int, workers: int
    ) -> None:
        self._images = images
        self._preprocess = PreprocessModule(preprocess)
        self._training = training
        self.slots = workers * PREFETCH_BATCHES + 1
        height, width = preprocess.crop
        item = (preprocess.channels, height, width) if training is None else (height, width, 3)
        dtype = torch.float32 if training is None else torch.uint8
        self._memory = _shared((self.slots, batch, *item), dtype, workers)

    def __getitem__(self, job: _Job) -> _Done:
        place = self._memory[job.slot]
        kept: list[int] = []
        unreadable: list[Finding] = []
        for at, key in enumerate(job.keys):
            try:
                place[len(kept)] = self._evaluated(key.row) if self._training is None else self._trained(key)
            except (DataError, OSError) as error:
                unreadable.append(Finding(self._images.name(key.row), str(error)))
                continue
            kept.append(at)
        if isinstance(self._images, KeptImages):
            self._images.store.flush()
        return _Done(job.slot, kept, unreadable)

    def images_of(self, done: _Done) -> Tensor:
        return self._memory[done.slot, : len(done.kept)]

    def _evaluated(self, row: int) -> Tensor:
        """float32 (C, h, w): images of different sizes do not fit one array before they are preprocessed."""

        def make() -> Tensor:
            image: Tensor = self._preprocess(torch.tensor(self._images[row]))[0]
            return image

        return self._once(row, f"float32 {self._preprocess.preprocess}", make)

    def _once(self, row: int, form: str, make: Callable[[], Tensor]) -> Tensor:
        """What is always made of an image in the same way, from what was kept of it if anything is."""
        if isinstance(self._images, KeptImages):
            return self._images.once(row, form, self._memory.shape[2:], make)
        return make()

    def _trained(self, key: Key) -> Tensor:
        """uint8 (h, w, 3): a quarter of the bytes of floats on the way to the trainer."""
        assert self._training is not None
        area, whole = self._training.augment.resized_crop, self._preprocess
        if area is None:

            def make() -> Tensor:
                floats = torch.tensor(self._images[key.row]).permute(2, 0, 1)[None].float()
                return whole.resize_and_crop(floats, whole.rgb_ground)[0].permute(1, 2, 0).round().to(torch.uint8)

            return self._once(key.row, f"uint8 {whole.preprocess}", make)
        seeds = [self._training.seed, key.epoch, key.row, *([key.copied] if key.copied else [])]
        crop, flip = partial(self._crop, key.row), self._training.augment.flip
        return random_resized_crop(crop, whole.preprocess, area, flip, np.random.default_rng(seeds))

    def _crop(self, row: int, choose: Callable[[int, int], Box]) -> NDArray[np.uint8]:
        return read_box(self._images, row, choose, self._preprocess.preprocess.crop)


def _context() -> BaseContext:
    """How worker processes start.

    As forks where possible: these share the trainer's torch and list of files, where a fresh start costs seconds and
    200 MB each. Not beside Ray: a lock that one of its threads holds at the fork stays locked there for ever, so its
    documentation too advises to fork from a process that has no such threads.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context()
    if "ray" not in sys.modules:
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "ray"])  # Ray, because its workers' main module imports it
    return context


def _shared(shape: tuple[int, ...], dtype: torch.dtype, workers: int) -> Tensor:
    """Memory that workers write and the trainer reads; none of it is touched before it is used."""
    if not workers or not np.prod(shape):
        return torch.empty(shape, dtype=dtype)
    if _context().get_start_method() != "fork":
        memory: Tensor = torch.empty(shape, dtype=dtype).share_memory_()  # type: ignore[no-untyped-call]
        return memory
    pages = mmap.mmap(-1, int(np.prod(shape)) * dtype.itemsize)
    return torch.frombuffer(pages, dtype=dtype).view(shape)


def _unchanged(done: _Done) -> _Done:
    return done


def _start_worker(worker: int) -> None:
    """Ctrl-C goes to the whole process group, but is for the trainer alone: it finishes its step, then ends workers."""
    os.setpgid(0, 0)
