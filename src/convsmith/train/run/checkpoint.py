"""Checkpoints: one safetensors file each, checksummed; the one before is kept until the new one is good."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec.core  # type: ignore[import-untyped]
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from convsmith.errors import CheckpointError, UsageError

FORMAT = "convsmith-checkpoint-1"
KEPT = 2
"""The newest, and the one to fall back to."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a run needs to go on: tensors by name, and everything else as a JSON value."""

    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


class CheckpointFolder:
    """The checkpoints of one run, named after the number of steps behind them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def files(self) -> list[Path]:
        """The newest first."""
        return sorted(self.folder.glob("step-*.safetensors"), reverse=True)

    def holds_training(self) -> bool:
        """Whether a checkpoint is there that has training behind it: not that of the start alone."""
        return any(path.name != f"step-{0:012d}.safetensors" for path in self.files())

    def clear(self) -> None:
        """Removes every checkpoint."""
        for path in self.files():
            path.unlink(missing_ok=True)

    def write(self, checkpoint: Checkpoint, steps: int) -> Path | str:
        """Writes, makes sure that it is on the disk, and then drops all but the `KEPT` newest.

        Raises CheckpointError if it cannot be written (a full disk); what was there before stays as it was.
        """
        path = self.folder / f"step-{steps:012d}.safetensors"
        temporary = path.with_suffix(".tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(temporary, checkpoint)
            temporary.replace(path)
            _sync(self.folder)
        except (OSError, SafetensorError) as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise CheckpointError(f"{path}: cannot be written ({_reason(error)}); earlier checkpoints stay") from None
        for old in [*self.files()[KEPT:], *self.folder.glob("*.tmp")]:
            old.unlink(missing_ok=True)
        return path

    def read(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that is whole, and what is wrong with newer ones, a line each.

        None if there is no checkpoint at all. Raises CheckpointError if there are, and none of them is whole.
        """
        damaged: list[str] = []
        for path in self.files():
            try:
                return self._load(path), damaged
            except CheckpointError as error:
                damaged.append(str(error))
        if damaged:
            raise CheckpointError(f"no checkpoint can be used: {'; '.join(damaged)}; train anew in another folder")
        return None, []

    def _load(self, path: Path) -> Checkpoint:
        return read_checkpoint(path)


class RemoteCheckpointFolder(CheckpointFolder):
    """Checkpoints at an fsspec URL, such as s3://bucket/run: written and read by way of a local temporary file."""

    def __init__(self, url: str) -> None:
        try:
            self._system, root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise UsageError(f"{url}: {_reason(error)}", settings="checkpoints") from None
        except Exception as error:
            raise CheckpointError(f"{url}: cannot be opened ({_reason(error)})", settings="checkpoints") from None
        self._url = url
        super().__init__(Path(root))

    def __str__(self) -> str:
        return self._url

    def files(self) -> list[Path]:
        """The newest first."""
        with self._answering("listed"):
            self._system.invalidate_cache()
            try:
                found = self._system.ls(str(self.folder), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        # Not by a pattern: a bucket may have brackets in its name.
        return sorted((path for path in map(Path, found) if path.match("step-*.safetensors")), reverse=True)

    def clear(self) -> None:
        """Removes every checkpoint."""
        for path in self.files():
            with self._answering("cleared"):
                self._system.rm_file(str(path))

    def write(self, checkpoint: Checkpoint, steps: int) -> str:
        """As locally. What was there before stays until the new one has arrived whole."""
        name = f"step-{steps:012d}.safetensors"
        path, temporary = f"{self.folder}/{name}", f"{self.folder}/{name}.tmp"
        with self._answering("written", name, "; earlier checkpoints stay"):
            with tempfile.TemporaryDirectory() as local:
                _write(Path(local) / name, checkpoint)
                self._system.makedirs(str(self.folder), exist_ok=True)
                self._system.put_file(str(Path(local) / name), temporary)
            self._system.mv(temporary, path)
            for old in self.files()[KEPT:]:
                self._system.rm_file(str(old))
        return f"{self._url}/{name}"

    def _load(self, path: Path) -> Checkpoint:
        with tempfile.TemporaryDirectory() as local:
            copy = Path(local) / path.name
            with self._answering("read", path.name):
                self._system.get_file(str(path), str(copy))
            return read_checkpoint(copy)

    @contextmanager
    def _answering(self, done: str, name: str = "", more: str = "") -> Iterator[None]:
        """Turns whatever the store raises into one line. Each has errors of its own, of credentials and connections."""
        try:
            yield
        except CheckpointError:
            raise
        except Exception as error:
            place = f"{self._url}/{name}" if name else self._url
            raise CheckpointError(f"{place}: cannot be {done} ({_reason(error)}){more}") from None


def checkpoint_folder(where: Path | str) -> CheckpointFolder:
    """The checkpoints in a local folder, or at an fsspec URL (`scheme://...`).

    Raises UsageError for another scheme, CheckpointError for a store that cannot be opened.
    """
    return RemoteCheckpointFolder(where) if isinstance(where, str) and "://" in where else CheckpointFolder(Path(where))


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises CheckpointError naming the file if it is missing, cut off, changed, or not a checkpoint."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: damaged checkpoint ({_reason(error)})") from None
    if metadata.get("format") != FORMAT or "state" not in metadata:
        raise CheckpointError(f"{path}: not a checkpoint of this version ({FORMAT})")
    if metadata.get("sha256") != _digest(tensors, metadata["state"]):
        raise CheckpointError(f"{path}: damaged checkpoint (its checksum is wrong)")
    return Checkpoint(tensors, json.loads(metadata["state"]))


def _write(path: Path, checkpoint: Checkpoint) -> None:
    # Copies where a tensor is not laid out plainly, or is the same memory as another: safetensors stores each once.
    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in checkpoint.tensors.items():
        value = tensor.detach().cpu().contiguous()
        memory = value.untyped_storage().data_ptr()
        plain[name] = value.clone() if memory in seen else value
        seen.add(memory)
    state = json.dumps(checkpoint.state)
    save_file(plain, path, {"format": FORMAT, "state": state, "sha256": _digest(plain, state)})
    _sync(path)


def _digest(tensors: Mapping[str, Tensor], state: str) -> str:
    digest = hashlib.sha256(state.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    """Waits until a file's content, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return next(iter(str(error).splitlines()), type(error).__name__)
