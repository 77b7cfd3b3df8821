"""What a rule gives: a layer, or a call of a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from torch import nn

from convsmith.errors import UsageError
from convsmith.network import ops
from convsmith.network.dims import Shape
from convsmith.network.ops.window import Padding


@dataclass(frozen=True)
class Call:
    """A function, or a tensor's method by its name, of the inputs and further arguments.

    `many` hands the inputs over as one list.
    """

    function: Callable[..., Any] | str
    arguments: tuple[Any, ...] = ()
    many: bool = False


@singledispatch
def lower(op: ops.Op, inputs: list[Shape]) -> nn.Module | Call:
    """The layer that computes an op on inputs of these shapes. Raises UsageError for an op without a rule."""
    raise UsageError(f"op {op.kind} has no rule for PyTorch")


def even(padding: Padding) -> tuple[int, int] | None:
    """(vertical, horizontal) if both sides get the same."""
    if padding == "same" or padding[0] != padding[1] or padding[2] != padding[3]:
        return None
    return padding[0], padding[2]
