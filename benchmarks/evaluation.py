"""Aims: ten crops cost at most 10 times one and 5% more; measuring 10,000 small images adds under 10% to inference;
100,000 lines of guesses are scored in under 2 s.

Ten crops: MobileNet-V1 (0.5) at 224 on photographs in memory, by the protocols `own` and `resnet-10-crop`. Measuring:
ResNet-20 on 10,000 images of 28x28, `evaluate` against the network alone on batches that are ready; LeNet-5, whose
inference takes less than any statistics, is shown beside it without an aim. Sides are interleaved, and medians taken.
Times are the processor's, in one thread, because other programs' work does not count then.

    python benchmarks/evaluation.py        (three minutes on one core)
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.io import savemat

import convsmith
from convsmith.backend.preprocess import PreprocessModule
from convsmith.data.dataset import Dataset, Split
from convsmith.data.images import ListImages, numbered
from convsmith.evaluation.evaluate import evaluate
from convsmith.evaluation.inference import evaluating
from convsmith.evaluation.protocol import protocol_named
from convsmith.evaluation.views import predict_by
from convsmith.ilsvrc.score import score
from convsmith.model import Header, Model
from convsmith.network.preprocess import Preprocess
from row import Row, show

ROUNDS = 3
CROPPED, SMALL, LINES, CLASSES = 32, 10_000, 100_000, 1000
MOST_CROPS, MOST_ADDED, MOST_SECONDS = 10 * 1.05, 0.10, 2.0


def medians(*sides: Callable[[], object]) -> list[float]:
    """The processor's seconds that each side takes, the sides in turn."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(ROUNDS):
        for own, side in zip(times, sides, strict=True):
            start = time.process_time()
            side()
            own.append(time.process_time() - start)
    return [statistics.median(own) for own in times]


def ten_crops() -> float:
    """Times one crop."""
    random = np.random.default_rng(0)
    photos = tuple(random.integers(0, 256, (320, 400, 3), np.uint8) for _ in range(CROPPED))
    split = Split(ListImages(photos, numbered("noise", CROPPED)), np.zeros(CROPPED, np.int64))
    preprocess = Preprocess(3, (224, 224), 256, (0.5,) * 3, (0.5,) * 3)
    module = convsmith.build(convsmith.create("mobilenet_v1", width=0.5)).eval()
    own, crops = (protocol_named(name, preprocess) for name in ("own", "resnet-10-crop"))
    one, ten = medians(
        lambda: predict_by(module, split, preprocess, own), lambda: predict_by(module, split, preprocess, crops)
    )
    return ten / one


def added(name: str) -> tuple[float, float]:
    """The seconds of inference alone, and what measuring adds as a share of them."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (SMALL, 28, 28), np.uint8)
    labels = random.integers(0, 10, SMALL)
    classes = tuple("0123456789")
    data = Dataset.from_arrays(pixels[:100], np.arange(100) % 10, classes, splits={"test": (pixels, labels)})
    network = convsmith.create(name, classes=10, input=(1, 28, 28))
    preprocess = Preprocess(1, (28, 28), (28, 28), (0.5,), (0.5,))
    model: Model = Header(network, classes, preprocess).with_weights(convsmith.build(network, 0).state_dict())
    module = model.module(network.inference)
    ready = PreprocessModule(preprocess)(torch.from_numpy(pixels[..., None]))

    def alone() -> None:
        with evaluating(module), torch.inference_mode():
            for batch in ready.split(256):
                module(batch)

    inference, whole = medians(alone, lambda: evaluate(model, data))
    return inference, whole / inference - 1


def scoring() -> float:
    """The seconds of reading and scoring one entry."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        kit = Path(folder) / "ILSVRC2012_devkit_t12/data"
        kit.mkdir(parents=True)
        kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")]
        synsets = np.array([(float(i), f"n{i:08}", 0.0) for i in range(1, CLASSES + 1)], kinds)
        savemat(kit / "meta.mat", {"synsets": synsets})
        truth = random.integers(1, CLASSES + 1, LINES)
        (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{one}\n" for one in truth))
        guesses = np.argsort(random.random((LINES, 40)), axis=1)[:, :5] + random.integers(1, CLASSES - 40, (LINES, 1))
        entry = Path(folder) / "entry.txt"
        entry.write_text("".join(" ".join(map(str, line)) + "\n" for line in guesses.tolist()))
        return medians(lambda: score([entry], folder))[0]


def rows() -> Iterator[Row]:
    torch.set_num_threads(1)
    ratio = ten_crops()
    yield Row(
        f"`evaluation.py`: ten crops against one, MobileNet-V1 0.5 at 224, {CROPPED} photographs",
        f"at most {MOST_CROPS:.1f} times",
        f"{ratio:.2f} times",
        ratio <= MOST_CROPS,
    )
    for name, aimed in (("resnet20", True), ("lenet5", False)):
        inference, share = added(name)
        yield Row(
            f"`evaluation.py`: measuring {SMALL:,} images of 28x28 against inference alone, {name}",
            f"under {MOST_ADDED:.0%} more" if aimed else "none",
            f"{share:+.1%} of {inference:.1f} s",
            share < MOST_ADDED if aimed else None,
        )
    seconds = scoring()
    yield Row(
        f"`evaluation.py`: {LINES:,} lines of five guesses scored",
        f"under {MOST_SECONDS:.0f} s",
        f"{seconds:.2f} s",
        seconds < MOST_SECONDS,
    )


if __name__ == "__main__":
    show(rows())
