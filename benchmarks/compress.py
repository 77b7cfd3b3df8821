"""Aim: LeNet-300-100 in 1/60 and the Caffe LeNet-5 in 1/120 of their files with no loss beyond the interval.

Deep Compression takes them to 1/40 and 1/39 (arXiv 1510.00149, table 1; `deep_compression` in figures.toml), from
1,070 and 1,720 KB. Here `convsmith.compress` does, on `digits`, everything in the file counted: network, classes,
preprocessing, provenance, seal. Each network is trained by the default recipe, and kept in the folder of temporary
files for the next call. Accuracy is on the test images, before and after, with the 95% interval of the paired
difference; what is decided on the way is decided on the val images. Ratios are of the paper's KB (of 1,000 bytes).

    python benchmarks/compress.py                      # digits, seed 0, up to 200 times
    python benchmarks/compress.py digits 0 1 2         # three seeds
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import convsmith
from convsmith.compression import retrained
from convsmith.data.dataset import Dataset
from convsmith.design.preprocessing import preprocess_for
from convsmith.model import Model, load_model, save_model
from convsmith.shrinking.compress import TargetMissedError
from convsmith.shrinking.outcome import Compressed
from convsmith.train import default_recipe
from row import Row, show

KB = {"lenet_300_100": 1070, "lenet5_caffe": 1720}
"""Of the papers' files."""
RATIOS = {"lenet_300_100": (40, 60, 100, 200), "lenet5_caffe": (39, 120, 200, 300)}
"""The paper's first, then the aim, then what is beyond."""
AIMS = {"lenet_300_100": 60, "lenet5_caffe": 120}


def trained(name: str, dataset: Dataset, seed: int) -> Model:
    """The network trained by the default recipe, or as it was trained before."""
    kept = (
        Path(tempfile.gettempdir()) / "convsmith-benchmarks" / f"{name}-{dataset.fingerprint[:12]}-{seed}.safetensors"
    )
    if kept.exists():
        return load_model(kept)
    preprocess = preprocess_for(dataset, 28)
    network = convsmith.create(name, classes=len(dataset.classes), input=(1, 28, 28))
    recipe = default_recipe(network, dataset, preprocess, seed=seed)
    start = Model(network, convsmith.build(network, seed).state_dict(), dataset.classes, preprocess)
    model = retrained(start, dataset, recipe)
    kept.parent.mkdir(exist_ok=True)
    save_model(model, kept)
    return model


def compressed(model: Model, dataset: Dataset, size: int, seed: int) -> Compressed:
    """Whatever comes nearest to no loss at all."""
    try:
        return convsmith.compress(model, dataset, f"{size}B", max_drop=0.0, seed=seed)
    except TargetMissedError as error:
        if error.reached is None:
            raise
        return error.reached


def rows(data: str = "digits", *seeds: str) -> Iterator[Row]:
    dataset = convsmith.open_dataset(data)
    for name, ratios in RATIOS.items():
        for seed in map(int, seeds or ("0",)):
            model = trained(name, dataset, seed)
            for ratio in ratios:
                start = time.monotonic()
                found = compressed(model, dataset, int(1000 * KB[name] / ratio), seed)
                yield row(name, data, seed, ratio, found, time.monotonic() - start)


def row(name: str, data: str, seed: int, ratio: int, found: Compressed, seconds: float) -> Row:
    points = found.difference
    figures = (
        f"{found.before.top1.value:.2%} to {found.after.top1.value:.2%} on {found.test_images:,} test images: "
        f"{100 * points.value:+.2f} points ({100 * points.low:+.2f} to {100 * points.high:+.2f}); "
        f"{found.after.bytes:,} bytes, {1000 * KB[name] / found.after.bytes:.0f}x; {seconds:.0f} s"
    )
    aim = f"{ratio}x, no loss beyond the interval" if ratio >= AIMS[name] else f"{ratio}x, the paper's"
    return Row(f"`compress.py`: {name} on {data}, seed {seed}", aim, figures, points.high >= 0)


if __name__ == "__main__":
    show(rows(*sys.argv[1:]))
