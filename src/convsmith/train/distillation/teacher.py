"""A teacher that sees what its student sees."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsmith.backend.preprocess import LUMA
from convsmith.backend.torch import NetworkModule
from convsmith.errors import UsageError
from convsmith.model import Model, fuse_norm
from convsmith.network.network import Auxiliary, Network
from convsmith.network.preprocess import Preprocess
from convsmith.transform.fuse_norm import fuse_norm as fused_network
from convsmith.transform.reorder import pool_before_rectifier

NAMED = 4
"""How many classes an error names."""


class Teacher(nn.Module):
    """A model that answers for images as a student with another preprocessing gets them, (N, C, H, W).

    They are the student's own images, augmented and mixed: the pixels are made back from them, in the teacher's
    channels, normalised as it needs them, at the size of its input (stretched where the proportions differ). What the
    student's preprocessing has cut off or turned grey, the teacher does not see either.

    The result is the logits (N, classes) of the student's classes, in their order, without gradients; with `classes`
    None the teacher's own. `answer` returns besides the feature maps of the layers `maps` of `seen_network`.

    Raises UsageError where a class of the student is none of the teacher's.
    """

    order: Tensor | None

    def __init__(
        self,
        model: Model,
        preprocess: Preprocess,
        classes: tuple[str, ...] | None = None,
        *,
        maps: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.network = _returning(fuse_norm(model.inference), maps)
        self.channels = tuple(int(self.network.network.shapes[name][0]) for name in maps)
        self.own, self.students = model.preprocess, preprocess
        self.register_buffer("order", None if classes is None else _order(model, classes), persistent=False)
        self.requires_grad_(False)
        self.training = False

    def train(self, mode: bool = True) -> Self:
        """A teacher does not learn: nothing changes."""
        return self

    def forward(self, images: Tensor) -> Tensor:
        """The logits (N, classes)."""
        return self.answer(images)[0]

    @torch.no_grad()
    def answer(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The logits, and the feature maps, (N, C, H, W) each."""
        outputs = self.network(self.seen(images))
        logits, *maps = outputs if isinstance(outputs, tuple) else (outputs,)
        return (logits if self.order is None else logits[:, self.order]), tuple(maps)

    def seen(self, images: Tensor) -> Tensor:
        """The student's images as the teacher takes them."""
        own, students = self.own, self.students
        if _colours(own) != _colours(students):
            pixels = in_channels(images * _column(students.std, images) + _column(students.mean, images), students, own)
            images = (pixels - _column(own.mean, images)) / _column(own.std, images)
        if tuple(images.shape[2:]) == own.crop:
            return images
        return F.interpolate(images, own.crop, mode="bilinear", antialias=True, align_corners=False)


def seen_network(model: Model) -> Network:
    """The network that a teacher runs: as after training, its norms folded away."""
    return fused_network(model.network.inference)


def in_channels(pixels: Tensor, given: Preprocess, wanted: Preprocess) -> Tensor:
    """Pixels (N, C, H, W) in the channels of another preprocessing: grey is repeated, or made of colours by luma."""
    if given.channels == wanted.channels == 3:
        return pixels if given.order == wanted.order else pixels.flip(1)
    if wanted.channels == 1 and given.channels == 3:
        luma = LUMA if given.order == "RGB" else LUMA[::-1]
        return (pixels * _column(luma, pixels)).sum(1, keepdim=True)
    return pixels.expand(-1, wanted.channels, -1, -1)


def _colours(preprocess: Preprocess) -> tuple[object, ...]:
    return preprocess.channels, preprocess.order, preprocess.mean, preprocess.std


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device).view(-1, 1, 1)


def _order(model: Model, classes: tuple[str, ...]) -> Tensor | None:
    """Where the student's classes are among the teacher's; None where they are the same. Raises UsageError."""
    if classes == model.classes:
        return None
    place = {name: at for at, name in enumerate(model.classes)}
    missing = [name for name in classes if name not in place]
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise UsageError(
            f"{model.network.name} does not know the classes {', '.join(missing[:NAMED])}{more}: a teacher must know "
            "every class of the student, by the same name",
            settings="teacher",
        )
    return torch.tensor([place[name] for name in classes])


def _returning(model: Model, maps: tuple[str, ...]) -> NetworkModule:
    """The module in evaluation, which returns these feature maps behind the logits."""
    heads = tuple(Auxiliary(name, 0.0) for name in maps)
    module = model.module(pool_before_rectifier(replace(model.network, auxiliary=heads)))
    if maps:
        module.train()  # its graph has all outputs only then; its layers stay in evaluation
        for layer in module.children():
            layer.eval()
    return module
