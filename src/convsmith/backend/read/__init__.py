"""Other people's networks as ours: any image-classifying `nn.Module` or ONNX file -> network and weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from convsmith.backend.read.draft import Read
from convsmith.errors import ReadError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Read", "is_factory", "load_factory", "read"]


def is_factory(word: str) -> bool:
    """Whether a word names something in a Python file: "net.py:make_model"."""
    from convsmith.backend.read.module import factory

    return factory.is_factory(word)


def load_factory(word: str) -> nn.Module:
    """The module that `make_model` of "net.py:make_model" makes. Runs the file, as Python's import does."""
    from convsmith.backend.read.module import factory

    return factory.load_factory(word)


def read(
    source: nn.Module | str | Path, example_shape: tuple[int, int, int] | None = None, *, name: str | None = None
) -> Read:
    """The network that a module or an ONNX file computes, and its weights: `network, weights = read(...)`.

    `example_shape` is one image (C, H, W) as a module takes it, or (H, W, C) if it holds channels last (Keras'); an
    ONNX file says its own.
    `name` is the network's; the module's class or the file's stem unless given.

    Raises ReadError for what has no counterpart in a network: what it is, where, and the nearest way out.
    """
    if isinstance(source, (str, Path)):
        if Path(source).suffix != ".onnx":
            raise ReadError(f"cannot read {str(source)!r}", advice="give a torch module, or an .onnx file")
        from convsmith.backend.read.onnx import read_onnx

        return read_onnx(Path(source), example_shape, name=name)
    from torch import nn

    from convsmith.backend.read.module.read import read_module

    if not isinstance(source, nn.Module):
        kind = f"class {source.__name__} itself" if isinstance(source, type) else type(source).__name__
        raise ReadError(f"cannot read a {kind}", advice="give a torch module, or an .onnx file")
    if example_shape is None:
        raise ReadError("reading a module needs example_shape, one image (channels, height, width)")
    return read_module(source, example_shape, name)
