"""OpenCV's module for networks, dnn: its new engine and its classic one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convsmith.errors import ModelFileError
from convsmith.telemetry import import_opencv

cv2 = import_opencv()


class OpenCv:
    """An ONNX file in OpenCV's dnn. OpenCV has one count of threads for the whole process, which is left as it is."""

    precision = "float32"

    def __init__(self, path: Path, *, classic: bool) -> None:
        """The classic engine takes graphs whose images all have one size. Raises ModelFileError for what it refuses."""
        engine = cv2.dnn.ENGINE_CLASSIC if classic else cv2.dnn.ENGINE_NEW
        # OpenCV prints what it raises.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path), engine=engine)
        except cv2.error as error:
            raise ModelFileError(f"{path}: OpenCV cannot run it ({_reason(error)})") from None
        self._path = path
        self.version = str(cv2.__version__)

    def run(self, output: str, source: str, value: NDArray[Any]) -> NDArray[Any]:
        """See `Engine.run`."""
        try:
            # Without the wrapper, the last axis of an array would be taken for the channels of a matrix.
            self._net.setInput(cv2.Mat(np.ascontiguousarray(value), wrap_channels=False), source)
            return np.array(self._net.forward(output))
        except cv2.error as error:
            raise ModelFileError(f"{self._path}: OpenCV cannot run it ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    """What OpenCV says, in one line."""
    return " ".join(str(error).split())
