"""Keras' two HDF5 formats: the legacy one (`.h5`, layers by name) and that of Keras 3 (`.weights.h5`, by number)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from convsmith.errors import ModelFileError
from convsmith.weights.formats.stored import StoredTensor, from_array, one_line
from convsmith.weights.translate.keras_layers import KerasLayer, numbered

if TYPE_CHECKING:
    from torch import Tensor

KERAS_VERSION = "3.0.0"
"""The version that we write. Readers rearrange the weights of files without one, or of Keras 1."""

ATTRIBUTE_BYTES = 64_512
"""Longer lists are split over several attributes, as Keras does: HDF5 attributes are smaller than 64 KiB."""

LARGEST_EXPANSION = 1000
"""How many times larger a dataset may be than its stored bytes; beyond that the file only claims to be large."""

VARIABLE = re.compile(r"(?:layers|_layer_checkpoint_dependencies)/(.+)/vars/(\d+)")
"""Paths of variables in `.weights.h5`, of Keras 3 and of TensorFlow 2.12 and 2.13."""

NUMBERS = "fiub"
"""NumPy's kinds of types that are numbers."""

KERAS_1 = {"W": "kernel", "b": "bias"}
"""Keras 1 wrote `block1_conv1_W_1:0`; its VGG files are still published."""


@dataclass(frozen=True, eq=False)
class KerasFile:
    """The weights of an HDF5 file: by layer, and within a layer by name or, in `.weights.h5`, by number."""

    layers: Mapping[str, Mapping[str, StoredTensor]]
    by_number: bool

    def named(self, expected: Sequence[KerasLayer]) -> dict[str, StoredTensor]:
        """The weights under the keys of the expected layers; anything else keeps its own key."""
        return _named_by_number(self.layers, expected) if self.by_number else _named(self.layers, expected)


def read_hdf5(file: Path | io.BytesIO) -> KerasFile:
    """A Keras file's weights. Raises ModelFileError for a file that is damaged, is not Keras', or links to others."""
    try:
        with h5py.File(file, "r") as root:
            if "layer_names" not in root.attrs and "model_weights" in root:
                root = _group(root, "model_weights")
            if "layer_names" in root.attrs or "layer_names0" in root.attrs:
                found = {name: dict(_layer(_group(root, name), name)) for name in _names(root, "layer_names")}
                return KerasFile({name: tensors for name, tensors in found.items() if tensors}, by_number=False)
            return KerasFile(_numbered_layers(root), by_number=True)
    except ModelFileError:
        raise
    except Exception as error:  # h5py raises anything for damaged files
        raise ModelFileError(f"is damaged, or not an HDF5 file of Keras: {one_line(error)}") from None


def write_legacy(layers: Sequence[KerasLayer], state: Mapping[str, Tensor]) -> bytes:
    """A legacy HDF5 file, which `keras.Model.load_weights` takes by order as well as by name."""
    content = io.BytesIO()
    with h5py.File(content, "w") as root:
        root.attrs["backend"] = b"tensorflow"
        root.attrs["keras_version"] = KERAS_VERSION.encode()
        _set_names(root, "layer_names", [layer.name for layer in layers])
        for layer in layers:
            group = root.create_group(layer.name)
            _set_names(group, "weight_names", layer.keys)
            for key in layer.keys:
                group[key] = _array(state[key])
    return content.getvalue()


def write_by_number(layers: Sequence[KerasLayer], state: Mapping[str, Tensor]) -> bytes:
    """A `.weights.h5` file of Keras 3."""
    content = io.BytesIO()
    with h5py.File(content, "w") as root:
        for name, layer in numbered(layers).items():
            group = root.create_group(f"layers/{name}/vars")
            group.attrs["name"] = layer.name
            for number, key in enumerate(layer.keys):
                group[str(number)] = _array(state[key])
    return content.getvalue()


def _named(found: Mapping[str, Mapping[str, StoredTensor]], expected: Sequence[KerasLayer]) -> dict[str, StoredTensor]:
    """By name if the names are ours; else in the order of the layers if their number is right, as Keras itself does."""
    ours = [layer.name for layer in expected]
    in_order = found.keys() != set(ours) and len(found) == len(ours)
    names = dict(zip(found, ours, strict=True)) if in_order else {name: name for name in found}
    return {
        parameter if "/" in parameter else f"{names[layer]}/{parameter}": tensor
        for layer, tensors in found.items()
        for parameter, tensor in tensors.items()
    }


