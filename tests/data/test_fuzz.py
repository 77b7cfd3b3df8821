"""Damaged files of every kind that is read are answered by a result or by a clear line, never by anything else.

The whole of it is ten thousand inputs: `pytest -m slow tests/data/test_fuzz.py`. Other ones come with another seed:
`FUZZ_SEED=2 pytest ...`. What fails is named by its kind, seed and number, from which `damaged` makes it again.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import pickle
import resource
import signal
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet
from safetensors.torch import save_file

import convsmith
from convsmith import resolve
from convsmith.backend.onnx import to_onnx
from convsmith.data import open_dataset
from convsmith.data.decode.check import check_image
from convsmith.data.decode.image import FORMATS, decode
from convsmith.errors import ConvsmithError
from convsmith.weights import read, to_library
from convsmith.weights.formats.hdf5 import write_by_number, write_legacy
from convsmith.weights.translate.keras_layers import keras_layers

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 12, 10, 3), dtype=np.uint8)
LABELS = np.arange(8) % 2

SEED = int(os.environ.get("FUZZ_SEED", "1"))
QUICK, SLOW = 25, 440
"""Inputs of each kind: of twenty-three kinds, the slow run makes ten thousand."""

SECONDS, BYTES = 60, 6 << 30
"""That an answer may take, and that the process may grow by: generous, for what would never end or fill the machine."""


def encoded(format: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(stream, format)
    return stream.getvalue()


def npz(folder: Path) -> Path:
    np.savez_compressed(folder / "set.npz", images=PIXELS, labels=LABELS)
    return folder / "set.npz"


def table(folder: Path) -> Path:
    columns = {"image": [encoded("PNG")] * 8, "label": LABELS}
    parquet.write_table(pa.table(columns), folder / "set.parquet")
    return folder / "set.parquet"


def csv(folder: Path) -> Path:
    Image.fromarray(PIXELS[0]).save(folder / "a.png")
    (folder / "set.csv").write_text("path,class,split\na.png,x,train\nb.png,y,val\n")
    return folder / "set.csv"


def tar(folder: Path) -> Path:
    with tarfile.open(folder / "train.tar", "w") as archive:
        for number, label in enumerate(LABELS.tolist()):
            for name, content in ((f"{number}.png", encoded("PNG")), (f"{number}.cls", b"ab"[label : label + 1])):
                header = tarfile.TarInfo(name)
                header.size = len(content)
                archive.addfile(header, io.BytesIO(content))
    return folder / "train.tar"


def idx(folder: Path) -> Path:
    images = b"\0\0\x08\x03" + b"".join(n.to_bytes(4) for n in (8, 12, 10)) + PIXELS[..., 0].tobytes()
    labels = b"\0\0\x08\x01" + (8).to_bytes(4) + LABELS.astype(np.uint8).tobytes()
    (folder / "train-labels-idx1-ubyte").write_bytes(labels)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images, mtime=0))
    return folder / "train-images-idx3-ubyte.gz"


SOURCES: dict[str, tuple[Callable[[Path], Path], bool]] = {
    "npz": (npz, False),
    "parquet": (table, False),
    "csv": (csv, False),
    "tar": (tar, True),
    "idx": (idx, True),
}
"""How a file is made, and whether its folder is what is opened."""


def torch_zip(folder: Path) -> Path:
    torch.save({"state_dict": WEIGHTS, "args": argparse.Namespace(lr=0.1), "epoch": 3}, folder / "net.pth")
    return folder / "net.pth"


def torch_stream(folder: Path) -> Path:
    torch.save({"model": WEIGHTS, "epoch": 3}, folder / "net.pth", _use_new_zipfile_serialization=False)
    return folder / "net.pth"


def plain_pickle(folder: Path) -> Path:
    (folder / "net.pkl").write_bytes(pickle.dumps({key: tensor.numpy() for key, tensor in WEIGHTS.items()}))
    return folder / "net.pkl"


def safetensors(folder: Path) -> Path:
    save_file(WEIGHTS, folder / "net.safetensors")
    return folder / "net.safetensors"


def legacy_hdf5(folder: Path) -> Path:
    (folder / "net.h5").write_bytes(write_legacy(keras_layers(KERAS), KERAS_WEIGHTS))
    return folder / "net.h5"


def numbered_hdf5(folder: Path) -> Path:
    (folder / "net.weights.h5").write_bytes(write_by_number(keras_layers(KERAS), KERAS_WEIGHTS))
    return folder / "net.weights.h5"


def keras_archive(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "net.keras", "w") as archive:
        archive.write(numbered_hdf5(folder), "model.weights.h5")
    return folder / "net.keras"


def model_file(folder: Path) -> Path:
    preprocess = convsmith.Preprocess(1, (32, 32), 32, (0.5,), (0.5,))
    classes = tuple("0123456789")
    model = convsmith.Model(LENET, convsmith.build(LENET).state_dict(), classes, preprocess)
    convsmith.save_model(model, folder / "model.safetensors")
    return folder / "model.safetensors"


def network_json(folder: Path) -> Path:
    (folder / "net.json").write_text(json.dumps(LENET.to_json()))
    return folder / "net.json"


def onnx(folder: Path) -> Path:
    (folder / "net.onnx").write_bytes(to_onnx(LENET, convsmith.build(LENET).state_dict()).SerializeToString())
    return folder / "net.onnx"


TORCH = convsmith.create("torchvision/shufflenet_v2_x0_5", classes=2)
WEIGHTS = {"conv1.0.weight": torch.arange(648.0).reshape(24, 3, 3, 3), "fc.bias": torch.zeros(2)}
KERAS = convsmith.create("keras/MobileNet:0.25", classes=2)
KERAS_WEIGHTS = to_library(KERAS, convsmith.build(KERAS).state_dict(), "keras")
LENET = convsmith.create("lenet5", input=(1, 32, 32))

MODELS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "torch": (torch_zip, lambda path: read(path, TORCH)),
    "old torch": (torch_stream, lambda path: read(path, TORCH)),
    "pickle": (plain_pickle, lambda path: read(path, TORCH)),
    "safetensors": (safetensors, lambda path: read(path, TORCH)),
    "legacy HDF5": (legacy_hdf5, lambda path: read(path, KERAS)),
    "Keras 3": (numbered_hdf5, lambda path: read(path, KERAS)),
    "keras": (keras_archive, lambda path: read(path, KERAS)),
    "model file": (model_file, resolve.model_of),
    "network": (network_json, resolve.network_of),
    "onnx": (onnx, resolve.network_of),
}
"""How a file is made, and how it is read."""


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """A few bytes changed, taken out, put in, or the end cut off."""
    data = bytearray(content)
    for _ in range(int(generator.integers(1, 6))):
        place = int(generator.integers(len(data) + 1)) if generator.random() < 0.5 else int(generator.integers(64))
        junk = generator.bytes(int(generator.integers(1, 5)))
        match int(generator.integers(4)):
            case 0:
                data[place : place + len(junk)] = junk
            case 1:
                data[place:place] = junk
            case 2:
                del data[place : place + 4]
            case 3:
                del data[max(1, place) :]
    return bytes(data)


@contextmanager
def bounded(what: str) -> Iterator[None]:
    """Within this, the memory is limited, and whatever takes too long or fails is an error that says `what` it was."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES, before[1]))
    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def check(read: Callable[[], object], what: str) -> None:
    with bounded(what):
        try:
            read()
        except ConvsmithError as error:
            assert "\n" not in str(error)


