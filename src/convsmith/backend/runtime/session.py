"""ONNX Runtime: the one place that opens its sessions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from convsmith.errors import ModelFileError
from convsmith.telemetry import import_onnxruntime

onnxruntime = import_onnxruntime()
state = onnxruntime.capi.onnxruntime_pybind11_state

THREADS = os.cpu_count() or 1
"""Threads that one run may use: one for each core."""

FATAL = 4
UNUSABLE = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented)


class Session:
    """An ONNX model loaded in ONNX Runtime, on the CPU; an `Engine`."""

    version: str = onnxruntime.__version__
    precision = "float32"

    def __init__(self, model: Path | bytes, threads: int = THREADS) -> None:
        """From a file or a serialized model. Raises ModelFileError if ONNX Runtime cannot run it."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = FATAL  # whatever matters is raised
        source = str(model) if isinstance(model, Path) else model
        self._name = model if isinstance(model, Path) else "this network"
        if isinstance(model, Path) and not model.is_file():
            raise ModelFileError(f"{model}: no such file")
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except UNUSABLE as error:
            raise ModelFileError(f"{self._name}: not a model that ONNX Runtime can run ({_reason(error)})") from None

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(value.name for value in self._session.get_inputs())

    def shape(self, name: str) -> tuple[int | str, ...]:
        """The shape of an input or output; a size that is open is a name."""
        values = [*self._session.get_inputs(), *self._session.get_outputs()]
        return next(tuple(value.shape) for value in values if value.name == name)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the exporter wrote beside the graph, by key."""
        entries: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        return entries

    def run(self, output: str, source: str, value: NDArray[Any]) -> NDArray[Any]:
        """The output of this name when the input `source` is `value`. Raises ModelFileError for what it cannot run."""
        try:
            result: NDArray[Any] = self._session.run([output], {source: value})[0]
        except UNUSABLE as error:
            raise ModelFileError(f"{self._name}: ONNX Runtime cannot run it ({_reason(error)})") from None
        return result


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0]
