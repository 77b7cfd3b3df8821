"""A model file -> an ONNX file that has been seen to give the same answers."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from convsmith.backend.onnx import to_onnx
from convsmith.data.dataset import Images
from convsmith.deploy.classifier import OnnxClassifier, TorchClassifier
from convsmith.deploy.verify import Verification, verify
from convsmith.errors import ExportError
from convsmith.model.file import Model, load_model

TOLERANCE = 1e-3
"""The largest difference of a probability that is put down to rounding."""


def export(
    model_path: Path,
    onnx_path: Path,
    images: Images,
    *,
    tolerance: float = TOLERANCE,
    limit: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Writes the ONNX file, with preprocessing, class names and provenance in it, if it answers as the model does.

    Both answer for every image, or for `limit` of them evenly spread: decoded uint8 (H, W, 3) straight into the ONNX
    graph in ONNX Runtime, and through convsmith's preprocessing into PyTorch.

    Raises ExportError if a probability differs by more than `tolerance` or the file cannot be written,
    ModelFileError for a bad model, DataError for an image that cannot be read; then nothing is left behind.
    """
    model = load_model(model_path)
    content = to_bytes(model)
    temporary = onnx_path.with_name(f".{onnx_path.name}.{os.getpid()}.tmp")
    try:
        with _naming(onnx_path):
            _write(temporary, content)
        verification = verify(
            TorchClassifier(model),
            OnnxClassifier(temporary),
            images,
            tolerance=tolerance,
            limit=limit,
            on_progress=on_progress,
        )
        if not verification.passed:
            raise ExportError(f"{onnx_path}: not written, it would differ on {verification.worst}: {verification}")
        with _naming(onnx_path):
            temporary.replace(onnx_path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return verification


def to_bytes(model: Model) -> bytes:
    """The model as the content of an ONNX file. Raises ExportError for an op that ONNX cannot express."""
    graph = to_onnx(
        model.network,
        {name: tensor.detach().float().numpy() for name, tensor in model.weights.items()},
        model.preprocess,
        classes=model.classes,
        metadata={"provenance": json.dumps(dict(model.provenance)), "metrics": json.dumps(dict(model.metrics))},
    )
    content: bytes = graph.SerializeToString()
    return content


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """The system's refusal to write, as an ExportError about the file that was asked for."""
    try:
        yield
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})") from None


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