def check_file(kind: str, path: Path, read: Callable[[], object], count: int, seed: int) -> None:
    whole = path.read_bytes()
    for number in range(count):
        path.write_bytes(damaged(whole, np.random.default_rng([seed, number])))
        check(read, f"{kind}, seed {seed}, input {number}")


def check_source(kind: str, folder: Path, count: int, seed: int) -> None:
    make, of_folder = SOURCES[kind]
    path = make(folder)
    check_file(kind, path, lambda: open_dataset(folder if of_folder else path, max_unusable=1.0), count, seed)


def check_model(kind: str, folder: Path, count: int, seed: int) -> None:
    make, read_model = MODELS[kind]
    path = make(folder)
    read_model(path)  # whole, it is read
    check_file(kind, path, lambda: read_model(path), count, seed)


def check_pixels(format: str, count: int, seed: int) -> None:
    whole = encoded(format)

    def read(data: bytes) -> NDArray[np.uint8]:
        check_image(data)
        return decode(data)

    for number in range(count):
        data = damaged(whole, np.random.default_rng([seed, number]))
        check(lambda data=data: read(data), f"{format}, seed {seed}, input {number}")


def check_kind(kind: str, folder: Path, count: int, seed: int) -> None:
    if kind in SOURCES:
        check_source(kind, folder, count, seed)
    elif kind in MODELS:
        check_model(kind, folder, count, seed)
    else:
        check_pixels(kind, count, seed)


KINDS = [*SOURCES, *MODELS, *FORMATS]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_answered_by_one_line(kind: str, tmp_path: Path) -> None:
    check_kind(kind, tmp_path, QUICK, seed=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_damaged_files_are_answered_by_one_line(kind: str, tmp_path: Path) -> None:
    check_kind(kind, tmp_path, SLOW, SEED)
