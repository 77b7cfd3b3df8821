"""What is measured of a model before and after each step of its compression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from convsmith import records
from convsmith.cost import cost_of
from convsmith.data.dataset import Dataset
from convsmith.deploy.latency import latency_ms
from convsmith.evaluation.measured import Measured, measured
from convsmith.evaluation.metrics import Interval, wilson
from convsmith.model import Model
from convsmith.model.file import size_in_bytes
from convsmith.network.storage import CodebookStorage, FloatStorage, IntegerStorage
from convsmith.shrinking.target import Measure

VAL, TEST = "val", "test"
"""The split by which is decided, and the one that is only reported."""
TOP = 5
"""k of the second accuracy, at most the number of classes."""
FLOAT_BITS = 32


@dataclass(frozen=True)
class Figures:
    """Of one model: top-1 accuracy on the val split, by which is decided, and on the test split, with top-k; bytes of
    its file, everything included; bits that its weights are stored in; multiply-adds; ms for one image here.

    `val_images` is how many the val accuracy was measured on.
    """

    val: Interval
    val_images: int
    top1: Interval
    topk: Interval
    k: int
    bytes: int
    bits: str
    macs: int
    latency: float

    def amount(self, measure: Measure) -> float:
        """What a target limits."""
        return float({"bytes": self.bytes, "macs": self.macs, "latency": self.latency}[measure])

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = records.to_json(self)
        return data


def figures_of(model: Model, dataset: Dataset) -> Figures:
    """Measures a model. Raises DataError where the data have no val or test split."""
    val, test = (measured(model, dataset, split=split) for split in (VAL, TEST))
    k = min(TOP, len(model.classes))
    return Figures(
        val=_accuracy(val, 1),
        val_images=len(val.labels),
        top1=_accuracy(test, 1),
        topk=_accuracy(test, k),
        k=k,
        bytes=size_in_bytes(model),
        bits=bits_of(model),
        macs=int(cost_of(model.network.inference).macs),
        latency=latency_ms(model.inference),
    )


def _accuracy(found: Measured, k: int) -> Interval:
    ranked = (-found.logits).argsort(axis=1, kind="stable")[:, :k]
    return wilson(int((ranked == found.labels[:, None]).any(axis=1).sum()), len(found.labels))


def plain(model: Model) -> Model:
    """The model with all parameters in float32, as tensors of their own."""
    return replace(model, network=replace(model.network, storage=()), grids={}, packing="plain")


def plain_bytes(model: Model) -> int:
    """The bytes of its file if all weights were kept in float32."""
    return size_in_bytes(plain(model))


def bits_of(model: Model) -> str:
    """The bits that weights of layers are stored in: "32", or from the fewest to the most: "2-5"."""
    found = set()
    for key, parameter in model.network.parameters.items():
        if len(parameter.shape) < 2:
            continue
        match model.network.storage_of(key):
            case IntegerStorage(bits=bits):
                found.add(bits)
            case CodebookStorage() as storage:
                found.add(storage.bits)
            case FloatStorage(dtype=dtype):
                found.add(FLOAT_BITS if dtype == "float32" else FLOAT_BITS // 2)
    return "-".join(str(bits) for bits in sorted({min(found), max(found)})) if found else str(FLOAT_BITS)
