"""What is said of a table that is not of this machine, or of another engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from convsmith.devices import DeviceTable, mismatch
from convsmith.devices.trust import installed_version, this_machine


@pytest.fixture
def own(table: DeviceTable) -> DeviceTable:
    """As if it had been measured here, with what is installed."""
    installed = installed_version("onnxruntime")
    assert installed is not None
    return replace(table, machine=this_machine(), engine=replace(table.engine, version=installed))


def test_a_table_of_this_machine_is_trusted(own: DeviceTable) -> None:
    assert mismatch(own) == ()


def test_another_machine_is_named(own: DeviceTable) -> None:
    other = replace(own, machine=replace(own.machine, processor="Cortex-A76"))
    assert "measured on another machine (Cortex-A76" in mismatch(other)[0]
    assert "not this one's" in mismatch(other)[0]


def test_another_version_leaves_the_order(own: DeviceTable) -> None:
    (said,) = mismatch(replace(own, engine=replace(own.engine, version="0.1")))
    assert said.startswith("measured with onnxruntime 0.1")
    assert "the order of networks should hold" in said


def test_an_engine_that_is_not_installed(own: DeviceTable) -> None:
    (said,) = mismatch(replace(own, engine=replace(own.engine, name="tflite")))
    assert said == "tflite is not installed here: the predictions cannot be checked on this machine"
