"""A folder with all of the faults at once that people's folders have."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image


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
    "page.jpg": (b"\n<HTML><body>404</body></HTML>", "a web page"),
    "denied.jpg": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML text"),
    "zeros.jpg": (bytes(5000), "nothing but zeros"),
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
NOT_SEEN = ("Thumbs.db", ".hidden.png", "0.png~", "0.png_original", "0.png.crdownload")


def faulty_folder(root: Path) -> Path:
    """Makes it: 25 sound images of each of two classes, and in cat what is left out or noted, in dog what is used."""
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
    for name in NOT_SEEN:
        pixels(5).save(root / "dog" / name, "PNG")
    (root / "cow").mkdir()
    (root / "runs/first").mkdir(parents=True)
    (root / "runs/first/run.json").write_text('{"recipe": {}}')
    pixels(6).save(root / "runs/first/hardest.png")
    pixels(7).save(root / "loose.png")
    (root / "loop").symlink_to(root)
    return root
