"""Quantization by rate and distortion: the file has its size, and what matters is kept finest."""

from __future__ import annotations

import onnx
import pytest
import torch
from small import sample, trained

from convsmith.compression import measure, quantize_at, quantize_to
from convsmith.compression.rate_distortion import Measured, quantized, rounded
from convsmith.compression.sample import loss_and_accuracy
from convsmith.deploy.export import to_bytes
from convsmith.errors import UsageError
from convsmith.model import load_model, save_model


@pytest.fixture(scope="module")
def measured() -> Measured:
    return measure(trained(), sample())


@pytest.mark.parametrize("target", [5_000, 12_000])
def test_the_file_has_at_most_its_target_and_nearly_all_of_it(measured, target, tmp_path):
    outcome = quantize_to(measured, target)
    save_model(outcome.model, tmp_path / "m")
    assert 0.98 * target < (tmp_path / "m").stat().st_size <= target
    again = load_model(tmp_path / "m")
    assert all(torch.equal(again.weights[key], weight) for key, weight in outcome.model.weights.items())


def test_a_seventh_of_the_bytes_keeps_nearly_all_answers(measured):
    test = sample("test")
    weights = sum(weight.numel() for weight in measured.model.weights.values())
    before = loss_and_accuracy(trained(), test)[1]
    after = loss_and_accuracy(quantize_to(measured, 4 * weights // 7).model, test)[1]
    assert after > before - 0.02


def test_a_dearer_bit_makes_a_smaller_file(measured, tmp_path):
    sizes = []
    for price in (1e-7, 1e-6, 1e-5):
        save_model(quantize_at(measured, price).model, tmp_path / "m")
        sizes.append((tmp_path / "m").stat().st_size)
    assert sizes == sorted(sizes, reverse=True)


def test_what_matters_more_has_a_finer_step():
    values = torch.randn(40, 40, generator=torch.Generator().manual_seed(0))
    steps = [quantized(values, torch.full_like(values, importance), 1e-6)[1] for importance in (1e-4, 1e-3, 1e-2)]
    assert steps == sorted(steps, reverse=True)


def test_rounding_to_less_is_chosen_where_it_costs_less():
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    everything = torch.ones_like(values)
    free = rounded(values, everything, 0.5, 0.0)
    assert torch.equal(free, torch.round(values / 0.5).int())
    dear = rounded(values, everything, 0.5, 0.02)
    assert dear.count_nonzero() < free.count_nonzero()
    assert bool((dear.abs() <= free.abs()).all())


def test_a_target_below_the_least_is_refused_with_the_least(measured):
    with pytest.raises(UsageError, match="300 bytes are too few; the least is"):
        quantize_to(measured, 300)


def test_its_onnx_has_floats(measured):
    """An engine would turn integers into floats anew for every image, where nothing is computed in integers."""
    graph = onnx.load_from_string(to_bytes(quantize_to(measured, 12_000).model)).graph
    assert "DequantizeLinear" not in {node.op_type for node in graph.node}
