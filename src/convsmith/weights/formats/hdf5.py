"""Keras' two HDF5 formats: the legacy one (`.h5`, layers by name) and that of Keras 3 (`.weights.h5`, by number)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py  # type: ignore[import-untyped]
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convsmith.errors import ModelFileError
from convsmith.weights.translate.keras_layers import KerasLayer, numbered

KERAS_VERSION = "3.0.0"
"""The version that we write. Readers rearrange the weights of files without one, or of Keras 1."""

ATTRIBUTE_BYTES = 64_512
"""Longer lists are split over several attributes, as Keras does: HDF5 attributes are smaller than 64 KiB."""

LARGEST_EXPANSION = 1000
"""How many times larger a dataset may be than its stored bytes; beyond that the file only claims to be large."""

VARIABLE = re.compile(r"(?:layers|_layer_checkpoint_dependencies)/(.+)/vars/(\d+)")
"""Paths of variables in `.weights.h5`, of Keras 3 and of TensorFlow 2.12 and 2.13."""

KERAS_1 = {"W": "kernel", "b": "bias"}
"""Keras 1 wrote `block1_conv1_W_1:0`; its VGG files are still published."""


def read_hdf5(file: Path | io.BytesIO, label: str, layers: Sequence[KerasLayer]) -> dict[str, Tensor]:
    """A Keras file's weights under the keys of the expected `layers`; anything else in it keeps its own key.

    Raises ModelFileError, naming `label`, for a file that is damaged, is not Keras', or links to other files.
    """
    try:
        with h5py.File(file, "r") as root:
            if "layer_names" not in root.attrs and "model_weights" in root:
                root = _group(root, "model_weights")
            if "layer_names" in root.attrs or "layer_names0" in root.attrs:
                return _legacy(root, layers)
            return _by_number(root, layers)
    except ModelFileError as error:
        raise ModelFileError(f"{label}: {error}") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{label} is damaged, or not an HDF5 file of Keras: {error}") from None


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


def _legacy(root: h5py.Group, expected: Sequence[KerasLayer]) -> dict[str, Tensor]:
    """By name if the names are ours; else in the order of the layers if their number is right, as Keras itself does."""
    found = {name: dict(_layer(_group(root, name), name)) for name in _names(root, "layer_names")}
    found = {name: tensors for name, tensors in found.items() if tensors}
    ours = [layer.name for layer in expected]
    in_order = found.keys() != set(ours) and len(found) == len(ours)
    names = dict(zip(found, ours, strict=True)) if in_order else {name: name for name in found}
    return {
        parameter if "/" in parameter else f"{names[layer]}/{parameter}": tensor
        for layer, tensors in found.items()
        for parameter, tensor in tensors.items()
    }


def _layer(group: h5py.Group, name: str) -> Iterator[tuple[str, Tensor]]:
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


def _by_number(root: h5py.Group, expected: Sequence[KerasLayer]) -> dict[str, Tensor]:
    variables: dict[str, dict[int, Tensor]] = {}

    def collect(path: str, item: object) -> None:
        match = VARIABLE.fullmatch(path)
        # A dropout layer saves the state of its random numbers, which is not a weight.
        if match and isinstance(item, h5py.Dataset) and not match[1].endswith("seed_generator"):
            variables.setdefault(match[1], {})[int(match[2])] = _tensor(item)

    root.visititems(collect)  # follows no link out of the file
    if not variables:
        raise ModelFileError("an HDF5 file that holds no weights of Keras")
    layers = numbered(expected)
    state: dict[str, Tensor] = {}
    for name, tensors in variables.items():
        keys = layers[name].keys if name in layers else ()
        fits = len(keys) == len(tensors)
        for number, tensor in sorted(tensors.items()):
            state[keys[number] if fits else f"layers/{name}/vars/{number}"] = tensor
    return state


def _group(parent: h5py.Group, name: str) -> h5py.Group:
    item = _item(parent, name)
    if not isinstance(item, h5py.Group):
        raise ModelFileError(f"{name} is not a group")
    return item


def _item(parent: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """What is at a path. Links are refused: they could lead to other files."""
    for name in path.split("/"):
        if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
            raise ModelFileError(f"{path} is a link")
        parent = parent[name]
    return parent


def _tensor(dataset: h5py.Dataset) -> Tensor:
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise ModelFileError(f"{dataset.name} is stored outside this file")
    if dataset.nbytes > LARGEST_EXPANSION * dataset.id.get_storage_size():
        raise ModelFileError(f"{dataset.name} claims {dataset.nbytes:,} bytes, which the file does not have")
    values: NDArray[np.generic] = np.asarray(dataset[()])
    if dataset.attrs.get("dtype") == "bfloat16":
        return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(values)


def _array(tensor: Tensor) -> NDArray[np.generic]:
    """float32 for bfloat16, which HDF5 lacks."""
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
