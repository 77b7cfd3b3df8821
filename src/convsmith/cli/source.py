"""What the words of a command line mean: a network, a model, a checkpoint, class names, preprocessing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from convsmith import resolve
from convsmith.errors import UsageError
from convsmith.network import Network
from convsmith.network.dims import Shape
from convsmith.zoo import create

if TYPE_CHECKING:
    from convsmith.model.file import Model
    from convsmith.network import Preprocess
    from convsmith.zoo import PaperFigures

CHANNELS = (1, 3)
"""Of grey and colour images."""


def network_of(
    source: str, classes: int | None = None, input: str | None = None, width: float | None = None
) -> Network:
    """The network that is meant (see `convsmith.resolve.network_of`), for these classes, this input and width.

    A network by name can be written for any of the three; code and ONNX files are read with an input. Raises
    UsageError where a file is to be changed, and as `convsmith.resolve.network_of` does.
    """
    shape = None if input is None else shape_of(input)
    if not resolve.is_code(source) and resolve.file_of(source) is None:
        settings = {} if width is None else {"width": width}
        return create(source, classes=classes, input=shape, **settings)
    asked = {"classes": classes, "width": width} | ({} if resolve.is_read(source) else {"input": input})
    changed = tuple(name for name, value in asked.items() if value is not None)
    if changed:
        raise UsageError(f"only a network by name can be changed, and {source} is a file", settings=changed)
    return resolve.network_of(source, input=shape)


def model_of(source: str) -> Model:
    """The model that is meant (see `convsmith.resolve.model_of`); a download is shown as a bar."""
    from convsmith.cli.progress import download_progress

    with download_progress() as tell:
        return resolve.model_of(source, on_progress=tell)


def published(name: str) -> PaperFigures | None:
    """The paper's figures, for the paper's own networks only: none for a file or a library's version."""
    from convsmith.zoo.registry import POINTS, VARIANTS

    return VARIANTS[name].published if name in VARIANTS else POINTS.get(name)


def shape_of(words: str) -> Shape:
    """(C, H, W) of "3x224x224". Raises UsageError."""
    parts = words.split("x")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) for part in parts):
        raise UsageError(f"must be channels x height x width, such as 3x224x224, not {words!r}", settings="input")
    first, height, last = map(int, parts)
    if last in CHANNELS and first not in CHANNELS and height not in CHANNELS:
        raise UsageError(
            f"channels come first: {last}x{first}x{height}, not {words}, which is {first} channels", settings="input"
        )
    return first, height, last


def checkpoint_of(source: str) -> Path:
    """The file that is meant: a path, or published weights by name, which are fetched.

    Raises UsageError or UnknownNameError where there is neither, DownloadError.
    """
    from convsmith.cli.progress import download_progress
    from convsmith.weights.published_weights import fetch_weights

    path = resolve.file_of(source)
    if path is not None:
        return path
    with download_progress() as tell:
        return fetch_weights(source, on_progress=tell)


def class_names_of(path: Path) -> list[str]:
    """Class names of a text file, one on each line. Raises UsageError if it cannot be read or names a class twice."""
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
        raise UsageError(f"{path} does not describe preprocessing: {type(error).__name__} {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
