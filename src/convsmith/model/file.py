"""The one model file: network, classes, preprocessing, provenance, metrics and weights in a single safetensors file.

Its layout is described in docs/format.md, from which a reader can be written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convsmith.errors import ConvsmithError, ModelFileError, WeightsError
from convsmith.files import write_bytes
from convsmith.model import container, packed
from convsmith.model.container import KEY, Container, read_container, read_data
from convsmith.model.header import Header
from convsmith.model.model import Model
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.network.storage import FLOATS, FloatStorage, with_storage

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["KEY", "Header", "Model", "Seal", "load_model", "read_header", "save_model", "verify"]

FORMAT = 2
CODED_FORMAT = 3
"""Description, grids and all parameters in one entropy-coded tensor."""
UNSEALED_FORMAT = 1
"""Had neither a seal nor storages: a parameter was in the float type that its tensor had."""


@dataclass(frozen=True)
class _Description:
    """What the metadata say, as JSON."""

    format: int
    network: dict[str, Any]
    classes: list[str]
    preprocess: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seal:
    """What `verify` found in a file that is whole: tensors, their bytes, their checksum (None if it has no seal)."""

    path: Path
    tensors: int
    bytes: int
    checksum: str | None

    def __str__(self) -> str:
        held = f"{self.tensors:,} tensors, {self.bytes:,} bytes"
        if self.checksum is None:
            return f"{held}: written before model files had a seal, so damage would not show; save it again to seal it"
        return f"{held}: as they were written (checksum {self.checksum})"


def save_model(model: Model, path: str | Path) -> None:
    """Write a model file; the same model gives the same bytes. An existing file is replaced in one step, or kept.

    Raises WeightsError for weights that their storage cannot hold exactly, OutputError if the file cannot be written.
    """
    write_bytes(path, _to_bytes(model))


def size_in_bytes(model: Model) -> int:
    """What the model's file would take. Raises WeightsError as `save_model` does."""
    return len(_to_bytes(model))


def _to_bytes(model: Model) -> bytes:
    if model.packing == "coded":
        content = packed.pack(model, _describe(model.header, CODED_FORMAT))
        only = container.Tensor(packed.NAME, "U8", (len(content),), memoryview(content))
        return container.to_bytes(packed.NAME, [only])
    return container.to_bytes(_describe(model.header, FORMAT).decode(), _plain_tensors(model))


def _plain_tensors(model: Model) -> list[container.Tensor]:
    import torch

    from convsmith.model.codecs import encode

    tensors = []
    for key, weight in model.weights.items():
        storage = model.network.storage_of(key)
        try:
            parts = encode(storage, weight, model.grids.get(key, {}))
        except WeightsError as error:
            raise WeightsError(f"{key}: {error}") from None
        for raw in storage.tensors(tuple(weight.shape)):
            content = memoryview(parts[raw.part].contiguous().flatten().view(torch.uint8).numpy().data)
            tensors.append(container.Tensor(raw.name(key), raw.dtype, raw.shape, content))
    return tensors


def read_header(path: str | Path) -> Header:
    """Network, classes, preprocessing and the rest, without reading tensors or importing torch.

    Raises ModelFileError naming the file and what is wrong with it: it is damaged or was cut short, or a tensor is
    missing, left over or not as its network's storage has it.
    """
    found = read_container(Path(path))
    return header_of(found, read_data(found) if found.description == packed.NAME else None)


def load_model(path: str | Path) -> Model:
    """The model of a file. Raises ModelFileError as `read_header` does, and if tensors do not match their checksum."""
    from convsmith.model.codecs import decode

    found = read_container(Path(path))
    data = read_data(found)
    header = header_of(found, data)
    if header.packing == "coded":
        with _named(path):
            return header.with_weights(*packed.unpack(data, header.network))
    parts = _tensors(found, data)
    weights: dict[str, Tensor] = {}
    grids: dict[str, Mapping[str, Tensor]] = {}
    for key, parameter in header.network.parameters.items():
        storage = header.network.storage_of(key)
        raw = {tensor.part: parts[tensor.name(key)] for tensor in storage.tensors(parameter.shape)}
        try:
            weights[key], grids[key] = decode(storage, raw, tuple(parameter.shape))
        except WeightsError as error:
            raise ModelFileError(f"{path}: {key}: {error}") from None
    return header.with_weights(weights, {key: grid for key, grid in grids.items() if grid})


def verify(path: str | Path) -> Seal:
    """Holds every byte of a model file against its checksums. Raises ModelFileError if it is damaged."""
    found = read_container(Path(path))
    header_of(found, read_data(found))
    return Seal(Path(path), len(found.entries), found.data_bytes, found.sealed)


