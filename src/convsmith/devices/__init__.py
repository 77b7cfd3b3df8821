"""Tables of what operators take on a device, and predictions from them.

table = load_table("onnxruntime-1")
predicted_ms(network, table)
"""

from __future__ import annotations

from convsmith.devices.predict import OperatorTime, Prediction, predict, predicted_ms
from convsmith.devices.store import load_table, save_table
from convsmith.devices.table import DeviceTable, EngineSetup, Machine, read_table, write_table
from convsmith.devices.trust import mismatch

__all__ = [
    "DeviceTable",
    "EngineSetup",
    "Machine",
    "OperatorTime",
    "Prediction",
    "load_table",
    "mismatch",
    "predict",
    "predicted_ms",
    "read_table",
    "save_table",
    "write_table",
]
