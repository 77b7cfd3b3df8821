"""Checkpoints of every kind, and files that only look like one."""

from __future__ import annotations

import contextlib
import gzip
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st
from safetensors.torch import save_file
from torch import Tensor

import convsmith
from convsmith.errors import ConvsmithError, ModelFileError, UsageError
from convsmith.network import Network
from convsmith.weights import to_library
from convsmith.weights.formats.checkpoints import read

State = dict[str, Tensor]
States = dict[str, State]


STATE = {"conv1.0.weight": torch.arange(648.0).reshape(24, 3, 3, 3), "fc.bias": torch.zeros(2)}
"""A part of a checkpoint of torchvision's ShuffleNet, with two classes."""


def save_old(state: object, path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def save_package(state: State, path: Path) -> None:
    content = io.BytesIO()
    save_old(state, content)  # type: ignore[arg-type]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("package/__init__.py", "raise SystemExit")
        archive.writestr("package/models/net.pth", content.getvalue())


@pytest.mark.parametrize("save", [torch.save, save_old, save_file, save_package])
def test_every_kind_of_file_is_known_by_its_content(
    save: Callable[[State, Path], None], states: States, resnet: Network, tmp_path: Path
) -> None:
    path = tmp_path / "weights.bin"
    save(states["torchvision"], path)
    weights = read(path, resnet).complete()
    assert weights.keys() == resnet.parameters.keys()
    assert torch.equal(weights["layer1.0.conv1.weight"], states["torchvision"]["layer1.0.conv1.weight"])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {f"module._orig_mod.{key}": value for key, value in state.items()}},
    ],
)
def test_weights_within_a_training_checkpoint_are_found(
    wrap: Callable[[State], object], states: States, resnet: Network, tmp_path: Path
) -> None:
    torch.save(wrap(states["torchvision"]), tmp_path / "checkpoint.pth")
    assert read(tmp_path / "checkpoint.pth", resnet).problems == ()


def test_half_precision_goes_through(states: States, resnet: Network, tmp_path: Path) -> None:
    halves = {k: v.bfloat16() if v.is_floating_point() else v for k, v in states["torchvision"].items()}
    save_file(halves, tmp_path / "half.safetensors")
    weights = read(tmp_path / "half.safetensors", resnet).complete()
    assert torch.equal(weights["fc.weight"], halves["fc.weight"])


def test_missing_left_over_and_misshapen_keys_are_listed(states: States, resnet: Network, tmp_path: Path) -> None:
    state = {**states["torchvision"], "fc.weight": torch.zeros(5, 512), "extra": torch.zeros(1)}
    del state["conv1.weight"]
    torch.save(state, tmp_path / "odd.pth")
    found = read(tmp_path / "odd.pth", resnet)
    assert found.problems == (
        "missing conv1.weight",
        "fc.weight has shape (5, 512), fc needs (3, 512)",
        "left over extra",
    )
    with pytest.raises(ModelFileError, match=r"missing conv1\.weight; fc\.weight has shape .*; left over extra"):
        found.complete()


def tar(path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())


def packed_tar(path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("model.pth"), io.BytesIO())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (tar, r"torch before 0\.1\.10"),
        (packed_tar, "is a tar archive: unpack it"),
        (lambda path: path.write_bytes(gzip.compress(b"a" * 1000)), "is compressed by gzip: unpack it"),
        (lambda path: path.write_bytes(pickle.dumps({"loss": 0.5})), "holds no state dict"),
        (lambda path: torch.save([1, 2], path), "holds no state dict"),
        (lambda path: torch.save({"epoch": 1}, path), "holds no state dict"),
        (lambda path: path.write_bytes(b""), "is not a checkpoint"),
        (lambda path: path.write_text("<html>404 Not Found</html>"), "is not a checkpoint"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and no more"), "is damaged"),
        (lambda path: zipfile.ZipFile(path, "w").writestr("a.txt", "a"), "is an archive with no checkpoints"),
        (lambda path: None, "cannot read"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_line(
    make: Callable[[Path], object], words: str, resnet: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    make(path)
    with pytest.raises(ModelFileError, match=words) as caught:
        read(path, resnet)
    assert "weights.pth" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("save", [torch.save, save_old, save_file, save_package])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.99])
def test_a_file_cut_short_is_refused(
    save: Callable[[State, Path], None], share: float, states: States, resnet: Network, tmp_path: Path
) -> None:
    path = tmp_path / "short"
    save(states["torchvision"], path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelFileError, match="short"):
        read(path, resnet)


@settings(max_examples=60)
@given(st.integers(0, 4000), st.integers(1, 255), st.sampled_from(["zip", "old"]))
def test_a_flipped_byte_is_refused_or_harmless_but_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, position: int, change: int, kind: str
) -> None:
    net = convsmith.create("torchvision/shufflenet_v2_x0_5", classes=2)
    path = tmp_path_factory.mktemp("flipped") / "weights.pth"
    torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= change
    path.write_bytes(content)
    with contextlib.suppress(ModelFileError):
        read(path, net)


def test_whose_weights_they_are_must_be_said_where_the_name_does_not(states: States, tmp_path: Path) -> None:
    torch.save(states["torchvision"], tmp_path / "weights.pth")
    ours = convsmith.create("resnet18", classes=3)
    with pytest.raises(UsageError, match="torchvision/resnet50"):
        read(tmp_path / "weights.pth", ours)
    assert read(tmp_path / "weights.pth", ours, "torchvision").problems == ()


def test_other_libraries_weights_are_refused(states: States, mobilenet: Network, tmp_path: Path) -> None:
    torch.save(states["torchvision"], tmp_path / "weights.pth")
    with pytest.raises(ConvsmithError, match="these keras weights do not fit keras/MobileNet"):
        read(tmp_path / "weights.pth", mobilenet).complete()


def test_a_packages_keys_are_known_for_the_networks_that_it_has_weights_of(tmp_path: Path) -> None:
    net = convsmith.create("timm/tf_efficientnet_lite0", classes=2)
    weights = convsmith.build(net).state_dict()
    torch.save(to_library(net, weights, "efficientnet_pytorch"), tmp_path / "lite0.pth")
    found = read(tmp_path / "lite0.pth", net)
    assert (found.source, found.problems) == ("efficientnet_pytorch", ())
    # The same keys, but a network that pads otherwise.
    assert read(tmp_path / "lite0.pth", convsmith.create("timm/efficientnet_lite0", classes=2)).problems
