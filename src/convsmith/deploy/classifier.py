"""From an image to probabilities: a model in PyTorch, or its exported file in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convsmith.backend.onnx.model import PROBABILITIES
from convsmith.backend.preprocess import PreprocessModule
from convsmith.backend.runtime.session import THREADS, Session
from convsmith.data.decode.decoding import Decoding
from convsmith.deploy.engines import Engine, EngineKind
from convsmith.deploy.exported import Exported
from convsmith.download import Progress
from convsmith.errors import UsageError
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
    """An exported model, in an engine: ONNX Runtime if none is given."""

    def __init__(self, path: Path, threads: int = THREADS, engine: EngineKind | None = None) -> None:
        """Raises ModelFileError for a file that is damaged, that `convsmith export` did not write, or that the engine
        cannot run; UsageError for an engine that is not installed."""
        session = Session(path, threads)
        self.exported = Exported.of(path, session)
        self.engine: Engine = session if engine is None else engine.open(path, threads)
        self.classes = self.exported.classes
        self.decoding = self.exported.training.decoding
        preprocess = self.exported.preprocess
        self._before = None if self.exported.form.preprocess or preprocess is None else PreprocessModule(preprocess)

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Classifier`. Raises UsageError for an image of another size than the file takes."""
        result: NDArray[np.float32] = self.engine.run(PROBABILITIES, self.exported.source, self._taken(image))[0]
        return result

    def of_batch(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 (N, classes) for decoded images of one size, uint8 (N, H, W, 3), in a file that takes batches."""
        result: NDArray[np.float32] = self.engine.run(PROBABILITIES, self.exported.source, images)
        return result

    def _taken(self, image: NDArray[np.uint8]) -> NDArray[np.uint8] | NDArray[np.float32]:
        """What the graph takes for one decoded image."""
        form = self.exported.form
        if self._before is not None:
            with torch.inference_mode():
                prepared: NDArray[np.float32] = self._before(torch.tensor(image)).numpy()
            return prepared
        if form.size is not None and image.shape[:2] != form.size:
            have, want = ("x".join(map(str, size)) for size in (image.shape[:2], form.size))
            raise UsageError(f"{self.exported.path} takes images of {want} (height x width) only, not {have}")
        return np.ascontiguousarray(image[None] if form.batch else image)


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
