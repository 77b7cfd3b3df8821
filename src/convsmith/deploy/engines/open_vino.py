"""OpenVINO, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.errors import ModelFileError
from convsmith.telemetry import import_openvino

openvino = import_openvino()


class OpenVino:
    """An ONNX file in OpenVINO: its arithmetic is float32 where that is asked for, else what OpenVINO prefers here."""

    def __init__(self, path: Path, threads: int, *, precision: str | None) -> None:
        """`precision` is "f32", or None for OpenVINO's own choice: bfloat16 where the machine has it.

        Raises ModelFileError if OpenVINO cannot run the file.
        """
        hints = {"INFERENCE_NUM_THREADS": threads} | ({"INFERENCE_PRECISION_HINT": precision} if precision else {})
        core = openvino.Core()
        try:
            self._model = core.compile_model(core.read_model(path), "CPU", hints)
        except RuntimeError as error:
            raise ModelFileError(f"{path}: OpenVINO cannot run it ({_reason(error)})") from None
        self._path = path
        self.version = str(openvino.__version__).partition("-")[0]
        chosen = self._model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.precision = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}.get(chosen, chosen)

    def run(self, output: str, source: str, value: NDArray[Any]) -> NDArray[Any]:
        """See `Engine.run`."""
        try:
            return np.asarray(self._model({source: value})[output])
        except RuntimeError as error:
            raise ModelFileError(f"{self._path}: OpenVINO cannot run it ({_reason(error)})") from None


def _reason(error: RuntimeError) -> str:
    """The last line that says something: those before it say where in OpenVINO's source it was noticed."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
