"""Keras' HDF5 files without Keras: their orders, their oddities, and files that are damaged or point elsewhere."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

import convsmith
from convsmith.errors import ModelFileError, UsageError
from convsmith.network import Network
from convsmith.weights.formats.checkpoints import read
from convsmith.weights.formats.hdf5 import write_by_number, write_legacy
from convsmith.weights.translate.keras_layers import KerasLayer, keras_layers

State = dict[str, Tensor]
Writer = Callable[[Sequence[KerasLayer], State], bytes]
REFERENCES = sorted((Path(__file__).parents[2] / "reference").glob("keras__*.json"))
WRITERS = [write_legacy, write_by_number]


@pytest.fixture
def state(states: dict[str, State]) -> State:
    return dict(states["keras"])


@pytest.fixture(params=WRITERS, ids=["legacy", "by number"])
def file(request: pytest.FixtureRequest, tmp_path: Path, mobilenet: Network, state: State) -> Path:
    """A whole file of either format."""
    path = tmp_path / "weights.h5"
    path.write_bytes(request.param(keras_layers(mobilenet), state))
    return path


@pytest.mark.parametrize("path", REFERENCES, ids=lambda p: p.stem)
def test_layers_stand_in_keras_order(path: Path) -> None:
    reference = json.loads(path.read_text())
    net = convsmith.create(f"keras/{reference['name'].removesuffix(':1.0')}")
    theirs = list(dict.fromkeys(key.split("/")[-2] for key, _ in reference["state"]))
    assert _counted([layer.name for layer in keras_layers(net)]) == _counted(theirs)


def _counted(names: list[str]) -> list[str]:
    """Unnamed layers by their order among those of their kind, for a session may have counted on from other models."""
    for kind in ("conv2d", "batch_normalization"):
        numbers = sorted(int(n.removeprefix(kind).lstrip("_") or 0) for n in names if _unnamed(n, kind))
        order = {f"{kind}_{n}" if n else kind: f"{kind} {i}" for i, n in enumerate(numbers)}
        names = [order.get(name, name) for name in names]
    return names


def _unnamed(name: str, kind: str) -> bool:
    return name == kind or (name.startswith(f"{kind}_") and name.removeprefix(f"{kind}_").isdecimal())


def test_what_is_written_is_read_back(file: Path, mobilenet: Network, state: State) -> None:
    found = read(file, mobilenet)
    assert found.problems == ()
    assert torch.equal(found.weights["fc.bias"], state["conv_preds/bias"])


@pytest.mark.parametrize("write", WRITERS)
def test_the_same_weights_give_the_same_bytes(write: Writer, mobilenet: Network, state: State) -> None:
    layers = keras_layers(mobilenet)
    assert write(layers, state) == write(layers, state)


def test_legacy_layers_of_other_names_are_taken_in_their_order(
    tmp_path: Path, mobilenet: Network, state: State
) -> None:
    layers = keras_layers(mobilenet)
    others = [
        KerasLayer(f"other_{i}", layer.kind, tuple(f"other_{i}/{key.partition('/')[2]}" for key in layer.keys))
        for i, layer in enumerate(layers)
    ]
    renamed = {
        new: state[old]
        for layer, other in zip(layers, others, strict=True)
        for old, new in zip(layer.keys, other.keys, strict=True)
    }
    (tmp_path / "w.h5").write_bytes(write_legacy(others, renamed))
    assert torch.equal(read(tmp_path / "w.h5", mobilenet).complete()["fc.bias"], state["conv_preds/bias"])


def test_names_of_keras_1_and_2_are_understood(tmp_path: Path, mobilenet: Network, state: State) -> None:
    old = {"conv2d": ("_W_1:0", "_b_1:0"), "depthwise_conv2d": ("/depthwise_kernel:0",)}
    with h5py.File(tmp_path / "old.h5", "w") as root:
        layers = keras_layers(mobilenet)
        root.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            suffixes = old.get(layer.kind, [f"/{key.partition('/')[2]}:0" for key in layer.keys])
            names = [layer.name + suffix for suffix, _ in zip(suffixes, layer.keys, strict=False)]
            group = root.create_group(layer.name)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, key in zip(names, layer.keys, strict=True):
                group[name] = state[key].numpy()
    assert read(tmp_path / "old.h5", mobilenet).problems == ()


def test_long_lists_of_names_are_split_as_keras_does(tmp_path: Path, mobilenet: Network, state: State) -> None:
    long = "x" * 1300
    layers = [layer._replace(name=layer.name + long) for layer in keras_layers(mobilenet)]
    (tmp_path / "w.h5").write_bytes(write_legacy(layers, state))
    with h5py.File(tmp_path / "w.h5") as root:
        assert "layer_names" not in root.attrs
        assert len(root.attrs["layer_names0"]) + len(root.attrs["layer_names1"]) < len(layers)
    assert read(tmp_path / "w.h5", mobilenet).problems == ()


def test_keras_own_bfloat16_is_read(tmp_path: Path, mobilenet: Network, state: State) -> None:
    (tmp_path / "w.weights.h5").write_bytes(write_by_number(keras_layers(mobilenet), state))
    with h5py.File(tmp_path / "w.weights.h5", "r+") as root:
        group = root["layers/conv2d/vars"]
        values = group["0"][()].astype(ml_dtypes.bfloat16)
        del group["0"]
        group.create_dataset("0", data=values).attrs["dtype"] = "bfloat16"
    first = read(tmp_path / "w.weights.h5", mobilenet).complete()["conv1.weight"]
    assert torch.equal(first, state["conv1/kernel"].permute(3, 2, 0, 1).bfloat16())


def test_missing_and_left_over_layers_are_listed(file: Path, mobilenet: Network) -> None:
    with h5py.File(file, "r+") as root:
        if "layers" in root:
            root["layers/dense/vars/0"] = np.zeros(3)
            del root["layers/conv2d/vars/0"]
        else:
            del root["conv1/conv1/kernel"]
            root["conv1"].attrs["weight_names"] = np.zeros(0, "S1")
            root["conv1_bn/conv1_bn/extra"] = np.zeros(3)
            root["conv1_bn"].attrs["weight_names"] = [*root["conv1_bn"].attrs["weight_names"], b"conv1_bn/extra"]
    problems = read(file, mobilenet).problems
    assert problems[0] == "missing conv1/kernel"
    assert problems[1:] in (("left over layers/dense/vars/0",), ("left over conv1_bn/extra",))


def test_a_file_cut_short_is_refused(file: Path, mobilenet: Network) -> None:
    content = file.read_bytes()
    for share in (0.01, 0.5, 0.999):
        file.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ModelFileError, match=r"weights\.h5 is damaged"):
            read(file, mobilenet)


@settings(max_examples=25)
@given(st.integers(0, 20_000), st.integers(1, 255), st.sampled_from(WRITERS))
def test_a_flipped_byte_is_refused_or_harmless_but_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory,
    mobilenet: Network,
    states: dict[str, State],
    position: int,
    change: int,
    write: Writer,
) -> None:
    path = tmp_path_factory.mktemp("flipped") / "weights.h5"
    content = bytearray(write(keras_layers(mobilenet), states["keras"]))
    content[position] ^= change
    path.write_bytes(content)
    with contextlib.suppress(ModelFileError):
        read(path, mobilenet)


def test_an_hdf5_file_of_something_else_is_refused(tmp_path: Path, mobilenet: Network) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as root:
        root["images"] = np.zeros(3)
    with pytest.raises(ModelFileError, match="holds no weights of Keras"):
        read(tmp_path / "data.h5", mobilenet)


def test_links_out_of_the_file_are_not_followed(tmp_path: Path, mobilenet: Network, state: State) -> None:
    (tmp_path / "w.h5").write_bytes(write_legacy(keras_layers(mobilenet), state))
    (tmp_path / "secret.h5").write_bytes((tmp_path / "w.h5").read_bytes())
    with h5py.File(tmp_path / "w.h5", "r+") as root:
        del root["conv1/conv1/kernel"]
        root["conv1/conv1/kernel"] = h5py.ExternalLink("secret.h5", "conv1/conv1/kernel")
    with pytest.raises(ModelFileError, match=r"conv1/kernel is a link"):
        read(tmp_path / "w.h5", mobilenet)


def test_a_dataset_that_only_claims_to_be_large_is_not_allocated(
    tmp_path: Path, mobilenet: Network, state: State
) -> None:
    (tmp_path / "w.h5").write_bytes(write_legacy(keras_layers(mobilenet), state))
    with h5py.File(tmp_path / "w.h5", "r+") as root:
        del root["conv1/conv1/kernel"]
        root.create_dataset("conv1/conv1/kernel", shape=(1 << 20, 1 << 20), dtype="f4", chunks=(1024, 1024))
    with pytest.raises(ModelFileError, match="claims 4,398,046,511,104 bytes"):
        read(tmp_path / "w.h5", mobilenet)


def test_a_keras_file_is_not_read_as_another_librarys(file: Path, resnet: Network) -> None:
    with pytest.raises(UsageError, match="is a Keras file, not one of torchvision"):
        read(file, resnet)
