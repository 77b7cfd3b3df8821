"""One weight tensor as a product of thinner ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from convsmith.network import ops
from convsmith.network.dims import Shape

Method = Literal["spatial", "channel", "tucker"]
CONVOLUTIONS: tuple[Method, ...] = ("spatial", "channel", "tucker")

Rank: TypeAlias = tuple[int, ...]
"""One number, or Tucker's two: what is left of the output channels, and of the input channels."""

SWEEPS = 3
"""Of the alternating least squares behind Tucker's factors; they hardly change after the first."""

SMALLEST = 1e-10
"""Of the largest singular value: what is below cannot be told from rounding."""


@dataclass(frozen=True, eq=False)
class Decomposition:
    """A weight's singular values and bases, float64, from which factors of any rank are taken.

    Of "spatial" and "channel", `bases` are the left vectors (rows, full) and the right ones (full, columns) of the one
    matrix that the weight is. Of "tucker" they are the left vectors of its unfoldings by outputs and by inputs, from
    which the alternating iteration starts. `values` are the singular values, largest first, of each unfolding.
    """

    method: Method
    weight: Tensor
    values: tuple[Tensor, ...]
    bases: tuple[Tensor, Tensor]

    def rank_for(self, energy: float) -> Rank:
        """The lowest rank that keeps this share of the squared weights; Tucker's two share what may be lost."""
        lost = (1 - energy) / len(self.values)
        ranks = []
        for values in self.values:
            squares = values.square()
            total = squares.sum()
            tail = total - squares.cumsum(0)
            enough = (tail <= lost * total + 1e-12 * total).nonzero()
            ranks.append(int(enough[0]) + 1 if len(enough) else len(values))
        return possible(tuple(ranks), tuple(self.weight.shape))

    def factors(self, rank: Rank) -> tuple[Tensor, ...]:
        """The weights of the layers of `factor_ops`, float64."""
        if self.method == "tucker":
            return _tucker(self.weight, rank, self.bases)
        (kept,) = rank
        left, right = self.bases
        root = self.values[0][:kept].sqrt()
        first, second = left[:, :kept] * root, root[:, None] * right[:kept]
        if self.weight.ndim == 2:
            return second, first
        outputs, inputs, height, width = self.weight.shape
        if self.method == "channel":
            return second.view(kept, inputs, height, width), first.view(outputs, kept, 1, 1)
        down = first.T.reshape(kept, inputs, height, 1)
        return down, second.view(kept, outputs, 1, width).transpose(0, 1)


def decompose(weight: Tensor, method: Method) -> Decomposition:
    """A convolution's or dense layer's weight taken apart."""
    weight = weight.detach().double()
    if method == "tucker":
        by_outputs, by_inputs = (weight.movedim(axis, 0).flatten(1) for axis in (0, 1))
        (one, values, _), (other, others, _) = _svd(by_outputs), _svd(by_inputs)
        return Decomposition(method, weight, (values, others), (one, other))
    left, values, right = _svd(_matrix(weight, method))
    return Decomposition(method, weight, (values,), (left, right))


def _svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Left vectors (rows, full), values (full,), right vectors (full, columns), by the eigenvectors of the smaller Gram
    matrix: a weight's long side is many times its short one, and a general decomposition takes minutes where this takes
    seconds. Small values are less exact; the product of the factors is not, since the one basis is orthonormal.
    """
    if matrix.shape[0] > matrix.shape[1]:
        left, values, right = _svd(matrix.T)
        return right.T, values, left.T
    squares, vectors = torch.linalg.eigh(matrix @ matrix.T)
    left = vectors.flip(1)
    values = squares.flip(0).clamp(min=0).sqrt()
    values = values.clamp(min=float(values[0]) * SMALLEST)
    return left, values, left.T @ matrix / values.clamp(min=torch.finfo(values.dtype).tiny)[:, None]


def _matrix(weight: Tensor, method: Method) -> Tensor:
    """The weight as the matrix whose rank it is: (outputs, rest), or (inputs x height, outputs x width)."""
    if method == "channel":
        return weight.flatten(1)
    outputs, inputs, height, width = weight.shape
    return weight.permute(1, 2, 0, 3).reshape(inputs * height, outputs * width)


def _tucker(weight: Tensor, rank: Rank, bases: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """The best factors of these ranks, by higher-order orthogonal iteration (De Lathauwer et al. 2000, algorithm 4.2).

    Over two axes it is this loop: no tensor library is worth a dependency for it.
    """
    outputs, inputs = bases[0][:, : rank[0]], bases[1][:, : rank[1]]
    for _ in range(SWEEPS):
        thin = torch.einsum("oihw,ir->orhw", weight, inputs)
        outputs = _svd(thin.flatten(1))[0][:, : rank[0]]
        thin = torch.einsum("oihw,or->rihw", weight, outputs)
        inputs = _svd(thin.transpose(0, 1).flatten(1))[0][:, : rank[1]]
    core = torch.einsum("oihw,or,is->rshw", weight, outputs, inputs)
    return inputs.T[:, :, None, None], core, outputs[:, :, None, None]


def factor_ops(op: ops.Op, method: Method, rank: Rank) -> tuple[ops.Op, ...]:
    """The layers that stand for one. The last has its bias, if it has one."""
    if isinstance(op, ops.Linear):
        return ops.Linear(rank[0], bias=False), op
    assert isinstance(op, ops.Conv)
    point = ops.Conv(op.channels, (1, 1), bias=op.bias)
    if method == "channel":
        return replace(op, channels=rank[0], bias=False), point
    if method == "tucker":
        return ops.Conv(rank[1], (1, 1)), replace(op, channels=rank[0], bias=False), point
    down = replace(op, channels=rank[0], kernel=(op.kernel[0], 1), stride=(op.stride[0], 1), bias=False)
    along = replace(op, kernel=(1, op.kernel[1]), stride=(1, op.stride[1]))
    down, along = replace(down, dilation=(op.dilation[0], 1)), replace(along, dilation=(1, op.dilation[1]))
    if op.padding != "same":
        top, bottom, left, right = op.padding
        down, along = replace(down, padding=(top, bottom, 0, 0)), replace(along, padding=(0, 0, left, right))
    return down, along


def possible(rank: Rank, shape: Shape) -> Rank:
    """The rank, or as much of it as there can be: neither of Tucker's two is above the other times the kernel."""
    if len(rank) == 1:
        return rank
    outputs, inputs = rank
    area = shape[2] * shape[3]
    return min(outputs, inputs * area), min(inputs, outputs * area)


def full_rank(shape: Shape, method: Method) -> Rank:
    """The rank at which a weight of this shape is the product of its factors exactly."""
    if len(shape) == 2:
        return (min(shape),)
    outputs, inputs, height, width = shape
    area = height * width
    if method == "tucker":
        return min(outputs, inputs * area), min(inputs, outputs * area)
    return (min(outputs, inputs * area) if method == "channel" else min(inputs * height, outputs * width),)
