"""From words to values: which network or which model a name, a path or a value stands for.

A verb asks once, at its edge; everything behind it takes values. A file is known by its content, not by its name.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from convsmith.errors import ModelFileError, UsageError
from convsmith.network.dims import Shape
from convsmith.network.network import Network
from convsmith.zoo import create
from convsmith.zoo.registry import VARIANTS

if TYPE_CHECKING:  # a network by name needs none of these
    from convsmith.download import Progress
    from convsmith.model import Model

Kind = Literal["model", "network", "onnx", "checkpoint", "unknown"]
"""What a file holds: a model of ours, a network without weights (JSON), an ONNX graph, another library's weights."""

SUFFIXES = (".json", ".safetensors", ".pt", ".pth", ".onnx", ".h5", ".keras", ".whl")
"""A word that ends so means a file, whether it exists or not."""

MODEL_FILE = "model.safetensors"
"""The model in a run's folder."""

CHECKPOINTS = (b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x80")
"""How HDF5 files, zip archives (PyTorch, Keras) and pickles start."""

ONNX = b"\x08"
"""How ONNX files start: the first field of the protobuf is the version of the format."""

NAMED: dict[str, Kind] = {".json": "network", ".onnx": "onnx", ".safetensors": "model"}
"""What a file is meant to hold that holds nothing of the kind."""

CODE = re.compile(r"\.py:\w+$")

HEADER_BYTES = 1 << 20
"""How far into a safetensors file `kind_of` looks for our metadata."""


def kind_of(path: Path) -> Kind:
    """What a file holds, by its first bytes, or if they say nothing by its name. Raises UsageError if unreadable."""
    try:
        with path.open("rb") as file:
            start = file.read(HEADER_BYTES)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    from convsmith.model.file import KEY

    if start[8:9] == b"{":  # safetensors: eight bytes of length, then JSON
        return "model" if f'"{KEY}"'.encode() in start else "checkpoint"
    if start.lstrip().startswith(b"{"):
        return "network"
    if start.startswith(CHECKPOINTS):
        return "checkpoint"
    return "onnx" if start.startswith(ONNX) else NAMED.get(path.suffix.lower(), "unknown")


def network_of(source: Network | Model | str | Path, *, input: Shape | None = None) -> Network:
    """The network that is meant: a value, or a model's; by name; or in a file, or in a run's folder.

    Files are model files, ONNX files, and JSON: what `Network.to_json` gives, alone or as the "architecture" of a
    larger object. `module.py:make_model` is the torch module that this function makes. It is read for images of
    shape `input` (C, H, W), which also settles sizes that an ONNX file leaves open. Only code and ONNX files import
    torch.

    Raises UnknownNameError for a name that is not known, UsageError for a file that holds no network or cannot be read
    and for code without `input`, ModelFileError for a damaged model file, ReadError for what has no counterpart here.
    """
    if isinstance(source, Network):
        return source
    if not isinstance(source, (str, Path)):
        return source.network
    if is_code(source):
        return _network_of_code(str(source), input)
    path = file_of(source)
    if path is None:
        return create(str(source))
    kind = kind_of(path)
    if kind == "onnx":
        from convsmith.backend.read.onnx import read_onnx

        return read_onnx(path, input).network
    if kind == "network":
        return _network_in(path)
    if kind == "checkpoint":
        raise ModelFileError(f"{path} holds another library's weights, not a network; {_import(path)}")
    from convsmith.model import read_header

    return read_header(path).network


def model_of(source: Model | str | Path, *, on_progress: Progress = lambda done, total: None) -> Model:
    """The model that is meant: a value; a model file or the run folder that holds one; or published weights.

    Published weights may be a file or a name (`convsmith.weights.published`), by which they are fetched into the
    user's cache if need be; `on_progress` is told (bytes done, bytes in all).

    Raises UsageError for what has no weights, UnknownNameError for an unknown name, ModelFileError for a damaged file
    or a checkpoint that does not say what it is of, DownloadError.
    """
    if not isinstance(source, (str, Path)):
        return source
    path = file_of(source)
    if path is None:
        return _published(str(source), on_progress)
    match kind_of(path):
        case "network":
            raise UsageError(f"{path} is a network without weights; a model file (.safetensors) is needed")
        case "onnx":
            raise UsageError(f"{path} is an ONNX file; the model file that it was exported from is needed")
        case "checkpoint":
            return _imported(path)
    from convsmith.model import load_model

    return load_model(path)


def file_of(source: str | Path) -> Path | None:
    """The file that is meant, in a run's folder the model file; None if it is a name.

    Raises UsageError for a folder without a model and for a missing file.
    """
    path = Path(source)
    if path.is_file():
        return path
    if (path / MODEL_FILE).is_file():
        return path / MODEL_FILE
    if isinstance(source, Path) or path.suffix.lower() in SUFFIXES or path.is_absolute():
        raise UsageError(f"{source} is a folder without {MODEL_FILE}" if path.is_dir() else f"{source}: no such file")
    return None


def is_read(source: str | Path) -> bool:
    """Whether a network is read from code or an ONNX file, for which an example's shape may be given."""
    if is_code(source):
        return True
    path = file_of(source)
    return path is not None and kind_of(path) == "onnx"


def is_code(source: object) -> bool:
    """Whether a torch module is meant by the code that makes it: `module.py:make_model`."""
    return isinstance(source, str) and CODE.search(source) is not None


def _network_of_code(source: str, input: Shape | None) -> Network:
    if input is None:
        raise UsageError(f"{source} is read with an example image: say its channels x height x width", settings="input")
    from convsmith.backend.read import read
    from convsmith.backend.read.module.factory import load_factory

    return read(load_factory(source), input).network


def _network_in(path: Path) -> Network:
    try:
        data = json.loads(path.read_bytes())
        return Network.from_json(data.get("architecture", data))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}") from None
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _published(name: str, on_progress: Progress) -> Model:
    from convsmith.weights.importing import import_weights
    from convsmith.weights.published_weights import fetch_weights, published
    from convsmith.zoo.libraries import NAMES

    if name in VARIANTS or (name in NAMES and not published(name)):
        raise UsageError(f"{name} is a network without weights; a model file or published weights are needed")
    return import_weights(fetch_weights(name, on_progress=on_progress)).model


def _imported(path: Path) -> Model:
    from convsmith.weights.importing import import_weights
    from convsmith.weights.published_weights import recognised

    if recognised(path) is None:
        raise ModelFileError(f"{path} is not a model file but another library's checkpoint; {_import(path)}")
    return import_weights(path).model


def _import(path: Path) -> str:
    return f"`convsmith weights import {path}` makes a model file of it"
