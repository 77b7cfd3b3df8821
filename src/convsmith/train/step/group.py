"""The processes that train one network together; most often one."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Group:
    """Where this process stands: `rank` from 0 in `size` processes. Alone, every operation gives what it got."""

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> Group:
        """Of `torch.distributed`, where that has been started; else alone."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """Replaces a tensor by the sum of all processes' tensors, and returns it."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def sum(self, value: Tensor | int, device: torch.device) -> Tensor | int:
        """The sum of all processes' values."""
        return value if self.size == 1 else self.all_reduce(torch.as_tensor(value, device=device).clone())

    def all_reduce_gradients(self, module: nn.Module) -> None:
        """Gives every process the sum of all processes' gradients, in one message."""
        if self.size == 1:
            return
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        message = self.all_reduce(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, summed in zip(gradients, torch.split(message, sizes), strict=True):
            gradient.copy_(summed.view(gradient.shape))

    def all_gather(self, value: Any) -> list[Any]:
        """Every process' value, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def broadcast(self, value: Any) -> Any:
        """The value of the process of rank 0."""
        return self.all_gather(value)[0]

    def processes_here(self) -> int:
        """How many of the processes run on this one's machine, itself included."""
        return self.all_gather(socket.gethostname()).count(socket.gethostname())


ALONE = Group()


class GroupBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Normalises by the mean and variance of the whole group's batch: torch's SyncBatchNorm has no CPU version."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C), (N, C, L) or (N, C, H, W), N this process' part of the batch; returns the same shape."""
        if not self.training:
            return super().forward(input)
        axes = [axis for axis in range(input.ndim) if axis != 1]
        by_channel = [1, -1, *[1] * (input.ndim - 2)]
        values = input if input.dtype == torch.float64 else input.float()  # bfloat16 sums would lose the statistics
        here = torch.full((1,), input.numel() / input.shape[1], device=input.device, dtype=values.dtype)
        sums = _sum(torch.cat([values.sum(dim=axes), here]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = values - mean.view(by_channel)
        variance = _sum((centred * centred).sum(dim=axes)) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        normalised = centred * scale.view(by_channel)
        if self.bias is not None:
            normalised = normalised + self.bias.view(by_channel)
        return normalised.to(input.dtype)

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Takes the batch's mean and unbiased variance into the running statistics."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


class _Sum(torch.autograd.Function):
    """The sum over the group; the gradient of a sum is the sum of the gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return Group.current().all_reduce(tensor.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return Group.current().all_reduce(gradients[0].contiguous().clone())


def _sum(tensor: Tensor) -> Tensor:
    summed: Tensor = _Sum.apply(tensor)  # type: ignore[no-untyped-call]
    return summed


def synchronise_batch_norms(module: nn.Module, group: Group) -> None:
    """Makes the module's batch norms those of the whole group; their parameters and keys stay as they are.

    All of them, with or without weight and bias, for feature maps or vectors.
    """
    if group.size == 1:
        return
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and not isinstance(layer, GroupBatchNorm):
            # The class alone decides which batch is meant: the layer's tensors, and who holds them, do not change.
            layer.__class__ = _group_class(type(layer))  # type: ignore[arg-type]  # torch types __hash__ loosely


@cache
def _group_class(kind: type[nn.modules.batchnorm._BatchNorm]) -> type[GroupBatchNorm]:
    return type(f"Group{kind.__name__}", (GroupBatchNorm, kind), {})
