"""Training on a grid: weights stay multiples of their step, zeros stay zero, steps add up until one is crossed."""

from __future__ import annotations

import pytest
import torch
from small import clothes, recipe, sample, trained

from convsmith.compression import measure, quantize_to, retrained
from convsmith.compression.on_grid import on_grid, storable
from convsmith.errors import UsageError
from convsmith.model import Model, load_model, save_model


@pytest.fixture(scope="module")
def quantized() -> Model:
    return quantize_to(measure(trained(), sample()), 6_000).model


def parameters(module):
    return dict(module.named_parameters())


def test_small_steps_add_up_until_the_next_multiple_is_nearer(quantized):
    keeping, module = on_grid(quantized), quantized.module()
    key = next(key for key, grid in quantized.grids.items() if quantized.weights[key].ndim > 1)
    step, before = float(quantized.grids[key]["scale"]), quantized.weights[key].clone()
    place = tuple((before > 0).nonzero()[0])
    seen = []
    for number in range(4):
        with torch.no_grad():
            parameters(module)[key][place] += 0.2 * step
            keeping(module, number)
        seen.append(round(float(parameters(module)[key][place] - before[place]) / step))
    assert seen == [0, 0, 1, 1]


def test_zeros_stay_and_an_average_is_only_rounded(quantized):
    keeping, module = on_grid(quantized), quantized.module()
    key = max(quantized.grids, key=lambda key: quantized.weights[key].numel())
    step, zeros = float(quantized.grids[key]["scale"]), quantized.weights[key] == 0
    assert zeros.any()
    with torch.no_grad():
        keeping(module, 0)
        parameters(module)[key].add_(0.4 * step)
        keeping(module, 0)  # of the same number: an average
    assert torch.equal(parameters(module)[key], quantized.weights[key])
    with torch.no_grad():
        parameters(module)[key].add_(1.4 * step)
        keeping(module, 1)
    assert not parameters(module)[key][zeros].any()
    assert not torch.equal(parameters(module)[key], quantized.weights[key])


def test_a_model_trained_on_its_grid_is_saved_and_has_about_the_same_size(quantized, tmp_path):
    keeping = on_grid(quantized)
    tuned = storable(retrained(quantized, clothes(), recipe(), after_update=keeping, observers=(keeping.observe,)))
    assert any(not torch.equal(tuned.weights[key], quantized.weights[key]) for key in quantized.grids)
    for name, model in (("before", quantized), ("after", tuned)):
        save_model(model, tmp_path / name)
    before, after = ((tmp_path / name).stat().st_size for name in ("before", "after"))
    assert after < 1.1 * before
    again = load_model(tmp_path / "after")
    assert all(torch.equal(again.weights[key], weight) for key, weight in tuned.weights.items())


def test_a_model_without_integers_has_no_grid():
    with pytest.raises(UsageError, match="no weights that are stored as integers"):
        on_grid(trained())