def _layer(group: h5py.Group, name: str) -> Iterator[tuple[str, StoredTensor]]:
    """A layer's parameters. If the layer is itself a model, each of its layers' parameters gets a key of its own."""
    paths = _names(group, "weight_names")
    parameters = [_parameter(path, name) for path in paths]
    nested = len(set(parameters)) < len(parameters)
    for path, parameter in zip(paths, parameters, strict=True):
        key = "/".join([*path.split("/")[-2:-1], parameter]) if nested else parameter
        yield key, _tensor(_item(group, path))


def _parameter(path: str, layer: str) -> str:
    """ "kernel" of "conv1/kernel:0", and of "conv1_W_1:0" in layer conv1."""
    last = path.rpartition("/")[2].partition(":")[0]
    old = last.removeprefix(f"{layer}_").partition("_")[0]
    return KERAS_1.get(old, last)


def _numbered_layers(root: h5py.Group) -> dict[str, dict[str, StoredTensor]]:
    variables: dict[str, dict[int, StoredTensor]] = {}

    def collect(path: str, item: object) -> None:
        match = VARIABLE.fullmatch(path)
        # A dropout layer saves the state of its random numbers, which is not a weight.
        if match and isinstance(item, h5py.Dataset) and not match[1].endswith("seed_generator"):
            variables.setdefault(match[1], {})[int(match[2])] = _tensor(item)

    root.visititems(collect)  # follows no link out of the file
    if not variables:
        raise ModelFileError("is an HDF5 file that holds no weights of Keras")
    return {name: {str(i): tensors[i] for i in sorted(tensors)} for name, tensors in variables.items()}


def _named_by_number(
    found: Mapping[str, Mapping[str, StoredTensor]], expected: Sequence[KerasLayer]
) -> dict[str, StoredTensor]:
    layers = numbered(expected)
    state: dict[str, StoredTensor] = {}
    for name, tensors in found.items():
        keys = layers[name].keys if name in layers else ()
        fits = len(keys) == len(tensors)
        for place, (number, tensor) in enumerate(tensors.items()):
            state[keys[place] if fits else f"layers/{name}/vars/{number}"] = tensor
    return state


def _group(parent: h5py.Group, name: str) -> h5py.Group:
    item = _item(parent, name)
    if not isinstance(item, h5py.Group):
        raise ModelFileError(f"is damaged: {name} is not a group")
    return item


def _item(parent: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """What is at a path. Links are refused: they could lead to other files."""
    for name in path.split("/"):
        if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
            raise ModelFileError(f"is refused: {path} is a link")
        parent = parent[name]
    return parent


def _tensor(dataset: h5py.Dataset) -> StoredTensor:
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise ModelFileError(f"is refused: {dataset.name} is stored outside this file")
    if dataset.nbytes > LARGEST_EXPANSION * dataset.id.get_storage_size():
        raise ModelFileError(
            f"is damaged: {dataset.name} claims {dataset.nbytes:,} bytes, which the file does not have"
        )
    values: NDArray[np.generic] = np.asarray(dataset[()])
    if dataset.attrs.get("dtype") == "bfloat16":
        return from_array(values.view(np.int16), "bfloat16")
    if values.dtype.kind not in NUMBERS:
        raise ModelFileError(f"is damaged: {dataset.name} holds no numbers")
    return from_array(values)


def _array(tensor: Tensor) -> NDArray[np.generic]:
    """float32 for bfloat16, which HDF5 lacks."""
    import torch

    array: NDArray[np.generic] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


def _names(group: h5py.Group, name: str) -> list[str]:
    """A list of strings in an attribute, or in several: NAME0, NAME1, ..."""
    if name in group.attrs:
        parts = [group.attrs[name]]
    else:
        parts = [group.attrs[f"{name}{i}"] for i in range(len(group.attrs)) if f"{name}{i}" in group.attrs]
    return [text.decode() if isinstance(text, bytes) else str(text) for part in parts for text in part]


def _set_names(group: h5py.Group, name: str, texts: Sequence[str]) -> None:
    array = np.array([text.encode() for text in texts])
    pieces = -(-array.nbytes // ATTRIBUTE_BYTES)
    if pieces <= 1:
        group.attrs[name] = array
        return
    for i, piece in enumerate(np.array_split(array, pieces + 1)):
        group.attrs[f"{name}{i}"] = piece
