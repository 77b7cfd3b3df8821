"""How far a student is from its teacher, for each image."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def soft_targets(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 times the divergence of the classes' shares at temperature T (Hinton et al. 2015, arXiv 1503.02531).

    Logits (N, classes) each; returns (N,), in nats. The gradient is that of the paper's cross-entropy, from which the
    divergence differs by the entropy of the teacher's shares; the factor keeps its size beside the labels' gradient at
    any temperature (section 2).
    """
    wanted = F.log_softmax(teacher.float() / temperature, dim=1)
    given = F.log_softmax(student.float() / temperature, dim=1)
    return temperature**2 * F.kl_div(given, wanted, reduction="none", log_target=True).sum(1)


def attention(student: Tensor, teacher: Tensor) -> Tensor:
    """The squared distance of the maps' attention, (N,), 0 to 2 (Zagoruyko and Komodakis 2017, arXiv 1612.03928).

    Attention is the sum of the squared channels at each position, at length 1 for each image. Maps (N, C, H, W) may
    have different channels; the larger is averaged down to the smaller's size.
    """
    one, other = _same_size(student.float().square().sum(1, True), teacher.float().square().sum(1, True))
    return (F.normalize(one.flatten(1)) - F.normalize(other.flatten(1))).square().sum(1)


def hint(student: Tensor, teacher: Tensor) -> Tensor:
    """Half the mean squared difference of the maps, (N,) (Romero et al. 2015, arXiv 1412.6550, eq. 3).

    Both have the same channels: the student's went through the regressor. The teacher's is brought to mean square 1,
    image by image, so that the term does not depend on how large its activations are.
    """
    given, wanted = _same_size(student.float(), teacher.float())
    scale = wanted.square().mean((1, 2, 3), keepdim=True).clamp(min=1e-12).rsqrt()
    return (given - wanted * scale).square().mean((1, 2, 3)) / 2


def _same_size(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Maps averaged down to the smaller height and width."""
    height, width = (min(sides) for sides in zip(one.shape[2:], other.shape[2:], strict=True))
    size = (height, width)
    return (
        one if one.shape[2:] == size else F.adaptive_avg_pool2d(one, size),
        other if other.shape[2:] == size else F.adaptive_avg_pool2d(other, size),
    )
