"""Pixels that are kept for later epochs, so that a file is decoded once.

What is prepared in one way alone, for validation or for training without random crops, is kept as it was prepared. For
random crops an image is kept whole, reduced to `SCALE` times the network's input where it is larger than that. Crops of
images that are not larger are the same to the bit; those of larger ones come from the reduced image.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convsmith.backend.preprocess import resize
from convsmith.data.dataset import Dataset
from convsmith.data.decode.image import Box, cut
from convsmith.data.images import FileImages
from convsmith.files import user_cache
from convsmith.network.preprocess import Preprocess

Where = Literal["memory", "disk"]
"""In memory for one run, or on the disk for later ones too."""

SCALE = 2
"""Boxes of training have a third of an image's area or more as a rule: so reduced, they still have enough pixels."""

FOLDER = "decoded-images-1"
"""In the user's cache. The number changes with the rules of decoding and with what is kept."""

MOST_BYTES = 50 * 2**30
FREE_SHARE = 0.5
"""Of the free memory, or of what is free on the disk, at most this share is taken, and never more than `MOST_BYTES`."""

NEARLY_FULL = 0.9
"""The share of its room beyond which a store on the disk is emptied when it is opened."""

KEPT = ("train", "val")
"""The splits that are read in every epoch."""

SHARED_MEMORY = Path("/dev/shm")


@contextlib.contextmanager
def keeping_pixels(dataset: Dataset, preprocess: Preprocess, where: Where) -> Iterator[Dataset]:
    """The data set, with what is decoded of train and val kept from epoch to epoch; what does not fit is decoded anew.

    Data in memory are left as they are.
    """
    with _store(where) as store:
        size = (SCALE * preprocess.crop[0], SCALE * preprocess.crop[1])
        splits = {
            name: replace(split, images=KeptImages(split.images, split.content, size, store))
            for name, split in dataset.splits.items()
            if name in KEPT and isinstance(split.images, FileImages) and split.content is not None
        }
        yield replace(dataset, splits={**dataset.splits, **splits}) if splits else dataset


class _Kept(NamedTuple):
    """An image, uint8 RGB (h, w, 3), of which `height` and `width` are those of the file's."""

    pixels: NDArray[np.uint8]
    height: int
    width: int

    def to_bytes(self) -> bytes:
        return np.array([*self.pixels.shape[:2], self.height, self.width], "<u4").tobytes() + self.pixels.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> _Kept:
        rows, columns, height, width = np.frombuffer(data, "<u4", 4).tolist()
        return cls(np.frombuffer(data, np.uint8, offset=16).reshape(rows, columns, 3), height, width)


@dataclass(frozen=True, eq=False)
class KeptImages:
    """Images in files whose pixels are kept in a store, under their content (see `Split.content`), once they are read.

    `size` (height, width) is what they are reduced to, at the least.
    """

    files: FileImages
    content: NDArray[np.int64]
    size: tuple[int, int]
    store: PixelStore

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3), from the file. Raises DataError as `FileImages` does."""
        return self.files[index]

    def name(self, index: int) -> str:
        return self.files.name(index)

    def crop(self, index: int, choose: Callable[[int, int], Box], size: tuple[int, int]) -> NDArray[np.uint8]:
        """The box (h, w, 3) that `choose` picks, as `FileImages` gives it, or out of the reduced image."""
        key = self._key(index, f"reduced to {self.size}")
        data = self.store.get(key)
        if data is not None:
            kept = _Kept.from_bytes(data)
        else:
            kept = self._read(index)
            self.store.put(key, kept.to_bytes())
        box = choose(kept.height, kept.width)
        down, across = kept.pixels.shape[0] / kept.height, kept.pixels.shape[1] / kept.width
        places = (int(box.top * down), int(box.left * across), int(box.height * down), int(box.width * across))
        return cut(kept.pixels, Box(*places))

    def once(self, index: int, form: str, shape: Sequence[int], make: Callable[[], Tensor]) -> Tensor:
        """What `make` makes of an image, of this shape and the dtype that `form` begins with, which says what it is."""
        key = self._key(index, form)
        data = self.store.get(key)
        if data is not None:
            return torch.from_numpy(np.frombuffer(data, form.split()[0]).reshape(shape).copy())
        made = make()
        self.store.put(key, made.contiguous().numpy().tobytes())
        return made

    def _key(self, index: int, form: str) -> bytes:
        # LMDB's keys have 511 bytes at most.
        whole = f"{self.content[index]} {self.files.decoding} {form}"
        return hashlib.sha256(whole.encode()).digest()

    def _read(self, index: int) -> _Kept:
        sizes: list[tuple[int, int]] = []

        def whole(height: int, width: int) -> Box:
            sizes.append((height, width))
            return Box(0, 0, height, width)

        pixels = self.files.crop(index, whole, self.size)
        return _Kept(_reduced(pixels, self.size), *sizes[-1])


def _reduced(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The image, antialiased to the smallest size of its proportions that is no less than `size`."""
    height, width = pixels.shape[:2]
    factor = max(size[0] / height, size[1] / width)
    if factor >= 1:
        return pixels
    channels_first = torch.from_numpy(np.ascontiguousarray(pixels))[None].permute(0, 3, 1, 2)
    smaller = resize(channels_first, (round(height * factor), round(width * factor)), "bilinear")
    return smaller[0].permute(1, 2, 0).numpy()


