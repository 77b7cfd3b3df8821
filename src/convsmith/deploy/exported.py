"""What an ONNX file of convsmith's says of itself: which images it takes, its classes, its preprocessing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convsmith.backend.onnx.form import Form
from convsmith.backend.onnx.model import IMAGE, PROBABILITIES
from convsmith.backend.runtime.session import Session
from convsmith.errors import ConvsmithError, ModelFileError
from convsmith.evaluation.training_data import TrainingData
from convsmith.network import INPUT, Network, Preprocess
from convsmith.network.ops import Quantize


@dataclass(frozen=True)
class Exported:
    """An exported file: its `form`, the names of its classes, what is known of its training data.

    `preprocess` is what a file without preprocessing needs before it, and what one with it does. `quantized` says
    whether it computes in few bits.
    """

    path: Path
    form: Form
    classes: tuple[str, ...]
    training: TrainingData
    preprocess: Preprocess | None
    quantized: bool

    @property
    def source(self) -> str:
        """The name of the graph's input."""
        return IMAGE if self.form.preprocess else INPUT

    @classmethod
    def of(cls, path: Path, session: Session) -> Exported:
        """Of a file that is open in ONNX Runtime. Raises ModelFileError for one that convsmith did not export."""
        preprocess = _preprocess(session)
        takes_images = session.inputs == (IMAGE,)
        if not takes_images and not (session.inputs == (INPUT,) and preprocess is not None):
            raise ModelFileError(f"{path}: not exported by convsmith: its input is not {IMAGE!r}, a decoded image")
        return cls(
            path,
            _form(session) if takes_images else Form(preprocess=False),
            _class_names(path, session),
            _training(session),
            preprocess,
            _quantized(session),
        )


def _form(session: Session) -> Form:
    shape = session.shape(IMAGE)
    height, width = shape[-3:-1]
    return Form(
        batch=len(shape) == 4, size=(height, width) if isinstance(height, int) and isinstance(width, int) else None
    )


def _class_names(path: Path, session: Session) -> tuple[str, ...]:
    names = _note(session, "classes")
    if names is None:
        raise ModelFileError(f"{path}: not exported by convsmith: its metadata lists no classes")
    outputs = session.shape(PROBABILITIES)[-1]
    if not isinstance(names, list) or len(names) != outputs:
        raise ModelFileError(f"{path}: its metadata does not name its {outputs} classes")
    return tuple(str(name) for name in names)


def _training(session: Session) -> TrainingData:
    provenance = _note(session, "provenance")
    return TrainingData.known_to(provenance if isinstance(provenance, dict) else {})


def _preprocess(session: Session) -> Preprocess | None:
    try:
        return Preprocess.from_json(_note(session, "preprocess"))
    except (ConvsmithError, ValueError, TypeError, LookupError):
        return None


def _quantized(session: Session) -> bool:
    try:
        network = Network.from_json(_note(session, "network"))
    except (ConvsmithError, ValueError, TypeError, LookupError, AttributeError):
        return False
    return any(isinstance(node.op, Quantize) for node in network)


def _note(session: Session, key: str) -> Any:
    """What the exporter noted; None if it is missing or damaged."""
    try:
        return json.loads(session.metadata[key])
    except (KeyError, ValueError):
        return None
