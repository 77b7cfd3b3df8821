"""Measuring this machine: in parts, within its time, with another engine."""

from __future__ import annotations

import json
from pathlib import Path

import fake_device
import pytest

import convsmith
from convsmith.devices import interpolate, load_table, predicted_ms
from convsmith.devices.measure import session
from convsmith.devices.measure.samples import sample_network
from convsmith.devices.measure.session import profile, timings_path
from convsmith.errors import UnknownNameError, UsageError

FEWEST_NETWORKS = 8
"""Of a table here."""


@pytest.fixture(autouse=True)
def small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpolate, "MOST_FOR_LENGTHS", 30)
    monkeypatch.setattr(session, "FEWEST_NETWORKS", FEWEST_NETWORKS)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks that were measured, by the fake device."""
    measured: list[str] = []

    def measure(network, threads):
        measured.append(network.name)
        return fake_device.timed(network, threads)

    monkeypatch.setitem(session.ENGINES, "onnxruntime", measure)
    return measured


def test_an_interrupted_measurement_goes_on(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_in_between(network, threads):
        if len(calls) == 11:
            raise KeyboardInterrupt
        calls.append(network.name)
        return fake_device.timed(network, threads)

    whole = session.ENGINES["onnxruntime"]
    monkeypatch.setitem(session.ENGINES, "onnxruntime", stop_in_between)
    with pytest.raises(KeyboardInterrupt):
        profile(networks=13)
    monkeypatch.setitem(session.ENGINES, "onnxruntime", whole)
    table = profile(networks=13)
    assert calls == [f"sample{number}" for number in range(13)]
    assert table.networks == 13
    assert load_table("onnxruntime-1") == table


def test_what_is_measured_is_only_learned_again(calls: list[str]) -> None:
    first = profile(networks=FEWEST_NETWORKS)
    assert profile(networks=FEWEST_NETWORKS) == first
    assert len(calls) == FEWEST_NETWORKS
    profile(networks=FEWEST_NETWORKS, restart=True)
    assert len(calls) == 2 * FEWEST_NETWORKS


def test_times_of_another_engine_are_not_mixed(calls: list[str]) -> None:
    profile("mine", networks=FEWEST_NETWORKS)
    with pytest.raises(UsageError, match=r"mine was begun on .* with onnxruntime .*, 1 thread, which is not") as raised:
        profile("mine", threads=2, networks=FEWEST_NETWORKS)
    assert raised.value.settings == ("restart",)


def test_a_second_cut_short_line_is_measured_again(calls: list[str]) -> None:
    profile(networks=FEWEST_NETWORKS)
    path = timings_path("onnxruntime-1")
    path.write_text(path.read_text()[:-50])
    profile(networks=FEWEST_NETWORKS)
    assert calls[-1] == f"sample{FEWEST_NETWORKS - 1}"
    assert len(path.read_text().splitlines()) == FEWEST_NETWORKS + 1


def test_too_little_time_is_said(calls: list[str]) -> None:
    with pytest.raises(UsageError, match=f"0 of the {FEWEST_NETWORKS} networks that a table needs"):
        profile(seconds=0.0)


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"engine": "onnx"}, UnknownNameError, "unknown engine 'onnx'; nearest: onnxruntime"),
        ({"threads": 0}, UsageError, "threads: must be at least 1, not 0"),
        ({"name": "a/b"}, UsageError, "cannot be a device's name"),
    ],
)
def test_bad_settings_are_named(settings: dict, kind: type[UsageError], said: str) -> None:
    with pytest.raises(kind, match=said):
        profile(**settings)


def test_pytorch_is_measured_layer_by_layer() -> None:
    network = sample_network(3)
    run_ms, layers = session.ENGINES["pytorch"](network, 1)
    assert [name for name, *_ in layers] == [node.name for node in network.inference]
    assert min(run_ms) > 0
    assert all(min(times) > 0 for _, _, times, _ in layers)


@pytest.mark.slow
def test_a_table_of_a_real_engine_predicts_within_a_factor(data_folder: Path) -> None:
    """A coarse table on a busy machine; how good whole ones are is `benchmarks/latency.py`'s to say."""
    table = profile(networks=FEWEST_NETWORKS)
    assert (data_folder / "onnxruntime-1.json").is_file()
    small, large = (predicted_ms(convsmith.create(name), table) for name in ("lenet5", "resnet50"))
    assert 0 < small < large
    assert json.loads((data_folder / "onnxruntime-1.json").read_text())["networks"] == FEWEST_NETWORKS