class PixelStore:
    """Bytes by key in an LMDB folder of at most `limit` bytes, which several processes share.

    What is put is written by `flush`, in one transaction. Where there is no room, or no writing, nothing is kept.
    """

    def __init__(self, folder: Path, limit: int, *, durable: bool) -> None:
        self.folder, self.limit, self.durable = folder, limit, durable
        self._opened: tuple[int, Any] | None = None
        self._pending: dict[bytes, bytes] = {}
        self._full = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None, "_pending": {}}

    def get(self, key: bytes) -> bytes | None:
        import lmdb

        with contextlib.suppress(lmdb.Error), self._environment().begin() as transaction:
            found: bytes | None = transaction.get(key)
            return found
        return None

    def put(self, key: bytes, value: bytes) -> None:
        if not self._full:
            self._pending[key] = value

    def flush(self) -> None:
        """Writes what was put, for all processes; if `durable`, so that a power cut leaves the store whole."""
        import lmdb

        pending, self._pending = self._pending, {}
        try:
            if pending:
                with self._environment().begin(write=True) as transaction:
                    for key, value in pending.items():
                        transaction.put(key, value, overwrite=False)
        except lmdb.Error:
            self._full = True

    def nearly_full(self) -> bool:
        environment = self._environment()
        used = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        return bool(used > NEARLY_FULL * self.limit)

    def close(self) -> None:
        """Until it is next asked for."""
        if self._opened is not None and self._opened[0] == os.getpid():
            self._opened[1].close()
        self._opened = None

    def _environment(self) -> Any:
        """Opened by this process: LMDB allows no use of what was opened before a fork."""
        import lmdb

        if self._opened is None or self._opened[0] != os.getpid():
            # Reads are random, so that reading ahead would only push other images out of memory.
            opened = lmdb.open(
                str(self.folder), map_size=self.limit, sync=self.durable, metasync=False, readahead=False
            )
            self._opened = os.getpid(), opened
        return self._opened[1]


@contextlib.contextmanager
def _store(where: Where) -> Iterator[PixelStore]:
    if where == "disk":
        store = _on_disk(user_cache() / FOLDER)
        try:
            yield store
        finally:
            store.close()
        return
    parent = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="convsmith-", dir=parent) as folder:
        store = PixelStore(Path(folder), min(_room(Path(folder)), _free_memory()), durable=False)
        try:
            yield store
        finally:
            store.close()


def _on_disk(folder: Path) -> PixelStore:
    """The store of earlier runs; an empty one where there is none, or it is full or damaged."""
    import lmdb

    folder.mkdir(parents=True, exist_ok=True)
    held = sum(file.stat().st_size for file in folder.iterdir())
    store = PixelStore(folder, min(held + _room(folder), MOST_BYTES), durable=True)
    try:
        emptied = store.nearly_full()
    except lmdb.Error:
        emptied = True
    store.close()
    if emptied:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    return store


def _room(folder: Path) -> int:
    return min(MOST_BYTES, int(FREE_SHARE * shutil.disk_usage(folder).free))


def _free_memory() -> int:
    import psutil  # type: ignore[import-untyped]

    return int(FREE_SHARE * psutil.virtual_memory().available)
