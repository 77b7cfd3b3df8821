"""The processes that train one network together; most often one."""

from __future__ import annotations

import socket
from dataclasses import dataclass
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

    def add_up(self, tensor: Tensor) -> Tensor:
        """Replaces a tensor by the sum of all processes' tensors, and returns it."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def total(self, value: Tensor | int, device: torch.device) -> Tensor | int:
        """The sum of all processes' values."""
        return value if self.size == 1 else self.add_up(torch.as_tensor(value, device=device).clone())

    def add_up_gradients(self, module: nn.Module) -> None:
        """Gives every process the sum of all processes' gradients, in one message."""
        if self.size == 1:
            return
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        message = self.add_up(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, summed in zip(gradients, torch.split(message, sizes), strict=True):
            gradient.copy_(summed.view(gradient.shape))

    def gathered(self, value: Any) -> list[Any]:
        """Every process' value, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def the_firsts(self, value: Any) -> Any:
        """The value of the process of rank 0."""
        return self.gathered(value)[0]

    def on_this_machine(self) -> int:
        """How many of the processes share this one's machine, itself included."""
        return self.gathered(socket.gethostname()).count(socket.gethostname())


ALONE = Group()


class GroupBatchNorm2d(nn.BatchNorm2d):
    """Normalises by the mean and variance of the whole group's batch: torch's SyncBatchNorm has no CPU version."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W), N this process' part of the batch; returns the same shape."""
        if not self.training:
            return super().forward(input)
        channels = input.shape[1]
        here = torch.full((1,), input.numel() / channels, device=input.device, dtype=input.dtype)
        sums = _sum(torch.cat([input.sum(dim=(0, 2, 3)), here]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = input - mean.view(1, -1, 1, 1)
        variance = _sum((centred * centred).sum(dim=(0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        normalised = centred * scale.view(1, -1, 1, 1)
        return normalised if self.bias is None else normalised + self.bias.view(1, -1, 1, 1)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Sum(torch.autograd.Function):
    """The sum over the group; the gradient of a sum is the sum of the gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return Group.current().add_up(tensor.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return Group.current().add_up(gradients[0].contiguous().clone())


def _sum(tensor: Tensor) -> Tensor:
    summed: Tensor = _Sum.apply(tensor)  # type: ignore[no-untyped-call]
    return summed


def normalise_together(module: nn.Module, group: Group) -> None:
    """Makes the module's batch norms those of the whole group; their parameters and keys stay as they are."""
    if group.size == 1:
        return
    for layer in module.modules():
        if type(layer) is nn.BatchNorm2d:
            # The class alone decides which batch is meant: the layer's tensors, and who holds them, do not change.
            layer.__class__ = GroupBatchNorm2d
