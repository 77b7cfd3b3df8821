"""Keras layers on Keras' torch backend, which torch.export does not see as modules.

Within `scoped`, every layer writes its name on the operations that it runs; `relabel` makes of that what export
writes for torch's modules, so that names, places and batch norms are found as there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx import traceback

from convsmith.backend.read.module.training import stochastic_depth

SCOPE = "convsmith_scope"


def is_keras(module: nn.Module) -> bool:
    """Whether a module is a Keras layer or model; Keras is not imported to know it."""
    return any(cls.__module__.startswith("keras.") for cls in type(module).__mro__)


def layers_of(module: nn.Module) -> dict[str, Any]:
    """Keras layers by dotted path, nested models' after their model's name."""
    if not is_keras(module):
        return {}
    return dict(_layers(module, ""))


def _layers(model: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for layer in model._flatten_layers(recursive=False, include_self=False):
        path = f"{prefix}{layer.name}"
        yield path, layer
        yield from _layers(layer, f"{path}.")


@contextmanager
def scoped(module: nn.Module) -> Iterator[None]:
    """Within, each layer's operations carry its path, and noise leaves a mark."""
    layers = layers_of(module)
    if not layers or not hasattr(traceback, "annotate"):  # older torch: read without names
        yield
        return
    own = {path: vars(layer).get("call") for path, layer in layers.items()}
    for path, layer in layers.items():
        object.__setattr__(layer, "call", _call(path, layer, layer.call))
    try:
        with traceback.preserve_node_meta():
            yield
    finally:
        for path, layer in layers.items():
            if own[path] is None:
                object.__delattr__(layer, "call")
            else:
                object.__setattr__(layer, "call", own[path])


def _call(path: str, layer: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        with traceback.annotate({SCOPE: path}):
            return _marked(layer, original(*arguments, **named))

    return call


def _marked(layer: Any, result: Any) -> Any:
    """The result, after an operation that shows noise in training; Keras' layers hand on their input in evaluation."""
    kind, rate = type(layer).__name__, getattr(layer, "rate", 0)
    if not isinstance(result, Tensor) or not isinstance(rate, (int, float)) or not rate:
        return result
    if kind == "Dropout":
        noise_shape = getattr(layer, "noise_shape", None)
        if noise_shape and all(side == 1 for side in noise_shape[1:]):
            return stochastic_depth(result, float(rate))
        return torch.dropout(result, rate, False)
    return torch.feature_dropout(result, rate, False) if kind.startswith("SpatialDropout") else result


def relabel(graph: fx.Graph) -> None:
    """The paths as export writes those of torch's modules."""
    for node in graph.nodes:
        path = (node.meta.get("custom") or {}).get(SCOPE)
        if path is not None:
            node.meta["nn_module_stack"] = {"": ("", "keras"), path: (path, "keras")}


def parameter_names(module: nn.Module) -> Mapping[int, str]:
    """Names by address of the numbers: Keras hands its parameters over behind export's back."""
    found: dict[int, str] = {}
    prefix = f"{getattr(module, 'name', '')}/" if is_keras(module) else ""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        plain = name.rpartition("_torch_params.")[2] if is_keras(module) else name
        found.setdefault(tensor.data_ptr(), plain.removeprefix(prefix).replace("/", ".") if prefix else name)
    return found
