"""Other libraries' reports home, switched off: nothing that convsmith imports may speak to anyone unasked."""

from __future__ import annotations

import os
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
