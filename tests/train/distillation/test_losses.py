"""The terms of distillation, against the papers' formulas written in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from convsmith.train.distillation.losses import attention, hint, soft_targets

Array = NDArray[np.float64]


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    shares: Array = powers / powers.sum(1, keepdims=True)
    return shares


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_soft_targets_are_the_cross_entropy_at_a_temperature_less_the_teachers_entropy(temperature: float) -> None:
    student, teacher = 3 * noise(5, 7), 3 * noise(5, 7, seed=1)
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    wanted = temperature**2 * ((-p * np.log(q)).sum(1) - (-p * np.log(p)).sum(1))
    found = soft_targets(torch.from_numpy(student), torch.from_numpy(teacher), temperature)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 100.0])
def test_the_gradient_is_the_papers_and_keeps_its_size_at_any_temperature(temperature: float) -> None:
    student, teacher = noise(4, 6), noise(4, 6, seed=1)
    logits = torch.tensor(student, requires_grad=True)
    soft_targets(logits, torch.from_numpy(teacher), temperature).sum().backward()
    assert logits.grad is not None
    wanted = temperature * (softmax(student / temperature) - softmax(teacher / temperature))  # T^2 x equation 2
    np.testing.assert_allclose(logits.grad.numpy(), wanted, atol=1e-4)
    if temperature == 100:  # equation 4: the difference of the centred logits over the number of classes
        centred = [x - x.mean(1, keepdims=True) for x in (student, teacher)]
        np.testing.assert_allclose(logits.grad.numpy(), (centred[0] - centred[1]) / 6, atol=0.01)


def test_attention_compares_normalised_sums_of_squares_at_the_smaller_size() -> None:
    student, teacher = noise(3, 4, 8, 8), noise(3, 6, 4, 4, seed=1)
    maps = [(student**2).sum(1).reshape(3, 4, 2, 4, 2).mean((2, 4)), (teacher**2).sum(1)]
    one, other = (m.reshape(3, -1) / np.linalg.norm(m.reshape(3, -1), axis=1, keepdims=True) for m in maps)
    wanted = ((one - other) ** 2).sum(1)
    found = attention(torch.from_numpy(student), torch.from_numpy(teacher))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4)
    assert float(attention(torch.from_numpy(teacher), torch.from_numpy(5 * teacher)).max()) < 1e-9


def test_a_hint_is_half_the_mean_squared_difference_to_the_teacher_at_mean_square_1() -> None:
    student, teacher = noise(3, 5, 4, 4), noise(3, 5, 8, 8, seed=1)
    averaged = teacher.reshape(3, 5, 4, 2, 4, 2).mean((3, 5))
    level = averaged / np.sqrt((averaged**2).mean((1, 2, 3), keepdims=True))
    wanted = ((student - level) ** 2).mean((1, 2, 3)) / 2
    found = hint(torch.from_numpy(student), torch.from_numpy(teacher))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4)
