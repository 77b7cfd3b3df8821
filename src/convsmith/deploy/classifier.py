"""From an image to probabilities: a model in PyTorch, or its exported file in ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convsmith.backend.onnx.model import IMAGE, PROBABILITIES
from convsmith.backend.preprocess import PreprocessModule
from convsmith.data.decode.decoding import USUAL, Decoding
from convsmith.deploy.session import THREADS, Session
from convsmith.download import Progress
from convsmith.errors import ModelFileError
from convsmith.evaluation.training_data import TrainingData
from convsmith.model import Model
from convsmith.resolve import model_of


class Classifier(Protocol):
    """From a decoded image of any size to the probability of each class."""

    @property
    def classes(self) -> Sequence[str]: ...

    @property
    def decoding(self) -> Decoding:
        """How image files are to be decoded for it: as those were that it was trained on."""
        ...

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 (classes,) for one decoded RGB image, uint8 (H, W, 3)."""
        ...


class TorchClassifier:
    """A trained model, in PyTorch, on the CPU or on `device`."""

    def __init__(self, model: Model, device: torch.device | None = None) -> None:
        self.classes = model.classes
        self.decoding = TrainingData.known_to(model.provenance).decoding
        self.preprocess = model.preprocess
        self.device = device or torch.device("cpu")
        self._preprocess = PreprocessModule(model.preprocess)
        self._module = model.module(model.network.inference).to(self.device)

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = self.classify([self.prepare(image)])[0]
        return probabilities

    def prepare(self, image: NDArray[np.uint8]) -> Tensor:
        """The network's input, float32 (1, C, h, w), for one decoded RGB image, uint8 (H, W, 3)."""
        with torch.inference_mode():
            prepared: Tensor = self._preprocess(torch.tensor(image))
        return prepared

    def classify(self, prepared: Sequence[Tensor]) -> NDArray[np.float32]:
        """Probabilities float32 (N, classes) of N prepared images."""
        # A GPU would round the inputs of convolutions to 10 bits, and probabilities would depend on the device.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            logits: Tensor = self._module(torch.cat(list(prepared)).to(self.device))
        return logits.softmax(dim=1).cpu().numpy()


class OnnxClassifier:
    """An exported model, in ONNX Runtime."""

    def __init__(self, path: Path, threads: int = THREADS) -> None:
        """Raises ModelFileError for a file that is damaged or that `convsmith export` did not write."""
        self._session = Session(path, threads)
        if self._session.inputs != (IMAGE,):
            raise ModelFileError(f"{path}: not exported by convsmith: its input is not {IMAGE!r}, a decoded image")
        self.classes = _class_names(path, self._session)
        self.decoding = _decoding(self._session)

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = self._session.run(PROBABILITIES, IMAGE, np.ascontiguousarray(image))[0]
        return probabilities


def _class_names(path: Path, session: Session) -> tuple[str, ...]:
    try:
        names = json.loads(session.metadata["classes"])
    except (KeyError, ValueError):
        raise ModelFileError(f"{path}: not exported by convsmith: its metadata lists no classes") from None
    outputs = session.shape(PROBABILITIES)[-1]
    if not isinstance(names, list) or len(names) != outputs:
        raise ModelFileError(f"{path}: its metadata does not name its {outputs} classes")
    return tuple(str(name) for name in names)


def _decoding(session: Session) -> Decoding:
    try:
        provenance = json.loads(session.metadata.get("provenance", "{}"))
    except ValueError:
        return USUAL
    return TrainingData.known_to(provenance).decoding if isinstance(provenance, dict) else USUAL


def open_classifier(
    model: Model | str | Path,
    device: torch.device | None = None,
    threads: int = THREADS,
    *,
    on_progress: Progress = lambda done, total: None,
) -> Classifier:
    """The classifier that a model is, or its file, an exported `.onnx` file, or published weights by name.

    PyTorch runs on `device`, the CPU if None; ONNX Runtime on the CPU in `threads` threads. Raises ModelFileError for
    a bad file, and as `convsmith.resolve.model_of` does, which `on_progress` is for.
    """
    if not isinstance(model, Model) and Path(model).suffix.lower() == ".onnx":
        return OnnxClassifier(Path(model), threads)
    return TorchClassifier(model_of(model, on_progress=on_progress), device)
