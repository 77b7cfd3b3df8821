"""A model -> an ONNX file that has been seen to give the same probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from convsmith.backend.onnx import Form, to_onnx
from convsmith.data.dataset import Dataset
from convsmith.data.given import GivenImages
from convsmith.deploy.agreement import images_to_try, tolerance_for
from convsmith.deploy.classifier import TorchClassifier
from convsmith.deploy.engines import ENGINES, engine_kind
from convsmith.deploy.trial_images import trial_images
from convsmith.deploy.verify import Verification, try_engines
from convsmith.errors import ExportError
from convsmith.evaluation.training_data import TrainingData
from convsmith.files import replacing
from convsmith.model import Model
from convsmith.network.ops import Quantize
from convsmith.records import json_text
from convsmith.resolve import model_of


def export(
    model: Model | str | Path,
    path: str | Path,
    data: Dataset | GivenImages,
    *,
    form: Form | None = None,
    engines: Sequence[str] | None = None,
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

    `form` says what the graph takes: one image by default (see `Form`). `engines`, by name (see
    `convsmith.deploy.engines`), are what the file is verified in, ONNX Runtime alone by default; where they are given,
    images of odd sizes are tried too. The result is of the first engine, and has the `others`.

    `model` is a model, its file or published weights by name. `on_progress` is told (images done, images in all).

    `tolerance` is 0.001 by default, and 0.1 for a network with quantized activations.

    Raises ExportError if a probability differs by more than `tolerance`, an engine cannot run the file or the form
    cannot be written, OutputError if the file cannot be written, ModelFileError for a bad model, DataError for an image
    that cannot be read, UsageError for an engine that is not installed; then nothing is left behind.
    """
    model, path, form = model_of(model), Path(path), form or Form()
    kinds = [engine_kind(name) for name in engines or (ENGINES[0].name,)]
    content = to_bytes(model, form)
    images, unreadable = images_to_try(TrainingData.known_to(model.provenance), data, split)
    tried = trial_images(images, limit, form.size, odd=engines is not None)
    allowed = tolerance_for(any(isinstance(node.op, Quantize) for node in model.network), tolerance)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        found, refusals = try_engines(TorchClassifier(model), temporary, kinds, tried, allowed, on_progress)
        for refusal in refusals:
            reason = refusal.reason.replace(str(temporary), path.name)
            raise ExportError(f"{path}: not written; {refusal.engine} cannot run it: {reason}")
        for one in found:
            if one.failed:
                raise ExportError(f"{path}: not written; in {one.engine} it differs most on {one.differs_most}: {one}")
    first, *others = found
    return replace(first, unreadable=unreadable, others=tuple(others))


def to_bytes(model: Model, form: Form | None = None) -> bytes:
    """The model as the content of an ONNX file. Raises ExportError for what ONNX, or the opset, cannot express."""
    graph = to_onnx(
        model.network,
        {name: tensor.detach().float().numpy() for name, tensor in model.weights.items()},
        model.preprocess,
        form=form,
        grids={key: {part: t.numpy() for part, t in grid.items()} for key, grid in model.grids.items()},
        classes=model.classes,
        metadata={"provenance": json_text(model.provenance), "metrics": json_text(model.metrics)},
    )
    content: bytes = graph.SerializeToString()
    return content
