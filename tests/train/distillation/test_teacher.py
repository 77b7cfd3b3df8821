"""A teacher sees the student's images as its own preprocessing would have made them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import convsmith
from convsmith import Model, Preprocess
from convsmith.backend.preprocess import PreprocessModule, resize
from convsmith.errors import UsageError
from convsmith.train.distillation.maps import stage_maps
from convsmith.train.distillation.teacher import Teacher, seen_network
from convsmith.transform.part import up_to

CLASSES = ("cat", "dog", "bird", "fish")
COLOUR = Preprocess(3, (32, 32), 32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
GREY = Preprocess(1, (32, 32), 32, (0.3,), (0.4,))
BLUE_FIRST = replace(COLOUR, order="BGR", mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.125))


def model(preprocess: Preprocess = COLOUR, name: str = "resnet20") -> Model:
    net = convsmith.create(name, classes=4, input=(preprocess.channels, *preprocess.crop))
    module = convsmith.build(net, seed=3)
    for _ in range(3):  # norms with statistics of their own
        module(torch.randn(16, *net.input, generator=torch.Generator().manual_seed(0)) + 0.5)
    return Model(net, module.state_dict(), CLASSES, preprocess)


def picture(channels: int = 3, side: int = 32) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, side, side, channels), np.uint8))


@pytest.mark.parametrize(
    ("own", "students", "channels"),
    [(COLOUR, COLOUR, 3), (BLUE_FIRST, COLOUR, 3), (COLOUR, BLUE_FIRST, 3), (GREY, COLOUR, 3), (GREY, BLUE_FIRST, 3)]
    + [(COLOUR, GREY, 1), (GREY, replace(GREY, mean=(0.0,), std=(1.0,)), 1)],
)
def test_pixels_are_the_same_in_any_normalisation_and_order(
    own: Preprocess, students: Preprocess, channels: int
) -> None:
    pictures = picture(channels)
    seen = Teacher(model(own), students, CLASSES).seen(PreprocessModule(students)(pictures))
    torch.testing.assert_close(seen, PreprocessModule(own)(pictures), atol=1e-5, rtol=1e-5)


def test_images_of_another_size_are_resized_with_antialiasing() -> None:
    own = replace(COLOUR, crop=(48, 48), resize=48)
    small, large = picture(side=32), picture(side=80)
    teacher = Teacher(model(own), COLOUR, CLASSES)
    for pictures in (small, large):  # a student's images may also grow during training
        wanted = PreprocessModule(own).normalize(resize(pictures.permute(0, 3, 1, 2).float(), (48, 48), "bilinear"))
        images = PreprocessModule(replace(COLOUR, crop=tuple(pictures.shape[1:3]), resize=pictures.shape[1]))(pictures)
        torch.testing.assert_close(teacher.seen(images), wanted, atol=1e-4, rtol=1e-4)


def test_answers_are_the_models_and_stay_so_in_training_mode() -> None:
    trained, images = model(), torch.randn(4, 3, 32, 32)
    teacher = Teacher(trained, COLOUR, CLASSES, maps=stage_maps(seen_network(trained)))
    wanted = trained.module()(images)
    teacher.train()
    for _ in range(2):
        logits, maps = teacher.answer(images)
        torch.testing.assert_close(logits, wanted, atol=1e-4, rtol=1e-4)
    assert not any(value.requires_grad for value in (logits, *maps, *teacher.parameters()))


def test_maps_are_those_of_the_layers() -> None:
    trained, images = model(), torch.randn(4, 3, 32, 32)
    names = stage_maps(seen_network(trained))
    _, maps = Teacher(trained, COLOUR, CLASSES, maps=names).answer(images)
    assert len(maps) == len(names) == 3
    for name, found in zip(names, maps, strict=True):
        part = replace(up_to(trained.network, name), origin=None)
        weights = {key: trained.weights[key] for key in part.parameters}
        module = convsmith.build(part).eval()
        module.load_state_dict(weights, strict=False)
        torch.testing.assert_close(found, module(images), atol=1e-4, rtol=1e-4)


def test_classes_are_found_by_name() -> None:
    trained, images = model(), torch.randn(4, 3, 32, 32)
    whole = Teacher(trained, COLOUR)(images)
    some = Teacher(trained, COLOUR, ("fish", "cat"))(images)
    torch.testing.assert_close(some, whole[:, [3, 0]])


def test_a_class_that_the_teacher_does_not_know_is_refused() -> None:
    with pytest.raises(UsageError, match=r"teacher: resnet20 does not know the classes cow: a teacher must know every"):
        Teacher(model(), COLOUR, ("cat", "cow"))
