"""A folder with all of the faults at once is trained on, and each is named; `strict` refuses it and names each too."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convsmith.data import open_dataset
from convsmith.data.unlabelled import gather
from convsmith.errors import DataError


def pixels(*seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8))


def encoded(format: str) -> bytes:
    stream = BytesIO()
    pixels(99).save(stream, format)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


HUGE = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
LEFT_OUT = {
    "empty.jpg": (b"", "empty file"),
    "text.jpg": (b"hello, this is not an image at all", "not an image of a known format"),
    "cut off.jpg": (encoded("JPEG")[:900], "damaged image"),
    "cut off.png": (encoded("PNG")[:900], "damaged image"),
    "phone.heic": (b"\0\0\0\x18ftypheic" + bytes(30), "a HEIC image; convert it"),
    "pointer.png": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    "page.jpg": (b"<!DOCTYPE html><html></html>", "a web page"),
    "huge.png": (
        encoded("PNG")[:8] + chunk(b"IHDR", HUGE) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""),
        "30000x30000 pixels; at most 64,000,000",
    ),
}
NOTED = {
    "no end.jpg": (encoded("JPEG")[:-2], "its end marker is missing"),
    "texts.png": (
        encoded("PNG")[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000))) + encoded("PNG")[33:],
        "used without its text or colour profile",
    ),
}
USED = {
    "grey.png": pixels(1).convert("L"),
    "palette.gif": pixels(2).convert("P"),
    "cmyk.tiff": pixels(3).convert("CMYK"),
    "long.png": pixels(4).resize((600, 1)),
    "no suffix": pixels(5),
}
PASSED_OVER = ("notes.txt", "labels.json", "model.safetensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pets"
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        for number in range(25):
            pixels(len(label), ord(label[0]), number).save(root / label / f"{number}.png")
    for name, (content, _) in (LEFT_OUT | NOTED).items():
        (root / "cat" / name).write_bytes(content)
    for name, image in USED.items():
        image.save(root / "dog" / name, {"palette.gif": "GIF", "cmyk.tiff": "TIFF"}.get(name, "PNG"))
    for name in PASSED_OVER:
        (root / "dog" / name).write_bytes(b"no image")
    (root / "cow").mkdir()
    (root / "runs/first").mkdir(parents=True)
    (root / "runs/first/run.json").write_text('{"recipe": {}}')
    pixels(6).save(root / "runs/first/hardest.png")
    pixels(7).save(root / "loose.png")
    (root / "loop").symlink_to(root)
    return root


def test_every_fault_is_named_and_the_rest_is_used(folder: Path) -> None:
    dataset = open_dataset(folder)
    assert dataset.classes == ("cat", "dog")
    assert sum(map(len, dataset.splits.values())) == 50 + len(NOTED) + len(USED)
    skipped, notes = "\n".join(map(str, dataset.skipped)), "\n".join(map(str, dataset.notes))
    for name, (_, reason) in LEFT_OUT.items():
        assert f"{folder / 'cat' / name}: {reason}" in skipped
    for name, (_, reason) in NOTED.items():
        assert f"{folder / 'cat' / name}: " in notes
        assert reason in notes
    assert f"{folder / 'cow'}: holds no images" in skipped
    assert f"{folder / 'loose.png'}: not in a class folder" in skipped
    assert f"{folder / 'loop'}: a link to a folder that it lies in" in skipped
    assert f"{folder / 'runs'}: runs of convsmith; not used" in notes
    assert "3 files are not images and were passed over (1 .json, 1 .safetensors, 1 .txt)" in notes
    assert dataset.unusable == len(LEFT_OUT)


def test_strict_names_every_fault_that_leaves_something_out(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(folder, strict=True)
    for name in (*LEFT_OUT, "cow", "loose.png", "loop"):
        assert name in str(caught.value)
    assert caught.value.settings == ("strict",)


def test_predict_takes_what_fit_takes(folder: Path) -> None:
    (folder / "loose.png").unlink()
    (folder / "loop").unlink()
    dataset, images = open_dataset(folder), gather([folder])
    trained = {split.images.name(row) for split in dataset.splits.values() for row in range(len(split))}
    trained |= {finding.subject for finding in dataset.skipped if "holds no images" not in finding.reason}
    assert {images.name(row) for row in range(len(images))} == trained
    lines = [str(finding) for finding in images.findings]
    assert any("3 files are not images and were passed over" in line for line in lines)
    assert any("runs of convsmith; not used" in line for line in lines)
