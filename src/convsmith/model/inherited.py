"""Weights that a network takes over from one that is like it, layer by layer of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from convsmith.model.net2net import branch_end
from convsmith.network.network import Network

if TYPE_CHECKING:
    from torch import Tensor


def inherited(net: Network, fresh: Mapping[str, Tensor], parent: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights for `net`, by state-dict key: those of a trained `parent` as far as the two have tensors of one name,
    whatever their sizes, and `fresh` ones elsewhere.

    What has grown computes as before: new channels are fresh, but what the parent's layers read of them has weight 0, a
    larger kernel has the parent's in its middle, and a new residual block whose shortcut is the identity adds 0. What
    has shrunk keeps its first channels and the middle of its kernels. So a network that is only wider, of larger
    kernels or deeper by residual blocks behind rectifiers gives the parent's outputs (as net2net, Chen et al. 2016,
    with zeros instead of copies, which the optimizer tells apart at once).
    """
    made = {key: _overlaid(fresh[key], parent[key]) if _alike(key, fresh, parent) else fresh[key] for key in fresh}
    for node in net:
        if (end := branch_end(net, [node])) is None:
            continue
        for parameter in net.parameters_of(end):
            key = f"{end.name}.{parameter.name}"
            if parameter.trainable and key not in parent:
                made[key] = fresh[key] * 0
    return made


def share_inherited(net: Network, parent: Network) -> float:
    """The share of the weights of `net` that `inherited` takes from `parent`."""
    total = same = 0
    for key, parameter in net.parameters.items():
        theirs = parent.parameters.get(key)
        total += prod(parameter.shape)
        if theirs is not None and len(theirs.shape) == len(parameter.shape):
            same += prod(map(min, parameter.shape, theirs.shape))
    return same / max(1, total)


def _alike(key: str, fresh: Mapping[str, Tensor], parent: Mapping[str, Tensor]) -> bool:
    return key in parent and parent[key].dim() == fresh[key].dim()


def _overlaid(fresh: Tensor, old: Tensor) -> Tensor:
    """A tensor of the shape of `fresh`, (outputs, inputs, ...kernel) or (channels,), with the old one's values."""
    if fresh.shape == old.shape:
        return old
    made = fresh.clone()
    outputs = min(fresh.shape[0], old.shape[0])
    if fresh.dim() == 1:
        made[:outputs] = old[:outputs]
        return made
    made[:outputs] = 0
    places = [_middle(new, before) for new, before in zip(fresh.shape[2:], old.shape[2:], strict=True)]
    inputs = slice(0, min(fresh.shape[1], old.shape[1]))
    there = (slice(0, outputs), inputs, *(place[0] for place in places))
    made[there] = old[(slice(0, outputs), inputs, *(place[1] for place in places))]
    return made


def _middle(new: int, old: int) -> tuple[slice, slice]:
    """Where the middle of two sides is, in each of them."""
    shared = min(new, old)
    starts = ((new - shared) // 2, (old - shared) // 2)
    return slice(starts[0], starts[0] + shared), slice(starts[1], starts[1] + shared)
