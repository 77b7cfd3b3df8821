"""A model -> an ONNX file that has been seen to give the same probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from convsmith.backend.onnx import to_onnx
from convsmith.data.dataset import Dataset, Finding, Images
from convsmith.data.given import GivenImages, images_of, is_data
from convsmith.deploy.classifier import OnnxClassifier, TorchClassifier
from convsmith.deploy.verify import Verification, verify
from convsmith.errors import ExportError
from convsmith.evaluation.measured import opened_for, split_to_measure
from convsmith.evaluation.training_data import TrainingData
from convsmith.files import replacing
from convsmith.model import Model
from convsmith.network.ops import Quantize
from convsmith.records import json_text
from convsmith.resolve import model_of

TOLERANCE = 1e-3
"""The largest difference in probability that counts as rounding."""
QUANTIZED_TOLERANCE = 0.1
"""The same where activations are quantized: one near the middle of two steps is rounded either way, by a whole step.

A ResNet-20 in 8 bits was seen to differ by 0.02 on 2,000 images; an export with a wrong resize, by 0.17."""


def export(
    model: Model | str | Path,
    path: str | Path,
    data: Dataset | GivenImages,
    *,
    split: str | None = None,
    tolerance: float | None = None,
    limit: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Writes the ONNX file `path`, with preprocessing, class names and provenance in it, once it is verified.

    It is verified on `data`: a split of a data set or of its path or name, by default the one that `evaluate` would
    measure; or images (a file, arrays, Pillow's images; see `images_of`). Both models run on every image, or on `limit`
    of them evenly spread: the ONNX graph in ONNX Runtime, straight from decoded uint8 (H, W, 3), and PyTorch behind
    convsmith's preprocessing.

    `model` is a model, its file or published weights by name. `on_progress` is told (images done, images in all).

    `tolerance` is 0.001 by default, and 0.1 for a network with quantized activations.

    Raises ExportError if a probability differs by more than `tolerance`, OutputError if the file cannot be written,
    ModelFileError for a bad model, DataError for an image that cannot be read; then nothing is left behind.
    """
    model, path = model_of(model), Path(path)
    content = to_bytes(model)
    images, unreadable = _images(model, data, split)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        found = verify(
            TorchClassifier(model),
            OnnxClassifier(temporary),
            images,
            tolerance=_tolerance(model) if tolerance is None else tolerance,
            limit=limit,
            on_progress=on_progress,
        )
        if not found.passed:
            raise ExportError(f"{path}: not written; it differs most on {found.differs_most}: {found}")
    return replace(found, unreadable=unreadable)


def _images(model: Model, data: Dataset | GivenImages, split: str | None) -> tuple[Images, tuple[Finding, ...]]:
    """The images to verify on, and the files that are left out of them."""
    if not isinstance(data, Dataset) and not is_data(data):
        return images_of(data, TrainingData.known_to(model.provenance).decoding), ()
    dataset = opened_for(model, data)
    chosen = dataset.split(split or split_to_measure(dataset))
    return chosen.images, chosen.unreadable


def _tolerance(model: Model) -> float:
    quantized = any(isinstance(node.op, Quantize) for node in model.network)
    return QUANTIZED_TOLERANCE if quantized else TOLERANCE


def to_bytes(model: Model) -> bytes:
    """The model as the content of an ONNX file. Raises ExportError for an op that ONNX cannot express."""
    graph = to_onnx(
        model.network,
        {name: tensor.detach().float().numpy() for name, tensor in model.weights.items()},
        model.preprocess,
        grids={key: {part: t.numpy() for part, t in grid.items()} for key, grid in model.grids.items()},
        classes=model.classes,
        metadata={"provenance": json_text(model.provenance), "metrics": json_text(model.metrics)},
    )
    content: bytes = graph.SerializeToString()
    return content
