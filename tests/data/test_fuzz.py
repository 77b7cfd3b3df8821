"""Damaged files of every kind that is read are answered by a data set or by a clear line, never by anything else.

The whole of it is ten thousand inputs: `pytest -m slow tests/data/test_fuzz.py`.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet

from convsmith.data import open_dataset
from convsmith.data.decode.check import check_image
from convsmith.data.decode.image import FORMATS, decode
from convsmith.errors import ConvsmithError

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 12, 10, 3), dtype=np.uint8)
LABELS = np.arange(8) % 2

QUICK, SLOW = 25, 770
"""Inputs of each kind: of thirteen kinds, the slow run makes ten thousand."""


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


def check(read: Callable[[], object]) -> None:
    try:
        read()
    except ConvsmithError as error:
        assert "\n" not in str(error)


def check_source(kind: str, folder: Path, count: int, seed: int) -> None:
    make, of_folder = SOURCES[kind]
    path = make(folder)
    whole = path.read_bytes()
    for number in range(count):
        path.write_bytes(damaged(whole, np.random.default_rng([seed, number])))
        check(lambda: open_dataset(folder if of_folder else path, max_unusable=1.0))


def check_pixels(format: str, count: int, seed: int) -> None:
    whole = encoded(format)

    def read(data: bytes) -> NDArray[np.uint8]:
        check_image(data)
        return decode(data)

    for number in range(count):
        data = damaged(whole, np.random.default_rng([seed, number]))
        check(lambda data=data: read(data))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SOURCES)
def test_a_damaged_source_is_answered_by_one_line(kind: str, tmp_path: Path) -> None:
    check_source(kind, tmp_path, QUICK, seed=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_image_is_answered_by_one_line(format: str) -> None:
    check_pixels(format, QUICK, seed=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [*SOURCES, *FORMATS])
def test_ten_thousand_damaged_files_are_answered_by_one_line(kind: str, tmp_path: Path) -> None:
    if kind in SOURCES:
        check_source(kind, tmp_path, SLOW, seed=1)
    else:
        check_pixels(kind, SLOW, seed=1)
