"""What the words of a command line mean: a network, a checkpoint, class names, preprocessing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import convsmith
from convsmith.errors import UsageError
from convsmith.network import Network
from convsmith.network.dims import Shape

if TYPE_CHECKING:
    from convsmith.network import Preprocess
    from convsmith.zoo import Published

SUFFIXES = (".json", ".safetensors", ".pt", ".pth", ".onnx", ".h5", ".keras", ".whl")


def network_of(
    source: str, classes: int | None = None, input: str | None = None, width: float | None = None
) -> Network:
    """The network of this name, for these classes, input ("CxHxW") and width multiplier, or the one in this file.

    Raises UsageError for an unknown name or a file that holds no network, ModelFileError for a damaged model file.
    """
    path = Path(source)
    if not path.is_file():
        if path.suffix in SUFFIXES:
            raise UsageError(f"{source}: no such file")
        settings = {} if width is None else {"width": width}
        return convsmith.create(source, classes=classes, input=None if input is None else shape_of(input), **settings)
    if (classes, input, width) != (None, None, None):
        raise UsageError(f"--classes, --input and --width change a network by name; {source} is a file")
    return _read(path)


def published(name: str) -> Published | None:
    """The paper's figures, for the paper's own networks only: none for a file or a library's version."""
    from convsmith.zoo.registry import POINTS, VARIANTS

    return VARIANTS[name].published if name in VARIANTS else POINTS.get(name)


def _read(path: Path) -> Network:
    if path.suffix == ".json":
        try:
            return Network.from_json(path.read_text(encoding="utf-8"))
        except (UsageError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: {error}") from None
    from convsmith.model.file import read_header

    return read_header(path).network


def shape_of(words: str) -> Shape:
    """(C, H, W) of "3x224x224". Raises UsageError."""
    parts = words.split("x")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) for part in parts):
        raise UsageError(f"--input is channels x height x width such as 3x224x224, not {words!r}")
    return tuple(int(part) for part in parts)


def checkpoint_of(source: str) -> Path:
    """The file that is meant: a path, or published weights by name, which are fetched.

    Raises UsageError or UnknownNameError where there is neither, DownloadError.
    """
    from convsmith.cli.progress import download_progress
    from convsmith.weights.registry import fetch_weights

    path = Path(source)
    if path.is_file():
        return path
    if path.suffix in SUFFIXES:
        raise UsageError(f"{source}: no such file")
    with download_progress() as tell:
        return fetch_weights(source, on_progress=tell)


def class_names_of(path: Path) -> list[str]:
    """Class names of a text file, a line each. Raises UsageError if it cannot be read or names a class twice."""
    names = [line.strip() for line in _text(path).splitlines() if line.strip()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if not names or twice:
        raise UsageError(f"{path}: {f'{twice!r} is there twice' if twice else 'no class names'}")
    return names


def preprocess_of(path: Path) -> Preprocess:
    """The preprocessing that a JSON file describes. Raises UsageError."""
    from convsmith.network import Preprocess

    try:
        return Preprocess.from_json(json.loads(_text(path)))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UsageError(f"{path} describes no preprocessing: {type(error).__name__} {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