def _describe(header: Header, version: int) -> bytes:
    described = {
        "format": version,
        "network": header.network.to_json(),
        "classes": list(header.classes),
        "preprocess": header.preprocess.to_json(),
        "provenance": dict(header.provenance),
        "metrics": dict(header.metrics),
    }
    return json.dumps(_finite(described), sort_keys=True, allow_nan=False, separators=(",", ":")).encode()


@contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """Puts the file's name before what is wrong with it."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None


def _description(found: Container, data: bytearray | None) -> str | bytes:
    """The JSON: in the metadata, or at the start of a coded file's data."""
    if found.description != packed.NAME:
        return found.description
    assert data is not None
    with _named(found.path):
        if list(found.entries) != [packed.NAME]:
            raise ModelFileError(f"it has other tensors than {packed.NAME!r}")
        return packed.description_of(data)


def header_of(found: Container, data: bytearray | None) -> Header:
    """The header; a coded file's is in its data, which a plain one's need not be given."""
    import msgspec

    path, coded = found.path, found.description == packed.NAME
    text = _description(found, data)
    try:
        given = json.loads(text)
        known = (CODED_FORMAT,) if coded else (FORMAT, UNSEALED_FORMAT)
        if isinstance(given, dict) and given.get("format") not in known:
            raise ModelFileError(
                f"{path} is of format {given.get('format')}; this convsmith reads up to {CODED_FORMAT}"
            )
        described = msgspec.convert(given, _Description)
        network = Network.from_json(described.network)
        if described.format == UNSEALED_FORMAT:
            network = _stored_as_found(network, found)
        header = Header(
            network,
            tuple(described.classes),
            Preprocess.from_json(described.preprocess),
            described.provenance,
            described.metrics,
            "coded" if coded else "plain",
        )
    except ModelFileError:
        raise
    except ConvsmithError as error:
        raise ModelFileError(f"{path}: {error}") from None
    except msgspec.ValidationError as error:
        raise ModelFileError(f"{path}: its description is damaged ({error})") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path}: its description is damaged ({type(error).__name__}: {error})") from None
    if described.format != UNSEALED_FORMAT and found.sealed is None:
        raise ModelFileError(f"{path}: its seal is missing, which format {described.format} always has")
    if len(header.classes) != header.network.classes:
        raise ModelFileError(f"{path}: {len(header.classes)} class names for {header.network.classes} outputs")
    if not coded:
        _check_tensors(found, header.network)
    return header


def _stored_as_found(network: Network, found: Container) -> Network:
    """Format 1: the float type of each tensor is how its parameter is stored."""
    types = {dtype: name for name, dtype in FLOATS.items()}
    kept = {key: found.entries[key].dtype for key in network.parameters if key in found.entries}
    return with_storage(network, {key: FloatStorage(types[dtype]) for key, dtype in kept.items() if dtype in types})


def _check_tensors(found: Container, network: Network) -> None:
    """The file holds what the network's storages need, and nothing else."""
    left_over = set(found.entries)
    for key, parameter in network.parameters.items():
        for raw in network.storage_of(key).tensors(parameter.shape):
            name = raw.name(key)
            if name not in found.entries:
                raise ModelFileError(f"{found.path}: tensor {name} of its network is missing")
            dtype, shape, *_ = found.entries[name]
            if shape != tuple(raw.shape):
                wanted = list(raw.shape)
                raise ModelFileError(f"{found.path}: tensor {name} has shape {list(shape)}, its network needs {wanted}")
            if dtype != raw.dtype:
                raise ModelFileError(f"{found.path}: tensor {name} is {dtype}, its network stores it as {raw.dtype}")
            left_over.discard(name)
    if left_over:
        raise ModelFileError(f"{found.path}: tensor {min(left_over)} is not of its network")


def torch_dtypes() -> dict[str, torch.dtype]:
    """torch's types by safetensors' names for them."""
    import torch

    return {
        "F64": torch.float64,
        "F32": torch.float32,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "I32": torch.int32,
        "I8": torch.int8,
        "U8": torch.uint8,
    }


def _tensors(found: Container, data: bytearray) -> dict[str, Tensor]:
    """Views of the data, each of its type and shape; a tensor that lies askew is copied."""
    import torch

    types = torch_dtypes()
    whole = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
    tensors = {}
    for name, (dtype, shape, start, stop) in found.entries.items():
        part = whole[start:stop]
        aligned = part if start % types[dtype].itemsize == 0 else part.clone()
        tensors[name] = aligned.view(types[dtype]).reshape(shape)
    return tensors


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN: they become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
