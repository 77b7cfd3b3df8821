"""Distillation as an objective: its arithmetic, its gradients, and what it adds to the student in training."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

import convsmith
from convsmith import Model, Network, Preprocess
from convsmith.backend.preprocess import PreprocessModule
from convsmith.compression import retrained
from convsmith.errors import UnknownNameError, UsageError
from convsmith.network import builder
from convsmith.train import ClassificationLoss, Distillation, Recipe, Training, TrainingBatch, distilling
from convsmith.train.distillation.distilling import REGRESSOR, DistillationLoss
from convsmith.train.distillation.losses import attention, hint, soft_targets
from convsmith.train.run.store import RunStore
from convsmith.train.step.objective import instrumented

CLASSES = ("red", "green", "blue")
PREPROCESS = Preprocess(3, (12, 12), (12, 12), (0.5,) * 3, (0.25,) * 3)


def network(width: int, name: str = "small") -> Network:
    def family(x: builder.Tensor) -> builder.Tensor:
        x = builder.conv_norm_act(x, width, 3)
        x = builder.conv_norm_act(x, 2 * width, 3, stride=2)
        return builder.linear(builder.global_avg_pool(builder.conv_norm_act(x, 4 * width, 3, stride=2)), 3)

    return builder.write(name, (3, 12, 12), family)


def model(width: int, seed: int = 0, name: str = "small") -> Model:
    net = network(width, name)
    return Model(net, convsmith.build(net, seed).state_dict(), CLASSES, PREPROCESS)


def batch(count: int = 6, *, mixed: bool = False) -> TrainingBatch:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, 12, 12, generator=generator)
    labels = torch.arange(count) % 3
    targets = torch.rand(count, 3, generator=generator).softmax(1) if mixed else labels
    return TrainingBatch(images, targets, torch.arange(count))


def loss_of(objective: DistillationLoss, module: nn.Module, of: TrainingBatch) -> torch.Tensor:
    return objective.total(module(of.images), of, module)


def recipe(epochs: int = 2) -> Recipe:
    return Recipe(
        epochs, 8, "sgd", 0.05, 1e-4, ema_decay=0.9, memory_format="contiguous", precision="float32", compiled=False
    )


@pytest.mark.parametrize("mixed", [False, True])
def test_soft_targets_and_labels_are_weighed(mixed: bool) -> None:
    student, teacher, images = model(2), model(4, 1), batch(mixed=mixed)
    objective = distilling(teacher, student, Distillation(temperature=3, soft_weight=0.7))
    module = student.module()
    logits = module(images.images)
    taught = teacher.module()(images.images)
    hard = torch.nn.functional.cross_entropy(logits, images.targets, reduction="sum")
    wanted = 0.3 * hard + 0.7 * soft_targets(logits, taught, 3).sum()
    torch.testing.assert_close(loss_of(objective, module, images), wanted, atol=1e-4, rtol=1e-4)
    assert objective.weight(images) == 6


def test_an_image_counts_for_the_teacher_as_for_the_labels() -> None:
    student, teacher, images = model(2), model(4, 1), batch()
    weights = torch.tensor([1.0, 5.0, 0.5])
    objective = distilling(teacher, student, labels=ClassificationLoss(class_weights=weights))
    module = student.module()
    logits, taught = module(images.images), teacher.module()(images.images)
    hard = torch.nn.functional.cross_entropy(logits, images.targets, weights, reduction="sum")
    soft = (weights[images.targets] * soft_targets(logits, taught, 4)).sum()
    torch.testing.assert_close(loss_of(objective, module, images), 0.1 * hard + 0.9 * soft, atol=1e-4, rtol=1e-4)
    assert float(objective.weight(images)) == 13.0


@pytest.mark.parametrize("kind", ["soft", "hints", "attention"])
def test_a_batch_in_parts_has_the_same_loss(kind: str) -> None:
    student, images = model(2), batch()
    objective = distilling(model(4, 1), student, Distillation(kind))
    module = objective.instrument(student.module().train())
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()  # by the batch, parts would be normalised differently
    whole = loss_of(objective, module, images)
    parts = sum(loss_of(objective, module, part) for part in images.parts(3))
    torch.testing.assert_close(whole, parts)


def test_maps_are_compared_at_every_stage_and_the_hint_in_the_middle() -> None:
    student, teacher, images = model(2), model(4, 1), batch()
    attentive = distilling(teacher, student, Distillation("attention", map_weight=10.0))
    outputs = attentive.instrument(student.module().train())(images.images)
    own, theirs = outputs[1:], attentive.teacher.answer(images.images)[1]
    assert [m.shape[2] for m in own] == [m.shape[2] for m in theirs] == [12, 6, 3]
    plain = distilling(teacher, student).total(outputs[0], images, student.module())
    wanted = plain + 10 / 3 * sum(attention(a, b).sum() for a, b in zip(own, theirs, strict=True))
    torch.testing.assert_close(attentive.total(outputs, images, student.module()), wanted)

    hinted = distilling(teacher, student, Distillation("hints", map_weight=2.0))
    outputs = hinted.instrument(student.module().train())(images.images)
    (theirs,) = hinted.teacher.answer(images.images)[1]
    assert outputs[1].shape == theirs.shape == (6, 8, 6, 6)
    plain = distilling(teacher, student).total(outputs[0], images, student.module())
    wanted = plain + 2 * hint(outputs[1], theirs).sum()
    torch.testing.assert_close(hinted.total(outputs, images, student.module()), wanted)


@pytest.mark.parametrize(("kind", "reached"), [("attention", 3), ("hints", 2)])
def test_the_maps_alone_reach_the_layers_before_them_and_nothing_else(kind: str, reached: int) -> None:
    student = model(2)
    about = Distillation(kind, soft_weight=0.0)
    silent = ClassificationLoss(class_weights=torch.ones(3))
    objective = distilling(model(4, 1), student, about, silent)
    module = objective.instrument(student.module().train())
    outputs = module(batch().images)
    loss = objective.total((outputs[0].detach(), *outputs[1:]), batch(), module)
    loss.backward()
    moved = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    convolutions = [node.name for node in student.network if node.op.kind == "conv"]
    assert {f"{name}.weight" for name in convolutions[:reached]} <= moved
    assert not {f"{name}.weight" for name in convolutions[reached:]} & moved
    assert (f"{REGRESSOR}.weight" in moved) == (kind == "hints")
    assert all(parameter.grad is None for parameter in objective.teacher.parameters())


def test_the_students_layers_are_shared_and_evaluation_is_as_it_was() -> None:
    student, images = model(2), batch().images
    module = student.module()
    observed = distilling(model(4, 1), student, Distillation("hints")).instrument(module)
    for name, parameter in module.named_parameters():
        assert observed.get_parameter(name) is parameter
    added = set(observed.state_dict()) - set(module.state_dict())
    assert {key.partition(".")[0] for key in added} == {REGRESSOR, f"{REGRESSOR}_norm"}
    assert torch.equal(observed.eval()(images), module.eval()(images))


@pytest.mark.parametrize("kind", ["soft", "hints", "attention"])
def test_auxiliary_heads_learn_from_the_labels_alone(kind: str) -> None:
    def family(x: builder.Tensor) -> builder.Tensor:
        x = builder.conv_norm_act(x, 4, 3)
        builder.auxiliary(builder.linear(builder.global_avg_pool(x), 3), 0.3)
        return builder.linear(builder.global_avg_pool(builder.conv_norm_act(x, 8, 3, stride=2)), 3)

    net = builder.write("headed", (3, 12, 12), family)
    student = Model(net, convsmith.build(net).state_dict(), CLASSES, PREPROCESS)
    labels = ClassificationLoss(auxiliary_weights=(0.3,))
    objective = distilling(model(4, 1), student, Distillation(kind), labels)
    module = objective.instrument(student.module().train())
    outputs, images = module(batch().images), batch()
    without = objective.total((outputs[0], outputs[1].detach() * 0, *outputs[2:]), images, module)
    cross_entropy = torch.nn.functional.cross_entropy
    gained = cross_entropy(outputs[1], images.targets, reduction="sum") - 6 * torch.tensor(3.0).log()
    torch.testing.assert_close(objective.total(outputs, images, module) - without, 0.1 * 0.3 * gained)


def test_an_objective_that_needs_no_more_leaves_the_module_alone() -> None:
    module = model(2).module()
    assert instrumented(ClassificationLoss(), module) is module
    assert instrumented(distilling(model(4), model(2)), module) is module


@pytest.mark.parametrize("kind", ["soft", "hints", "attention"])
def test_a_training_with_a_teacher_resumes_to_the_same_bits(tiny: ModuleType, kind: str, tmp_path: Path) -> None:
    student, teacher, data = model(2), model(4, 1), tiny.in_memory()

    def training(folder: Path) -> Training:
        objective = distilling(teacher, student, Distillation(kind))
        return Training(student.module(), data, PREPROCESS, recipe(), objective=objective, store=RunStore(folder))

    whole = training(tmp_path / "whole")
    whole.advance()
    training(tmp_path / "broken").advance(1)
    resumed = training(tmp_path / "broken")
    assert len(resumed.history) == 1
    resumed.advance()
    tiny.assert_same_bits(whole.result().weights, resumed.result().weights)
    assert set(whole.result().weights) == set(student.module().state_dict())


@pytest.mark.parametrize("kind", ["soft", "hints", "attention"])
def test_a_compressed_model_is_trained_on_with_the_whole_one_as_its_teacher(tiny: ModuleType, kind: str) -> None:
    student = model(2)
    after = retrained(
        student, tiny.in_memory(), recipe(1), objective=distilling(model(4, 1), student, Distillation(kind))
    )
    assert after.network == student.network
    assert any(not torch.equal(after.weights[key], student.weights[key]) for key in student.weights)


def test_a_student_learns_its_teachers_answers_without_labels(tiny: ModuleType) -> None:
    data = tiny.in_memory()
    teacher, student = retrained(model(8), data, recipe(6)), model(2, 1)
    images = PreprocessModule(PREPROCESS)(torch.from_numpy(data.split("val").images.array))
    taught = teacher.module()(images)

    def away(of: Model) -> float:
        with torch.no_grad():
            return float(soft_targets(of.module()(images), taught, 1.0).mean())

    about = Distillation(temperature=2.0, soft_weight=1.0)
    after = retrained(student, data, recipe(6), objective=distilling(teacher, student, about))
    assert away(after) < 0.7 * away(student)


def test_a_module_that_no_network_describes_is_refused_where_maps_are_compared() -> None:
    objective = distilling(model(4), model(2), Distillation("attention"))
    with pytest.raises(UsageError, match="attention need"):
        objective.instrument(nn.Sequential(nn.Conv2d(3, 4, 3)))


def test_what_cannot_be_is_refused() -> None:
    dense = builder.write("dense", (3, 12, 12), lambda x: builder.linear(x, 3))
    flat = Model(dense, convsmith.build(dense).state_dict(), CLASSES, PREPROCESS)
    with pytest.raises(UsageError, match="distill: dense has no feature maps"):
        distilling(flat, model(2), Distillation("attention"))
    with pytest.raises(UsageError, match="binary"):
        distilling(model(4), model(2), labels=ClassificationLoss(loss="binary"))
    distilling(model(4), model(2), Distillation("attention", soft_weight=0), ClassificationLoss(loss="binary"))


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"kind": "warm"}, UnknownNameError),
        ({"temperature": 0.0}, UsageError),
        ({"temperature": float("nan")}, UsageError),
        ({"soft_weight": 1.5}, UsageError),
        ({"soft_weight": 0.0}, UsageError),
        ({"map_weight": 1.0}, UsageError),
        ({"kind": "hints", "map_weight": 0.0}, UsageError),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        Distillation(**settings)


def test_a_teacher_of_more_classes_teaches_those_of_the_student() -> None:
    net = convsmith.transform.part.with_classes(network(4), 4)
    weights = convsmith.build(net, 1).state_dict()
    teacher = Model(net, weights, ("none", "blue", "green", "red"), PREPROCESS)
    student, images = model(2), batch()
    logits = student.module()(images.images)
    taught = teacher.module()(images.images)[:, [3, 2, 1]]
    about = Distillation(soft_weight=1.0)
    found = distilling(teacher, student, about).total(logits, images, student.module())
    torch.testing.assert_close(found, soft_targets(logits, taught, 4).sum(), atol=1e-4, rtol=1e-4)
