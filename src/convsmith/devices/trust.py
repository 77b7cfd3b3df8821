"""Whether a table is of this machine and of what is installed, and what it may be trusted with if not."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from convsmith.devices.measure import runner
from convsmith.devices.table import DeviceTable, Machine

PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "pytorch": "torch"}


def this_machine() -> Machine:
    return Machine(**runner.machine())


def mismatch(table: DeviceTable) -> tuple[str, ...]:
    """What of a table differs from here, a sentence each: what differs, and what the predictions are still good for.

    None if it was measured on this machine with the engine that is installed.
    """
    here, there = this_machine(), table.machine
    if here != there:
        return (
            f"measured on another machine ({there.processor}, {there.cores} cores, {there.system}): these are that "
            "machine's milliseconds, not this one's",
        )
    installed = installed_version(table.engine.name)
    if installed is None:
        return (f"{table.engine.name} is not installed here: the predictions cannot be checked on this machine",)
    if installed != table.engine.version:
        return (
            f"measured with {table.engine.name} {table.engine.version}, and {installed} is installed: the order of "
            "networks should hold, milliseconds may not; measure again to be sure",
        )
    return ()


def installed_version(engine: str) -> str | None:
    """The version of an engine that is installed, in the words of its tables; None if there is none."""
    try:
        return version(PACKAGES.get(engine, engine)).partition("+")[0]
    except PackageNotFoundError:
        return None
