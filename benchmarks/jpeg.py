"""What libjpeg-turbo's faster options give, on the pictures of input_pipeline.py, and what they cost in pixels.

Decodes per second on one core, best of five rounds, beside the plain decoder's; and the largest difference of a value
(of 255) from what the plain decoder gives. "Half" is what pictures get that are shown at half their size or less.

    python benchmarks/jpeg.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

import input_pipeline
from row import Row, show

PICTURES, ROUNDS, SECONDS = 24, 5, 0.4
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "fast DCT": {"fastdct": True},
    "fast upsampling": {"fastupsample": True},
    "both": {"fastdct": True, "fastupsample": True},
    "half": {"min_height": 188, "min_width": 250},
}


def rate(contents: list[bytes], options: dict[str, Any]) -> float:
    best = 0.0
    for _ in range(ROUNDS):
        start, done = time.perf_counter(), 0
        while (taken := time.perf_counter() - start) < SECONDS:
            for content in contents:
                simplejpeg.decode_jpeg(content, **options)
            done += len(contents)
        best = max(best, done / taken)
    return best


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        input_pipeline.FILES = PICTURES
        input_pipeline.make_folder(Path(folder))
        contents = [path.read_bytes() for path in sorted(Path(folder).rglob("*.jpg"))]
    plain = rate(contents, {})
    whole = [simplejpeg.decode_jpeg(content).astype(int) for content in contents]
    for name, options in OPTIONS.items():
        figures = f"{rate(contents, options) / plain:.2f}x of {plain:,.0f} images/s"
        if "min_height" not in options:
            pairs = zip((simplejpeg.decode_jpeg(content, **options) for content in contents), whole, strict=True)
            figures += f"; values differ by up to {max(int(np.abs(one - other).max()) for one, other in pairs)}"
        yield Row(f"`jpeg.py`: {name}", "", figures, None)


if __name__ == "__main__":
    show(rows())
