"""What a module returns: a tensor, or several in a tuple, a dictionary or an object; which one is the answer."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.utils import _pytree

ANSWERS = ("logits", "out", "output", "main", "pred", "preds", "prediction", "predictions", "scores", "y")
"""Names under which modules return their main output beside others, the likeliest first."""


class Output(NamedTuple):
    """One tensor of what a module returned, and its name there: "0", "aux"; empty if it is all."""

    name: str
    tensor: Tensor


def outputs_of(result: Any) -> list[Output]:
    """Every tensor that was returned, in the order in which export lists them."""
    leaves, _ = _pytree.tree_flatten_with_path(_plain(result))
    return [Output(_named(_pytree.keystr(path)), leaf) for path, leaf in leaves if isinstance(leaf, Tensor)]


def _named(path: str) -> str:
    """ "aux.0" of "['aux'][0]"."""
    return ".".join(re.findall(r"\w+", path))


def main_of(found: list[Output]) -> int:
    """The index of the answer: the one with a telling name, or the first."""
    names = [output.name.lower() for output in found]
    return next((names.index(name) for name in ANSWERS if name in names), 0)


@contextmanager
def flat(module: nn.Module) -> Iterator[None]:
    """Within, the module returns only what export knows: dictionaries instead of objects."""
    original = module.forward

    def forward(*arguments: Any, **named: Any) -> Any:
        return _plain(original(*arguments, **named))

    had_own = "forward" in vars(module)
    module.forward = forward
    try:
        yield
    finally:
        if had_own:
            module.forward = original
        else:
            del module.forward


def _plain(result: Any) -> Any:
    """Dictionaries and lists instead of dataclasses and other objects that hold tensors."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return {field.name: _plain(getattr(result, field.name)) for field in dataclasses.fields(result)}
    if isinstance(result, Mapping):
        return {str(key): _plain(value) for key, value in result.items()}
    if isinstance(result, (list, tuple)):
        return [_plain(value) for value in result]
    if isinstance(result, Tensor) or not hasattr(result, "__dict__"):
        return result
    return {key: _plain(value) for key, value in vars(result).items() if not key.startswith("_")}
