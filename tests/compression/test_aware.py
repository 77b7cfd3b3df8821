"""Training that knows that its weights will be rounded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest
import torch
from small import Stopping, assert_same_bits, clothes, recipe, sample, trained

import convsmith
from convsmith.compression import Quantization, held, masks_of, prune, quantize_aware, quantized
from convsmith.compression.pruning.magnitude import Pruning
from convsmith.compression.quantization.aware import FakeQuantization, prepared
from convsmith.compression.quantization.quantize import ready
from convsmith.compression.quantization.weights import ternary
from convsmith.compression.sample import loss_and_accuracy
from convsmith.errors import UnknownNameError
from convsmith.model import Model, load_model, save_model
from convsmith.model.codecs.integers import nearest, on_grid
from convsmith.network.storage import IntegerStorage
from convsmith.train import Recipe, distilling

FOUR = IntegerStorage(4, 0)


def gentle(epochs: int = 2) -> Recipe:
    return replace(recipe(epochs), learning_rate=0.005)


def accuracy(model: Model) -> float:
    return loss_and_accuracy(model, sample("test"))[1]


def weights_and_steps() -> tuple[torch.Tensor, torch.Tensor]:
    weight = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    return weight.requires_grad_(), torch.tensor([0.1, 0.2, 0.3], requires_grad=True)


def test_learned_steps_give_what_the_file_will_hold_and_lsqs_gradients() -> None:
    weight, step = weights_and_steps()
    fake = FakeQuantization(FOUR, None)
    rounded = fake(weight, step)
    made = fake.rounded(weight.detach(), step.detach())
    torch.testing.assert_close(rounded.detach(), on_grid(FOUR, made.integers, made.grid))
    above = torch.randn(rounded.shape, generator=torch.Generator().manual_seed(1))
    (rounded * above).sum().backward()
    v = weight.detach() / step.detach().view(-1, 1, 1, 1)
    inside = (v >= -8) & (v <= 7)
    torch.testing.assert_close(weight.grad, above * inside)
    # Esser et al. 2020, equation 3, and the scale of section 2.2 for a layer of 54 weights.
    slope = torch.where(inside, v.round() - v, v.clamp(-8, 7))
    wanted = (slope * above).sum((1, 2, 3)) / (54 * 7) ** 0.5
    torch.testing.assert_close(step.grad, wanted, atol=1e-5, rtol=1e-4)
    assert not inside.all()


def test_a_rule_is_followed_exactly_and_passes_gradients_straight() -> None:
    weight, _ = weights_and_steps()
    storage = IntegerStorage(2, 0)
    rounded = FakeQuantization(storage, ternary)(weight, None)
    made = ternary(storage, weight.detach())
    assert torch.equal(rounded.detach(), on_grid(storage, made.integers, made.grid))
    (2 * rounded).sum().backward()
    assert torch.equal(weight.grad, torch.full_like(weight, 2.0))


def test_before_training_it_computes_what_the_rounded_model_computes() -> None:
    settings = Quantization(bits=4, weights="least-error")
    start = quantized(trained(), sample(), settings).model
    module, rounding = prepared(start, ready(trained(), settings), settings, "learned")
    images = sample("test").images[:64]
    with torch.inference_mode():
        torch.testing.assert_close(module.eval()(images), start.module()(images), atol=1e-4, rtol=1e-4)
    assert set(rounding) == {stored.parameter for stored in start.network.storage}
    assert set(module.state_dict()) - set(start.weights) == {f"{key}_step" for key in rounding}


@pytest.mark.parametrize(
    "settings",
    [
        Quantization(bits=4, weights="least-error"),
        Quantization(bits=2, weights="least-error"),
        Quantization(weights="ternary"),
        Quantization(weights="binary"),
    ],
    ids=["4 bits", "2 bits", "ternary", "binary"],
)
def test_few_bits_win_back_what_rounding_lost(settings: Quantization) -> None:
    before = accuracy(quantized(trained(), sample(), settings).model)
    made = quantize_aware(trained(), clothes(), gentle(3), sample(), settings).model
    assert accuracy(made) > before
    for key, storage in made.network.storage:
        assert torch.equal(
            on_grid(storage, nearest(storage, made.weights[key], made.grids[key]), made.grids[key]), made.weights[key]
        )


def test_the_result_is_an_ordinary_model_that_engines_run_in_integers(tmp_path: Path) -> None:
    made = quantize_aware(trained(), clothes(), gentle(1), sample()).model
    save_model(made, tmp_path / "aware.safetensors")
    again = load_model(tmp_path / "aware.safetensors")
    assert_same_bits(again, made)
    checked = convsmith.export(again, tmp_path / "aware.onnx", clothes().split("test"))
    assert checked.passed
    session = onnxruntime.InferenceSession(tmp_path / "aware.onnx", providers=["CPUExecutionProvider"])
    assert session.get_outputs()


def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    def aware(folder: Path, *observers: Stopping) -> Model:
        settings = Quantization(bits=4, weights="least-error")
        return quantize_aware(
            trained(), clothes(), gentle(), sample(), settings, folder=folder, observers=observers
        ).model

    whole = aware(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        aware(tmp_path / "broken", Stopping(1))
    assert_same_bits(aware(tmp_path / "broken"), whole)


def test_the_whole_model_teaches_its_rounded_self() -> None:
    settings = Quantization(bits=2, weights="least-error")
    objective = distilling(trained(), trained())
    made = quantize_aware(trained(), clothes(), gentle(1), sample(), settings, objective=objective).model
    assert accuracy(made) > accuracy(quantized(trained(), sample(), settings).model)


def test_zeros_that_are_held_stay_zeros() -> None:
    pruned = prune(ready(trained(), Quantization()), Pruning(0.5)).model
    masks = masks_of(pruned)
    made = quantize_aware(pruned, clothes(), gentle(1), sample(), Quantization(bits=4), after_update=held(masks)).model
    for key, mask in masks.items():
        assert not made.weights[key][~mask].any()


def test_layers_computed_in_floats_stay_so() -> None:
    settings = Quantization(bits=2, max_drop=0.02)
    outcome = quantize_aware(trained(), clothes(), gentle(1), sample(), settings)
    floating = {one.layer for one in outcome.untouched}
    assert floating
    assert not {f"{layer}.weight" for layer in floating} & {one.parameter for one in outcome.model.network.storage}


def test_another_way_of_finding_steps_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="guessed"):
        quantize_aware(trained(), clothes(), gentle(1), sample(), steps="guessed")  # type: ignore[arg-type]
