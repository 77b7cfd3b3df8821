from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convsmith.train.recipes.recipe import Recipe
from convsmith.train.recipes.schedule import Schedule, Updates
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.learner import Learner, make_optimizer
from convsmith.train.step.objective import ClassificationLoss, TrainingBatch, class_weights

RECIPE = Recipe(1, 8, "sgd", learning_rate=0.1, weight_decay=0.01)


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


def batch() -> TrainingBatch:
    generator = torch.Generator().manual_seed(1)
    images, labels = torch.rand(8, 3, 8, 8, generator=generator), torch.randint(5, (8,), generator=generator)
    return TrainingBatch(images, labels, torch.arange(8))


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_a_step_is_what_torch_does_by_hand(memory_format: str) -> None:
    images, labels, _ = batch()
    ours, by_hand = module(), module()
    learner = Learner(ours, RECIPE, ClassificationLoss(0.1), Arithmetic(memory_format), Updates(10))
    optimizer = torch.optim.SGD(
        [
            {"params": [p for p in by_hand.parameters() if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in by_hand.parameters() if p.ndim == 1]},
        ],
        lr=0.1,
        momentum=0.9,
        nesterov=True,
    )
    for number in range(3):
        for group in optimizer.param_groups:
            group["lr"] = learner.learning_rate(number)
        optimizer.zero_grad()
        loss = F.cross_entropy(by_hand(images), labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        torch.testing.assert_close(learner.step(batch(), number), loss.detach())
    for one, other in zip(ours.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_norms_and_biases_do_not_decay(optimizer: str) -> None:
    made = make_optimizer(module(), replace(RECIPE, optimizer=optimizer))
    decays = {p.ndim: group["weight_decay"] for group in made.param_groups for p in group["params"]}
    assert decays == {4: 0.01, 2: 0.01, 1: 0.0}


def test_gains_do_not_decay_whatever_their_shape() -> None:
    net = nn.Module()
    net.gain, net.scalar = nn.Parameter(torch.ones(4, 1, 1, 1)), nn.Parameter(torch.ones(()))
    assert {group["weight_decay"] for group in make_optimizer(net, RECIPE).param_groups} == {0.0}


def test_frozen_parameters_are_left_out() -> None:
    frozen = module()
    frozen[0].requires_grad_(False)
    made = make_optimizer(frozen, RECIPE)
    assert sum(len(group["params"]) for group in made.param_groups) == 4


def test_class_weights_make_all_classes_count_the_same() -> None:
    weights = class_weights(np.array([0] * 6 + [1] * 3 + [2]), 3)
    np.testing.assert_allclose(weights * [6, 3, 1], 10 / 3)


def test_a_class_without_images_has_a_finite_weight() -> None:
    assert np.isfinite(class_weights(np.array([0, 0]), 3)).all()


def test_bfloat16_changes_the_arithmetic_and_not_the_weights_type() -> None:
    exact, rounded = module(), module()
    losses = [
        Learner(net, RECIPE, ClassificationLoss(), Arithmetic(precision=precision), Updates(1)).step(batch(), 0)
        for net, precision in ((exact, "float32"), (rounded, "bfloat16"))
    ]
    assert losses[0] != losses[1]
    torch.testing.assert_close(losses[0], losses[1], rtol=0.03, atol=0)
    assert all(p.dtype == torch.float32 for p in rounded.parameters())


TEN = Updates(10)


def learner(recipe: Recipe, updates: Updates = TEN, **settings: object) -> Learner:
    return Learner(module(), recipe, ClassificationLoss(), Arithmetic(parts=recipe.accumulate), updates, **settings)


def without_norm() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_a_batch_in_parts_gives_the_gradients_of_the_whole(parts: int) -> None:
    weights = torch.tensor([0.2, 1.0, 3.0, 1.0, 0.5])
    losses, modules = [], []
    for accumulate in (1, parts):
        own = without_norm()
        objective, arithmetic = ClassificationLoss(0.1, weights), Arithmetic(parts=accumulate)
        whole = Learner(own, RECIPE, objective, arithmetic, Updates(10))
        losses.append(torch.stack([whole.step(batch(), number) for number in range(3)]))
        modules.append(own)
    torch.testing.assert_close(losses[0], losses[1])
    for one, other in zip(modules[0].parameters(), modules[1].parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_gradients_are_clipped_together() -> None:
    lengths = []
    for clip_norm in (None, 0.01):
        sgd = learner(replace(RECIPE, clip_norm=clip_norm, weight_decay=0.0, momentum=1e-9, nesterov=False))
        before = [p.detach().clone() for p in sgd.module.parameters()]
        sgd.step(batch(), 0)
        moved = [p.detach() - b for p, b in zip(sgd.module.parameters(), before, strict=True)]
        lengths.append(nn.utils.get_total_norm(moved).item() / sgd.learning_rate(0))
    assert lengths[0] > 0.1
    assert lengths[1] == pytest.approx(0.01, rel=1e-3)


def test_the_sharpness_aware_step_takes_the_gradient_uphill() -> None:
    images, labels, _ = batch()
    recipe = replace(RECIPE, sam_rho=0.5, weight_decay=0.0, momentum=1e-9, nesterov=False)
    aware = learner(recipe)
    by_hand = module()
    loss = F.cross_entropy(by_hand(images), labels)
    loss.backward()
    length = nn.utils.get_total_norm([p.grad for p in by_hand.parameters()])
    start = [p.detach().clone() for p in by_hand.parameters()]
    with torch.no_grad():
        for p in by_hand.parameters():
            p += 0.5 * p.grad / length
    by_hand.zero_grad()
    F.cross_entropy(by_hand(images), labels).backward()
    wanted = [s - aware.learning_rate(0) * p.grad for s, p in zip(start, by_hand.parameters(), strict=True)]
    torch.testing.assert_close(aware.step(batch(), 0), loss.detach())
    for parameter, expected in zip(aware.module.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.detach(), expected)


def test_the_second_pass_leaves_running_statistics_alone() -> None:
    plain, aware = learner(RECIPE), learner(replace(RECIPE, sam_rho=0.5))
    for one in (plain, aware):
        one.step(batch(), 0)
    assert torch.equal(plain.module[1].running_mean, aware.module[1].running_mean)
    assert aware.module[1].momentum == 0.1


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop", "lamb"])
def test_every_optimizer_lowers_the_loss(optimizer: str) -> None:
    own = learner(replace(RECIPE, optimizer=optimizer, learning_rate=0.01))
    losses = [own.step(batch(), 0).item() for _ in range(10)]
    assert losses[-1] < 0.8 * losses[0]


def test_rates_follow_the_schedule_and_the_share() -> None:
    own = learner(replace(RECIPE, schedule=Schedule("exponential", factor=0.5, every=2)), Updates(10, epoch=3))
    assert [own.learning_rate(n) for n in (0, 5, 6, 12)] == pytest.approx([0.1, 0.1, 0.05, 0.025])
    own.lr_scale = 0.5
    assert own.learning_rate(0) == pytest.approx(0.05)


def test_what_follows_the_update_is_held_and_averaged() -> None:
    def clear(module: nn.Module, number: int) -> None:
        numbers.append(number)
        module[0].weight.zero_()

    numbers: list[int] = []
    masked = learner(replace(RECIPE, ema_decay=0.5), after_update=clear)
    for number in range(3):
        masked.step(batch(), number)
    assert numbers == [0, 1, 2]
    assert not masked.module[0].weight.any()
    assert masked.average is not None
    assert not torch.equal(masked.average.shadow["4.weight"], module()[4].weight)
    assert masked.average.shadow["0.weight"].abs().max() < module()[0].weight.abs().max()
