"""Interpolation between measured operators."""

from __future__ import annotations

import fake_device
import numpy as np
import pytest

from convsmith.devices.features import NAMES, features, matrix
from convsmith.devices.interpolate import FEWEST_OPERATORS, Process, fit, matern
from convsmith.devices.unit import Unit


def convolutions(count: int, seed: int = 0) -> list[Unit]:
    drawn = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        channels, out, side = (int(2 ** drawn.uniform(low, high)) for low, high in ((4, 8), (4, 8), (3, 6)))
        kernel = int(drawn.choice([1, 3, 5]))
        made.append(Unit("conv", (channels, side, side), (out, side, side), (kernel, kernel)))
    return made


def times_of(units: list[Unit]) -> np.ndarray:
    return np.array([fake_device.operator_ms(unit) for unit in units])


def test_unseen_operators_are_within_some_percent() -> None:
    known, new = convolutions(200), convolutions(50, seed=1)
    found, kept = fit("conv", False, known, times_of(known))
    assert kept.all()
    errors = Process(found, known, times_of(known)).predict(new) / times_of(new) - 1
    assert np.median(np.abs(errors)) < 0.05


def test_a_disturbed_measurement_is_left_out() -> None:
    known = convolutions(100)
    times = times_of(known)
    times[7] *= 400
    _, kept = fit("conv", False, known, times)
    assert not kept[7]
    assert kept.sum() >= 98


def test_few_operators_get_a_power_law() -> None:
    known = convolutions(FEWEST_OPERATORS - 1)
    found, _ = fit("conv", False, known, times_of(known))
    assert found.lengths == ()
    assert (Process(found, known, times_of(known)).predict(convolutions(20, seed=2)) > 0).all()


def test_one_operator_stands_for_its_kind_by_its_work() -> None:
    one = Unit("conv", (64, 28, 28), (64, 28, 28), (3, 3))
    found, _ = fit("conv", False, [one], np.array([0.5]))
    wider = Unit("conv", (64, 28, 28), (128, 28, 28), (3, 3))
    same, twice = Process(found, [one], np.array([0.5])).predict([one, wider])
    assert same == pytest.approx(0.5)
    assert twice / same == pytest.approx(2, rel=0.05)


def test_functions_differ_by_a_factor() -> None:
    units = [
        Unit("function", (channels, 8, 8), (channels, 8, 8), function=function)
        for channels in range(16, 200, 8)
        for function in ("relu", "mish")
    ]
    times = times_of(units) * np.array([10 if unit.function == "mish" else 1 for unit in units])
    found, _ = fit("function", False, units, times)
    relu, mish = (Unit("function", (77, 9, 9), (77, 9, 9), function=function) for function in ("relu", "mish"))
    quick, slow = Process(found, units, times).predict([relu, mish])
    assert slow / quick == pytest.approx(10, rel=0.1)


def test_the_kernel_is_one_at_a_point_and_falls_from_there() -> None:
    points = np.linspace(0, 3, 5)[:, None]
    row = matern(points, points)[0]
    assert row[0] == pytest.approx(1)
    assert (np.diff(row) < 0).all()


def test_each_feature_has_a_name_and_a_number() -> None:
    units = [Unit("dense", (512,), (10,)), Unit("mean", (16, 7, 7), (16,)), *convolutions(2)]
    assert matrix(units).shape == (4, len(NAMES))
    assert all(np.isfinite(features(unit)).all() for unit in units)


def test_an_operator_counts_as_cost_does() -> None:
    depthwise = Unit("depthwise", (32, 8, 8), (32, 8, 8), (3, 3), groups=32)
    assert (depthwise.macs, depthwise.weights) == (32 * 64 * 9, 32 * 9)
    up = Unit("transposed", (8, 4, 4), (16, 8, 8), (2, 2), (2, 2))
    assert up.macs == 8 * 16 * 16 * 4
