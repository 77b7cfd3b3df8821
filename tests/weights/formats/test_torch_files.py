"""Files of torch, whatever lies beside the tensors or around them."""

from __future__ import annotations

import argparse
import datetime
import enum
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convsmith.errors import ModelFileError
from convsmith.weights.formats.checkpoints import loaded, open_checkpoint

STATE = {"conv.weight": torch.arange(54.0).reshape(2, 3, 3, 3), "conv.bias": torch.ones(2)}


class Colour(enum.Enum):
    RED = 1


class Config(dict[str, Any]):
    """As OmegaConf's and EasyDict's: a dictionary with attributes."""

    def __init__(self, **items: object) -> None:
        super().__init__(items)
        self.__dict__.update(items)


def old(value: object, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def new_protocol(value: object, path: Path) -> None:
    torch.save(value, path, pickle_protocol=5)


def plain(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


SAVERS = (torch.save, old, new_protocol, plain)


def tensors_of(path: Path) -> dict[str, Tensor]:
    state = max(open_checkpoint(path).states, key=lambda state: len(state.tensors))
    return loaded(state.tensors, path)


def assert_same(found: dict[str, Tensor]) -> None:
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize(
    "beside",
    [
        argparse.Namespace(lr=0.1, path=Path("a/b")),
        SimpleNamespace(lr=0.1),
        Config(lr=0.1, nested=Config(depth=3)),
        OrderedDict(lr=0.1),
        defaultdict(list, lr=[0.1]),
        np.float64(0.5),
        np.arange(3),
        np.random.RandomState(0).get_state(),
        Path("/data/train"),
        datetime.datetime(2026, 11, 27),
        torch.Size((1, 2)),
        torch.device("cpu"),
        torch.float16,
        Colour.RED,
        {1, 2},
        frozenset("ab"),
        1 + 2j,
        nn.CrossEntropyLoss,
        os.system,
        {"momentum": [torch.ones(3)]},
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_lies_beside_the_tensors_does_not_matter(
    beside: object, save: Callable[[object, Path], None], tmp_path: Path
) -> None:
    save({"state_dict": STATE, "args": beside, "optimizer": {"state": {0: STATE}}}, tmp_path / "file")
    assert_same(tensors_of(tmp_path / "file"))


LAYERS = {f"layer{i}.conv.{name}": torch.full((2, 2), float(i)) for i in range(5) for name in ("weight", "bias")}


def nested(state: dict[str, Tensor]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for key, tensor in state.items():
        *path, name = key.split(".")
        place = root
        for word in path:
            place = place.setdefault(word, {})
        place[name] = tensor
    return root


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize(
    "put",
    [
        lambda state: [state, {"lr": 0.1}],
        lambda state: (3, state),
        lambda state: {"models": [state], "best": 0},
        lambda state: {key.encode(): tensor for key, tensor in state.items()},
        nested,
    ],
    ids=["list", "tuple", "list under a key", "bytes", "nested"],
)
def test_states_in_lists_under_bytes_and_layer_by_layer_are_found(
    put: Callable[[dict[str, Tensor]], object], save: Callable[[object, Path], None], tmp_path: Path
) -> None:
    save(put(LAYERS), tmp_path / "file")
    found = tensors_of(tmp_path / "file")
    assert found.keys() == LAYERS.keys()
    assert all(torch.equal(found[key], LAYERS[key]) for key in LAYERS)


def test_a_list_of_tensors_is_no_state(tmp_path: Path) -> None:
    torch.save({"model": STATE, "ema": {"decay": 0.9, "shadow_params": list(STATE.values())}}, tmp_path / "file")
    assert_same(tensors_of(tmp_path / "file"))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.register_buffer("passing", torch.ones(1), persistent=False)
        with torch.no_grad():
            self.conv.weight.copy_(STATE["conv.weight"])
            self.conv.bias.copy_(STATE["conv.bias"])  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize("save", SAVERS)
def test_a_whole_module_is_read_for_its_state(save: Callable[[object, Path], None], tmp_path: Path) -> None:
    save({"model": Net(), "epoch": 3}, tmp_path / "file")
    assert_same(tensors_of(tmp_path / "file"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_read_for_its_state(tmp_path: Path) -> None:
    class Scripted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = Net().conv

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x)  # type: ignore[no-any-return]

    torch.jit.save(torch.jit.trace(Scripted(), torch.zeros(1, 3, 8, 8)), tmp_path / "file")  # type: ignore[no-untyped-call]
    assert_same(tensors_of(tmp_path / "file"))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
def test_pickled_arrays_are_read(protocol: int, order: Any, dtype: str, tmp_path: Path) -> None:
    arrays = {key: np.asarray(tensor.numpy(), dtype, order=order) for key, tensor in STATE.items()}
    (tmp_path / "file").write_bytes(pickle.dumps({"model": arrays, "__author__": "me"}, protocol))
    assert_same({key: tensor.float() for key, tensor in tensors_of(tmp_path / "file").items()})


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(12.0).reshape(3, 4).T,
        torch.arange(12.0)[3:7:2],
        torch.zeros(0, 3),
        torch.tensor(1.5),
        torch.ones(2, dtype=torch.bfloat16),
        torch.ones(2, dtype=torch.int64),
        nn.Parameter(torch.ones(2)),
    ],
)
def test_tensors_come_back_as_they_were(tensor: Tensor, save: Callable[[object, Path], None], tmp_path: Path) -> None:
    save({"a": tensor, "b": torch.zeros(1)}, tmp_path / "file")
    found = tensors_of(tmp_path / "file")["a"]
    assert torch.equal(found, tensor)
    assert found.dtype == tensor.dtype


def test_types_without_a_storage_of_their_own_are_read(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3).to(torch.float8_e4m3fn)}, tmp_path / "file")
    assert torch.equal(tensors_of(tmp_path / "file")["a"].float(), torch.ones(3))


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (Path("went-off"),)


def test_quantized_tensors_are_refused(tmp_path: Path) -> None:
    # What torch.save writes of a quantized tensor; torch itself is about to drop those.
    class Quantized:
        def __reduce__(self) -> tuple[Any, ...]:
            from torch._utils import _rebuild_qtensor

            return _rebuild_qtensor, (Storage(4, torch.QInt8Storage), 0, (4,), (1,), (), False, OrderedDict())

    content = io.BytesIO()
    Pickler(content, 2).dump({"a": Quantized()})
    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        archive.writestr("a/data.pkl", content.getvalue())
        archive.writestr("a/data/0", bytes(4))
    with pytest.raises(ModelFileError, match=r"file holds quantized tensors \(qint8\): save"):
        tensors_of(tmp_path / "file")


@pytest.mark.parametrize("save", SAVERS)
def test_a_hostile_file_is_read_and_does_nothing(
    save: Callable[[object, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save({"state_dict": STATE, "args": Bomb()}, tmp_path / "file")
    assert_same(tensors_of(tmp_path / "file"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "file", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}))
        archive.writestr("a/data/0", bytes(50_000_000))
    with pytest.raises(ModelFileError, match=r"claims 50,000,\d+ bytes"):
        open_checkpoint(tmp_path / "file")


def test_an_archive_within_an_archive_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(50_000_000))
    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        archive.writestr("net.pth", inner.getvalue())
    with pytest.raises(ModelFileError, match="claims 50,000,000 bytes"):
        open_checkpoint(tmp_path / "file")


def rebuilt(count: int, start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> object:
    """A tensor of a storage of `count` numbers, as torch pickles it; torch itself would refuse some of these."""

    class Tensor:
        def __reduce__(self) -> tuple[Any, ...]:
            from torch._utils import _rebuild_tensor_v2

            return _rebuild_tensor_v2, (Storage(count), start, shape, strides, False, OrderedDict())

    return Tensor()


class Storage:
    def __init__(self, count: int, kind: type = torch.FloatStorage) -> None:
        self.count, self.kind = count, kind


class Pickler(pickle.Pickler):
    def persistent_id(self, value: object) -> object:
        return ("storage", value.kind, "0", "cpu", value.count) if isinstance(value, Storage) else None


@pytest.mark.parametrize(
    ("count", "start", "shape", "strides"),
    [
        (4, 0, (1 << 40,), (0,)),
        (4, 2, (3,), (1,)),
        (4, -1, (2,), (1,)),
        (4, 0, (2, 2), (4, 1)),
        (4, 0, (2,), (-1,)),
        (1 << 40, 0, (1 << 40,), (1,)),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(
    count: int, start: int, shape: tuple[int, ...], strides: tuple[int, ...], tmp_path: Path
) -> None:
    content = io.BytesIO()
    Pickler(content, 2).dump({"a": rebuilt(count, start, shape, strides)})
    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        archive.writestr("a/data.pkl", content.getvalue())
        archive.writestr("a/data/0", bytes(16))
    with pytest.raises(ModelFileError, match="file is damaged"):
        tensors_of(tmp_path / "file")


def test_modules_within_themselves_are_given_up(tmp_path: Path) -> None:
    module = nn.Module()
    module._modules["again"] = module
    torch.save({"model": module, "weights": STATE}, tmp_path / "file")
    with pytest.raises(ModelFileError, match="modules within modules without end"):
        open_checkpoint(tmp_path / "file")


def test_what_a_file_holds_is_told_without_torch(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "args": argparse.Namespace()}, tmp_path / "file")
    code = (
        "import sys, pathlib; from convsmith.weights.identification import identify;"
        f"identify(pathlib.Path({str(tmp_path / 'file')!r})); print('torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
