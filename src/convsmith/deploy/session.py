"""ONNX Runtime: the one place that opens its sessions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
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
    """An ONNX model loaded in ONNX Runtime, on the CPU."""

    def __init__(self, model: Path | bytes, threads: int = THREADS) -> None:
        """From a file or a serialized model. Raises ModelFileError if ONNX Runtime cannot run it."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = FATAL  # whatever matters is raised
        source = str(model) if isinstance(model, Path) else model
        name = model if isinstance(model, Path) else "this network"
        if isinstance(model, Path) and not model.is_file():
            raise ModelFileError(f"{model}: no such file")
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except UNUSABLE as error:
            reason = str(error).splitlines()[0]
            raise ModelFileError(f"{name}: not a model that ONNX Runtime can run ({reason})") from None

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(value.name for value in self._session.get_inputs())

    def shape(self, output: str) -> tuple[int | str, ...]:
        """The shape of an output; a size that depends on the input is a name."""
        return next(tuple(value.shape) for value in self._session.get_outputs() if value.name == output)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the exporter wrote beside the graph, by key."""
        entries: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        return entries

    def run(self, output: str, source: str, value: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        """The output of this name when the input `source` is `value`."""
        result: NDArray[np.float32] = self._session.run([output], {source: value})[0]
        return result
