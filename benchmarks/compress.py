"""Aim: LeNet-300-100 in 1/60 and the Caffe LeNet-5 in 1/120 of their files with no loss beyond the interval.

Deep Compression takes them to 1/40 and 1/39 (arXiv 1510.00149, table 1; `deep_compression` in figures.toml), from
1,070 and 1,720 KB. Here `convsmith.compress` does, on `digits`, everything in the file counted: network, classes,
preprocessing, provenance, seal. Each network is trained by the default recipe, and kept in the folder of temporary
files for the next call. Accuracy is on the test images, before and after, with the 95% interval of the paired
difference; what is decided on the way is decided on the val images. Ratios are of the paper's KB (of 1,000 bytes).

    python benchmarks/compress.py                                    # all ratios, one seed: half an hour of a core
    python benchmarks/compress.py --only lenet_300_100 --ratios 60 --seeds 0 1 2 --epochs 24
"""

from __future__ import annotations

import argparse
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
MAX_DROP = 0.5
"""Points of val accuracy that end the search for a better way."""


def trained(name: str, dataset: Dataset, seed: int, epochs: int | None = None) -> Model:
    """The network trained by the default recipe, or as it was trained before."""
    which = f"{name}-{dataset.fingerprint[:12]}-{seed}-{epochs or 'all'}.safetensors"
    kept = Path(tempfile.gettempdir()) / "convsmith-benchmarks" / which
    if kept.exists():
        return load_model(kept)
    preprocess = preprocess_for(dataset, 28)
    network = convsmith.create(name, classes=len(dataset.classes), input=(1, 28, 28))
    recipe = default_recipe(network, dataset, preprocess, epochs=epochs, seed=seed)
    start = Model(network, convsmith.build(network, seed).state_dict(), dataset.classes, preprocess)
    model = retrained(start, dataset, recipe)
    kept.parent.mkdir(exist_ok=True)
    save_model(model, kept)
    return model


def compressed(model: Model, dataset: Dataset, size: int, seed: int, epochs: int | None) -> Compressed:
    """The first way that loses no more than that on val, or the one that loses least."""
    try:
        return convsmith.compress(model, dataset, f"{size}B", max_drop=MAX_DROP, epochs=epochs, seed=seed)
    except TargetMissedError as error:
        if error.reached is None:
            raise
        return error.reached


def rows(asked: argparse.Namespace) -> Iterator[Row]:
    dataset = convsmith.open_dataset(asked.data)
    for name, ratios in RATIOS.items():
        if asked.only not in (None, name):
            continue
        for seed in asked.seeds:
            model = trained(name, dataset, seed, asked.epochs)
            for ratio in asked.ratios or ratios:
                start = time.process_time()
                found = compressed(model, dataset, int(1000 * KB[name] / ratio), seed, asked.epochs)
                yield row(name, asked.data, seed, ratio, found, time.process_time() - start)


def row(name: str, data: str, seed: int, ratio: int, found: Compressed, seconds: float) -> Row:
    points = found.difference
    figures = (
        f"{found.before.top1.value:.2%} to {found.after.top1.value:.2%} on {found.test_images:,} test images: "
        f"{100 * points.value:+.2f} points ({100 * points.low:+.2f} to {100 * points.high:+.2f}); "
        f"{found.after.bytes:,} bytes, {1000 * KB[name] / found.after.bytes:.0f}x; "
        f"{found.tried[-1].name}, {seconds:.0f} s of CPU"
    )
    aim = f"{ratio}x, no loss beyond the interval" if ratio >= AIMS[name] else f"{ratio}x, the paper's"
    return Row(f"`compress.py`: {name} on {data}, seed {seed}", aim, figures, points.high >= 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--only", choices=tuple(RATIOS))
    parser.add_argument("--ratios", type=int, nargs="*")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--epochs", type=int, help="of the training and of each way to compress; default: as usual")
    show(rows(parser.parse_args()))


if __name__ == "__main__":
    main()
