"""Aim: `fit` on a folder of 100,000 JPEGs stays under 2 GB of memory, workers included.

Makes the folder (256x256 pictures of random blobs, 10 classes), runs `convsmith fit` on it for one epoch, and adds up
the proportional set size (what is shared counts once) of the process and its children, ten times a second. A folder of
a tenth of the files is run first, to show what grows. Linux only.

    python benchmarks/fit_memory.py [FILES]
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from row import Row, show

LIMIT = 2_000_000_000
CLASSES, SIDE, DIFFERENT = 10, 256, 200


def make_folder(root: Path, files: int) -> None:
    """Class folders of JPEGs, of two hundred different pictures."""
    generator = np.random.default_rng(0)
    pictures = []
    for _ in range(DIFFERENT):
        small = generator.integers(0, 256, (12, 12, 3), np.uint8)
        stream = io.BytesIO()
        Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
        pictures.append(stream.getvalue())
    for label in range(CLASSES):
        (root / f"class{label}").mkdir(parents=True)
    for number in range(files):
        (root / f"class{number % CLASSES}" / f"{number:06}.jpg").write_bytes(pictures[number % DIFFERENT])


def tree(process: int) -> list[int]:
    """The process and all that it started."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    return [process, *(p for file in children for child in file.read_text().split() for p in tree(int(child)))]


def memory(process: int) -> int:
    """Bytes of proportional set size of a process and its children."""
    total = 0
    for number in tree(process):
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
        total += 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def peak(data: Path, out: Path) -> int:
    command = "from convsmith.cli.main import main; main()"
    words = ["fit", str(data), "--model", "lenet5", "--side", "32", "--epochs", "1", "--out", str(out)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", command, *words], **quiet)
    highest = 0
    while process.poll() is None:
        with contextlib.suppress(OSError):  # a child has just ended
            highest = max(highest, memory(process.pid))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"fit failed with exit code {process.returncode}")
    return highest


def rows(files: int = 100_000) -> Iterator[Row]:
    for count in (files // 10, files):
        with tempfile.TemporaryDirectory() as folder:
            make_folder(Path(folder) / "data", count)
            start = time.perf_counter()
            highest = peak(Path(folder) / "data", Path(folder) / "run")
            figures = f"{highest / 1e6:,.0f} MB, {time.perf_counter() - start:,.0f} s"
            name = f"`fit_memory.py`: `fit` on a folder of {count:,} JPEGs, one epoch"
            yield Row(name, f"under {LIMIT / 1e9:.0f} GB", figures, highest <= LIMIT)


if __name__ == "__main__":
    show(rows(int(sys.argv[1])) if len(sys.argv) > 1 else rows())
