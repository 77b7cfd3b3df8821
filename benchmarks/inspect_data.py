"""Claim: `convsmith inspect` looks at the 70,000 images of Fashion-MNIST in under 60 s, and at 100,000 JPEGs at no less
than 60% of the rate at which this machine decodes them, on 2 cores, with bounded memory.

    python benchmarks/inspect_data.py [--jpegs N] [--only fashion|jpegs]

The JPEGs are crops of scikit-image's and scikit-learn's photographs, 256 to 384 pixels a side, quality 90, in ten
classes. "Decoding alone" is every file read and decoded in full, in as many threads. Files are in the page cache on
both sides, and nothing is remembered of an earlier check: an inspection gets a cache folder of its own.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import skimage
import sklearn
from PIL import Image

from convsmith import inspect
from convsmith.data.decode.image import decode
from convsmith.data.known.fetch import fetch

CLASSES = 10
FASHION_SECONDS, LEAST_SHARE = 60, 0.6
PHOTOS = [
    *(Path(skimage.__file__).parent / "data" / name for name in ("chelsea.png", "coffee.png", "astronaut.png")),
    *(Path(sklearn.__file__).parent / "datasets/images" / name for name in ("flower.jpg", "china.jpg")),
]


def write_jpegs(root: Path, count: int) -> None:
    """Crops of real photographs, each another one."""
    photos = [Image.open(path).convert("RGB") for path in PHOTOS]
    random = np.random.default_rng(0)
    for number in range(count):
        photo = photos[number % len(photos)]
        width, height = (int(random.integers(256, min(385, side + 1))) for side in photo.size)
        left, top = int(random.integers(photo.width - width + 1)), int(random.integers(photo.height - height + 1))
        folder = root / f"class-{number % CLASSES}"
        folder.mkdir(exist_ok=True)
        photo.crop((left, top, left + width, top + height)).save(folder / f"{number:06}.jpg", quality=90)


def decoding_seconds(root: Path) -> float:
    files = sorted(root.rglob("*.jpg"))
    began = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda file: decode(file).size, files, chunksize=64):
            pass
    return time.monotonic() - began


def stages() -> tuple[dict[str, float], object]:
    """When each stage began, and what notes it."""
    began: dict[str, float] = {}
    return began, lambda what, done, total: began.setdefault(what, time.monotonic())


def inspected(data: str | Path) -> float:
    """Seconds of an inspection; prints those of its stages."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        begun, watch = stages()
        start = time.monotonic()
        found = inspect(data, progress=watch)  # type: ignore[arg-type]
        end = time.monotonic()
    times = [*begun.values(), end]
    told = [f"{what} {after - at:.1f}" for (what, at), after in zip(begun.items(), times[1:], strict=True)]
    print(f"  {len(found.subject):,} images, {end - start:.1f} s: {', '.join(told)}")
    return end - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jpegs", type=int, default=100_000)
    parser.add_argument("--only", choices=("fashion", "jpegs"))
    asked = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if asked.only != "jpegs":
        print("fashion-mnist")
        took = inspected(fetch("fashion-mnist"))  # a path: by name it would be looked for in the empty cache
        print(f"  {took:.1f} s; {'met' if took < FASHION_SECONDS else 'NOT MET'} (under {FASHION_SECONDS})")
    if asked.only != "fashion":
        print(f"{asked.jpegs:,} JPEGs")
        with tempfile.TemporaryDirectory() as place:
            write_jpegs(Path(place), asked.jpegs)
            decoding_seconds(Path(place))  # into the page cache
            before, took, after = decoding_seconds(Path(place)), inspected(place), decoding_seconds(Path(place))
        alone = (before + after) / 2
        share = alone / took
        print(
            f"  decoding alone {alone:.1f} s, {asked.jpegs / alone:,.0f} images/s; inspecting {asked.jpegs / took:,.0f}"
        )
        print(f"  {share:.0%} of decoding; {'met' if share >= LEAST_SHARE else 'NOT MET'} (at least {LEAST_SHARE:.0%})")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
