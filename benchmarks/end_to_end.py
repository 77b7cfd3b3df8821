"""Aim: at equal accuracy our whole pipeline's file is at most 0.7 of what nncodec makes of the same trained network.

    pip install --no-deps nncodec==2.1.3 pybind11    # builds with a C++ compiler
    python benchmarks/end_to_end.py                          # the Caffe LeNet-5 and LeNet-300-100 on digits
    python benchmarks/end_to_end.py --model RUN --data fashion-mnist --epochs 10

nncodec, the ISO 15938-17 reference coder, gets the weights with the norms folded away, and quantizes them itself, with
its dependent quantization; we give it the coarsest of its steps at which it loses at most --max-drop points on val. Of
its result only the bitstream counts, which has no network, classes or preprocessing. `convsmith.compress` is then asked
for 0.7 of those bytes, everything in the file counted, and for no more lost on val than nncodec loses.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import MagicMock

import torch

import convsmith
from compress import trained
from convsmith.data.dataset import Dataset
from convsmith.evaluation.measured import measured
from convsmith.model import Model, fuse_norm
from convsmith.resolve import model_of
from convsmith.shrinking.compress import TargetMissedError
from row import Row, show

SHARE = 0.7
STEPS = range(-40, -3)
"""nncodec's quantization parameters: a step doubles every four."""
NETWORKS = ("lenet5_caffe", "lenet_300_100")


def accuracy(model: Model, dataset: Dataset, split: str) -> float:
    found = measured(model, dataset, split=split)
    return float((found.logits.argmax(axis=1) == found.labels).mean())


@dataclass(frozen=True)
class Theirs:
    bytes: int
    drop: float
    test: float


def theirs(model: Model, dataset: Dataset, max_drop: float) -> Theirs:
    """nncodec's smallest bitstream that loses no more than that on val."""
    for name in ("torchvision", "torchvision.datasets", "torchvision.models", "torchvision.transforms"):
        sys.modules.setdefault(name, MagicMock())  # it imports them for data sets, which are not needed here
    from nncodec.nn import decode, encode

    fused = fuse_norm(model.inference)
    weights = {key: value.numpy() for key, value in fused.weights.items()}
    before, found = accuracy(fused, dataset, "val"), None
    for step in STEPS:
        with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as folder:
            asked: Any = {"qp": step, "use_dq": True, "verbose": False, "results": folder}
            stream = encode(weights, args=asked)
            read = decode(stream, args=asked)
        made = replace(
            fused, weights={key: torch.as_tensor(read[key]).reshape(fused.weights[key].shape) for key in read}
        )
        drop = 100 * (before - accuracy(made, dataset, "val"))
        if drop <= max_drop:
            found = Theirs(len(stream), drop, accuracy(made, dataset, "test"))
    if found is None:
        raise SystemExit(f"nncodec loses more than {max_drop:g} points at each of its steps")
    return found


def row(name: str, model: Model, dataset: Dataset, asked: argparse.Namespace) -> Row:
    other = theirs(model, dataset, asked.max_drop)
    try:
        found = convsmith.compress(
            *(model, dataset, f"{int(SHARE * other.bytes)}B"),
            max_drop=max(0.0, other.drop),
            epochs=asked.epochs,
            seed=0,
        )
    except TargetMissedError as error:
        if error.reached is None:
            raise
        found = error.reached
    drop = 100 * (found.before.val.value - found.after.val.value)
    return Row(
        f"`end_to_end.py`: {name} on {dataset.name}, {accuracy(model, dataset, 'test'):.2%} on test",
        f"{SHARE} of nncodec's {other.bytes:,} bytes ({other.test:.2%}; {other.drop:.2f} points lost on val)",
        f"{found.after.bytes:,} bytes, {found.after.bytes / other.bytes:.2f} of it "
        f"({found.after.top1.value:.2%}; {drop:.2f} points lost on val); {found.tried[-1].name}",
        found.met,
    )


def rows(asked: argparse.Namespace) -> Iterator[Row]:
    dataset = convsmith.open_dataset(asked.data)
    if asked.model is not None:
        model = model_of(asked.model)
        yield row(model.network.name, model, dataset, asked)
        return
    for name in NETWORKS:
        yield row(name, trained(name, dataset, 0), dataset, asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model file or a run's folder")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--max-drop", type=float, default=0.3, help="points of val accuracy that nncodec may lose")
    parser.add_argument("--epochs", type=int, help="of each of our ways that trains; default: as usual")
    show(rows(parser.parse_args()))


if __name__ == "__main__":
    main()
