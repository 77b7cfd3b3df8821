"""What our coder takes on synthetic weights pruned to the papers' densities, beside the papers' files.

    python benchmarks/landmarks.py [--only alexnet]

AlexNet and VGG-16 of Deep Compression (arXiv 1510.00149, tables 4 and 5), SqueezeNet's of its own paper (arXiv
1602.07360, table 2) and DeepCABAC's VGG-16 (arXiv 1907.11900). Layers have the real shapes, Laplacian weights
pruned by magnitude to the paper's density of each layer: rates are shown, accuracy is not claimed.

"shared" has the papers' bits: k-means into 2^8 values in convolutions (SqueezeNet 2^6), 2^5 in dense layers. "uniform"
has one step a layer, with an error of 10%, 17% and 20% of the weights left (rms): no paper says what its network stood,
so these rows have nothing to meet. Deep Compression's own format is computed on the same shared weights. Biases count
as 32-bit floats everywhere. Speeds are of CPU time, one core; VGG-16 needs about 3 GB.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import convsmith
from convsmith.compression.deep_compression import CONV_GAP_BITS, DENSE_GAP_BITS, deep_size
from convsmith.compression.sharing import assigned, kmeans
from convsmith.model.coding.stream import Reader, Writer
from row import Row, show

PERCENT: dict[str, tuple[int, ...]] = {
    "alexnet": (84, 38, 35, 37, 37, 9, 9, 25),
    "vgg16": (58, 22, 34, 36, 53, 24, 42, 32, 27, 34, 35, 29, 36, 4, 4, 23),
    "squeezenet1_0": (33,),
}
"""Weights that are left of each layer; one for all."""
CONV_BITS = {"alexnet": 8, "vgg16": 8, "squeezenet1_0": 6}
DENSE_BITS = 5
PAPER_MB = {"alexnet": (240, 6.9), "vgg16": (552, 11.3), "squeezenet1_0": (4.8, 0.47)}
DEEPCABAC_VGG16_MB = 8.7
ERROR_SHARES = (0.1, 1 / 6, 0.2)
DRAWN_FROM = 2**22
"""Weights that are drawn to know where a layer's threshold lies."""
SETS = ("alexnet", "vgg16", "squeezenet1_0")

Codes = NDArray[np.int16]


def pruned(shape: tuple[int, ...], percent: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Laplacian weights, as trained ones about are: many small, few large."""
    values = random.standard_exponential(shape, np.float32)
    values *= random.integers(0, 2, shape, np.int8) * np.int8(2) - np.int8(1)
    some = np.abs(values.reshape(-1)[:DRAWN_FROM])
    values[np.abs(values) < np.quantile(some, 1 - percent / 100)] = 0
    return values


def shared_codes(values: NDArray[np.float32], bits: int) -> Codes:
    left = torch.from_numpy(values[values != 0])
    codes = kmeans(left, 2**bits - 1, "linear", 0)
    index = assigned(left, codes) - int((codes < 0).sum())
    found = np.zeros(values.shape, np.int16)
    found[values != 0] = (index + (index >= 0)).numpy()  # no shared value is 0
    return found


def uniform_codes(values: NDArray[np.float32], error: float) -> Codes:
    left = values[values != 0]
    step = error * float(np.sqrt((left.astype(np.float64) ** 2).mean())) * np.sqrt(12)
    return np.rint(values / step).astype(np.int16)


def coded(layers: list[Codes]) -> tuple[int, float, float]:
    """Bytes, and MB of float32 weights a second when written and when read."""
    weights = sum(layer.size for layer in layers)
    writer, start = Writer(), time.process_time()
    for layer in layers:
        writer.add(layer)
    words = writer.words()
    writing, start = time.process_time() - start, time.process_time()
    reader = Reader(words)
    for layer in layers:
        assert np.array_equal(reader.next(layer.shape, wide=False), layer)
    reading = time.process_time() - start
    return words.nbytes, 4e-6 * weights / writing, 4e-6 * weights / reading


def rows(name: str) -> Iterator[Row]:
    net, random = convsmith.create(name), np.random.default_rng(0)
    shapes = [p.shape for key, p in net.parameters.items() if key.endswith(".weight")]
    biases = sum(4 * p.shape[0] for key, p in net.parameters.items() if key.endswith(".bias"))
    percents = PERCENT[name] if len(PERCENT[name]) > 1 else PERCENT[name] * len(shapes)
    before, after = PAPER_MB[name]
    shared: list[Codes] = []
    uniform: dict[float, list[Codes]] = {error: [] for error in ERROR_SHARES}
    deep, codebooks = biases, 0
    for shape, percent in zip(shapes, percents, strict=True):
        values = pruned(tuple(shape), percent, random)
        dense = len(shape) == 2
        shared.append(shared_codes(values, DENSE_BITS if dense else CONV_BITS[name]))
        for error, layers in uniform.items():
            layers.append(uniform_codes(values, error))
        size = deep_size(shared[-1], DENSE_GAP_BITS if dense else CONV_GAP_BITS)
        deep, codebooks = deep + size.bytes, codebooks + size.codebook
    weights = sum(layer.size for layer in shared)
    density = sum(int(np.count_nonzero(layer)) for layer in shared) / weights
    yield Row(f"{name}, Deep Compression's format", f"{after} MB in the paper", f"{deep / 1e6:.2f} MB", None)
    said, size = told(shared, codebooks + biases)
    yield Row(f"{name}, ours, shared, {density:.1%} left", f"at most {after} MB of {before}", said, size <= 1e6 * after)
    beside = f"{after} MB" + (f", DeepCABAC {DEEPCABAC_VGG16_MB} MB" if name == "vgg16" else "")
    for error, layers in uniform.items():
        said, _ = told(layers, 4 * len(shapes) + biases)
        yield Row(f"{name}, ours, uniform, error {error:.0%}", f"beside {beside}", said, None)


def told(layers: list[Codes], more: int) -> tuple[str, int]:
    """Size, ratio and speeds, and the size in bytes with what is not in the stream."""
    size, writing, reading = coded(layers)
    size += more
    megabytes = 4e-6 * sum(layer.size for layer in layers)
    return f"{size / 1e6:.2f} MB, {1e6 * megabytes / size:.0f}x; {writing:.0f} / {reading:.0f} MB/s", size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=SETS)
    only: Any = parser.parse_args().only
    torch.set_num_threads(1)
    run: Callable[[str], Iterator[Row]] = rows
    show(row for name in SETS if only in (None, name) for row in run(name))
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
