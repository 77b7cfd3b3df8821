"""Other libraries' reports home, switched off: nothing that convsmith imports may speak to anyone unasked."""

from __future__ import annotations

import os
import sys
from typing import Any

SWITCHES = {
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment variables of ONNX Runtime, Ray, Gradio, the Hugging Face hub, and the one that many others share.

ONNX Runtime's counts only if it is set before the import; the call that switches telemetry off comes too late, after a
device id is written."""


def switch_off() -> None:
    """Call it before the import of any of these. A variable that the user has set stays as it is."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)


def import_onnxruntime() -> Any:
    """The module `onnxruntime`, which is imported here and nowhere else."""
    switch_off()
    import onnxruntime  # type: ignore[import-untyped]

    return onnxruntime


def import_openvino() -> Any:
    """The module `openvino`, which is imported here and nowhere else.

    Its import writes an id into the user's home and reports it, and no variable stops that. It goes without the part
    that reports where that is missing, and so it is made to be, for the time of the import.
    """
    switch_off()
    reporter = "openvino_telemetry"
    if reporter in sys.modules:
        import openvino  # type: ignore[import-untyped,import-not-found,unused-ignore]

        return openvino
    sys.modules[reporter] = None  # type: ignore[assignment]  # Python's word for what cannot be imported
    try:
        import openvino
    finally:
        del sys.modules[reporter]
    return openvino


def import_opencv() -> Any:
    """The module `cv2`, which is imported here and nowhere else. It reports to nobody."""
    switch_off()
    import cv2  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return cv2
