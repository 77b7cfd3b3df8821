"""Whether a module takes its images with channels last, as Keras' do."""

from __future__ import annotations

import operator
from typing import Any

from torch import fx

from convsmith.backend.read.module.capture import Capture, packet_of

KEEP_LAYOUT = frozenset(
    (
        "add", "sub", "rsub", "mul", "div", "subtract", "multiply", "divide", "neg", "pow", "clamp", "pad",
        "constant_pad_nd", "cat", "clone", "contiguous", "detach", "alias", "to", "_to_copy", "lift_fresh_copy",
        "dropout",
    )
)  # fmt: skip
"""Operations through which an image goes before its axes are moved: rescaling and normalisation."""


def channels_last(captured: Capture) -> bool:
    """Whether the first thing that happens to the images, but for arithmetic, is (N, H, W, C) -> (N, C, H, W)."""
    orders: dict[int, tuple[int, ...]] = {id(captured.image): (0, 1, 2, 3)}
    nodes = [captured.image]
    while nodes:
        node = nodes.pop(0)
        for user in node.users:
            if user.op != "call_function" or user.target is operator.getitem:
                continue
            order = _moved(user, orders[id(node)])
            if order == (0, 3, 1, 2):
                return True
            if order is not None and id(user) not in orders:
                orders[id(user)] = order
                nodes.append(user)
    return False


def _moved(node: fx.Node, order: tuple[int, ...]) -> tuple[int, ...] | None:
    """The image's axes after this operation; None where it does more than move them."""
    packet = packet_of(node).rstrip("_")
    arguments: tuple[Any, ...] = node.args
    if packet in KEEP_LAYOUT:
        return order
    if packet == "permute" and len(arguments[1]) == 4:
        return tuple(order[dim] for dim in arguments[1])
    if packet in ("transpose", "swapaxes"):
        first, second = (int(dim) % 4 for dim in arguments[1:3])
        moved = list(order)
        moved[first], moved[second] = order[second], order[first]
        return tuple(moved)
    return None
