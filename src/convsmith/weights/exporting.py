"""A model's weights as a checkpoint of another library, for a network that is exactly the same there."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from convsmith.errors import UsageError
from convsmith.files import write_bytes
from convsmith.model.file import Model
from convsmith.network.network import Network
from convsmith.weights.translate.matching import to_library
from convsmith.zoo.libraries import LIBRARIES, NAMES
from convsmith.zoo.registry import create, origin_of

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Exported:
    """A written checkpoint: the library's name for the network, and how many tensors and bytes the file holds."""

    path: Path
    network: str
    tensors: int
    bytes: int


def export_weights(model: Model, library: str, path: Path) -> Exported:
    """Writes a model's weights as "torchvision", "timm" or "keras" would, in the format that the file's ending names.

    `.pth`, `.pt` and `.safetensors` for torch's libraries, `.weights.h5` (Keras 3) and `.h5` (legacy) for Keras. An
    existing file is replaced in one step, or kept. Raises UsageError for another ending, or where the library has no
    network that computes the same.
    """
    if library not in LIBRARIES:
        raise UsageError(f"weights can be exported to {', '.join(LIBRARIES)}, not to {library!r}")
    formats = KERAS if library == "keras" else TORCH
    ending = next((ending for ending in formats if path.name.endswith(ending)), None)
    if ending is None:
        raise UsageError(f"{path}: a file of weights for {library} ends in {', '.join(formats)}")
    network = counterpart(model.network, library)
    state = to_library(network, model.weights, library)
    content = formats[ending](network, state)
    write_bytes(path, content)
    return Exported(path, network.name, len(state), len(content))


def counterpart(network: Network, library: str) -> Network:
    """The same network under the library's name for it. Raises UsageError if the library's computes something else."""
    network = replace(network, storage=())
    origin = origin_of(network)
    if origin is None:
        raise UsageError(f"{library} has no network that computes the same as {network.name}")
    own = origin.library == library
    alike = [
        name for name, (record, alias) in NAMES.items() if (record.library, alias.variant) == (library, origin.variant)
    ]
    names, width = [origin.name] if own else alike, origin.setting("width")
    # The width after a colon is the last resort: a library may have a name of its own for it.
    for name in (*names, *(f"{name}:{width:g}" for name in names if isinstance(width, int | float))):
        theirs = create(name, classes=network.classes, input=network.input)
        if replace(theirs, name=network.name) == network:
            return theirs
    hint = f"; a model created as {names[0]} can be exported" if names and not own else ""
    raise UsageError(f"{library} has no network that computes the same as {network.name}{hint}")


def _pth(network: Network, state: State) -> bytes:
    content = io.BytesIO()
    torch.save(dict(state), content)
    return content.getvalue()


def _safetensors(network: Network, state: State) -> bytes:
    from safetensors.torch import save

    return bytes(save(dict(state), {"format": "pt"}))


def _keras_3(network: Network, state: State) -> bytes:
    from convsmith.weights.formats.hdf5 import write_by_number
    from convsmith.weights.translate.keras_layers import keras_layers

    return write_by_number(keras_layers(network), state)


def _keras_legacy(network: Network, state: State) -> bytes:
    from convsmith.weights.formats.hdf5 import write_legacy
    from convsmith.weights.translate.keras_layers import keras_layers

    return write_legacy(keras_layers(network), state)


Format = Callable[[Network, State], bytes]
TORCH: dict[str, Format] = {".pth": _pth, ".pt": _pth, ".safetensors": _safetensors}
KERAS: dict[str, Format] = {".weights.h5": _keras_3, ".h5": _keras_legacy, ".hdf5": _keras_legacy}
