"""The one model file: weights, network, classes, preprocessing, provenance and metrics in a single safetensors file."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convsmith.errors import ConvsmithError, ModelFileError
from convsmith.files import write_bytes
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
KEY = "convsmith"
LARGEST_HEADER = 100_000_000
"""Bytes; safetensors' own limit."""
FLOAT_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclass(frozen=True)
class Header:
    """What a model file says without its tensors.

    `provenance` tells how the weights came about: data fingerprint, recipe, seed, versions. `metrics` are those
    measured, with the split that they were measured on.
    """

    network: Network
    classes: tuple[str, ...]
    preprocess: Preprocess
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "network": self.network.to_json(),
            "classes": list(self.classes),
            "preprocess": self.preprocess.to_json(),
            "provenance": dict(self.provenance),
            "metrics": dict(self.metrics),
        }


@dataclass(frozen=True, eq=False)
class Model:
    """A network with its weights: state dict of `network.parameters`, in any floating type."""

    header: Header
    weights: Mapping[str, Tensor]

    @property
    def network(self) -> Network:
        return self.header.network

    @property
    def classes(self) -> tuple[str, ...]:
        return self.header.classes

    @property
    def preprocess(self) -> Preprocess:
        return self.header.preprocess

    @property
    def provenance(self) -> Mapping[str, Any]:
        return self.header.provenance

    @property
    def metrics(self) -> Mapping[str, Any]:
        return self.header.metrics


def save_model(model: Model, path: Path) -> None:
    """Write a model file; the same model gives the same bytes. An existing file is replaced in one step, or kept.

    Tensors that are not the network's (a norm's batch counter) are left out.
    Raises ModelFileError if a tensor of the network is missing, OutputError if the disk is full.
    """
    from safetensors.torch import save

    missing = [name for name in model.network.parameters if name not in model.weights]
    if missing:
        raise ModelFileError(f"{path}: the weights lack {', '.join(missing[:4])}")
    tensors = {name: model.weights[name].detach().cpu().contiguous() for name in model.network.parameters}
    metadata = {KEY: json.dumps(_finite(model.header.to_json()), sort_keys=True, allow_nan=False)}
    write_bytes(path, save(tensors, metadata))


def read_header(path: Path) -> Header:
    """Network, classes, preprocessing and the rest, without reading tensors or importing torch.

    Raises ModelFileError naming the file and what is wrong with it: it was cut short, or a tensor is missing, left
    over or of the wrong shape.
    """
    raw, stored = _raw_header(path)
    header = _header(path, raw)
    _check_tensors(path, header.network, {k: v for k, v in raw.items() if k != "__metadata__"}, stored)
    return header


def load_model(path: Path) -> Model:
    """The model of a file. Raises ModelFileError as `read_header` does."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path)
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: {error}") from None
    return Model(header, weights)


def _raw_header(path: Path) -> tuple[dict[str, Any], int]:
    """The JSON at the start of a safetensors file (8 bytes of length, then text), and the bytes of tensors after it."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if start.startswith(PICKLES):
                raise ModelFileError(f"{path} is a pickle (.pt, .pth); those can run code and are never loaded here")
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            stored = path.stat().st_size - 8 - length
            if not 2 <= length <= LARGEST_HEADER or stored < 0:
                raise ModelFileError(f"{path} is not a safetensors file, or was cut short")
            raw = json.loads(file.read(length))
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ModelFileError(f"{path} is not a safetensors file, or is damaged") from None
    if not isinstance(raw, dict):
        raise ModelFileError(f"{path} is not a safetensors file, or is damaged")
    return raw, stored


def _header(path: Path, raw: Mapping[str, Any]) -> Header:
    metadata = raw.get("__metadata__")
    if not isinstance(metadata, dict) or KEY not in metadata:
        raise ModelFileError(f"{path} holds tensors but no convsmith model: its metadata lacks {KEY!r}")
    try:
        data = json.loads(metadata[KEY])
        if data["format"] != FORMAT:
            raise ModelFileError(f"{path} is of format {data['format']}; this convsmith reads format {FORMAT}")
        header = Header(
            network=Network.from_json(data["network"]),
            classes=tuple(str(name) for name in data["classes"]),
            preprocess=Preprocess.from_json(data["preprocess"]),
            provenance=dict(data["provenance"]),
            metrics=dict(data["metrics"]),
        )
    except ModelFileError:
        raise
    except ConvsmithError as error:
        raise ModelFileError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path}: its description is damaged ({type(error).__name__}: {error})") from None
    if len(header.classes) != header.network.classes:
        raise ModelFileError(f"{path}: {len(header.classes)} class names for {header.network.classes} outputs")
    return header


def _check_tensors(path: Path, network: Network, tensors: Mapping[str, Any], stored: int) -> None:
    expected = 0
    for name, parameter in network.parameters.items():
        if name not in tensors:
            raise ModelFileError(f"{path}: tensor {name} of its network is missing")
        shape, wanted = tensors[name].get("shape"), list(parameter.shape)
        if shape != wanted:
            raise ModelFileError(f"{path}: tensor {name} has shape {shape}, its network needs {wanted}")
        if tensors[name].get("dtype") not in FLOAT_BYTES:
            raise ModelFileError(f"{path}: tensor {name} is {tensors[name].get('dtype')}, not floating point")
        expected += math.prod(wanted) * FLOAT_BYTES[tensors[name]["dtype"]]
    for name in tensors:
        if name not in network.parameters:
            raise ModelFileError(f"{path}: tensor {name} is not of its network")
    if stored != expected:
        raise ModelFileError(f"{path} was cut short: it holds {stored:,} bytes of tensors and should hold {expected:,}")


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN: they become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
