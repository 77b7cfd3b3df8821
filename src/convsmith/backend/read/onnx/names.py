"""Names of layers, from those that exporters give to nodes and to weights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from convsmith.backend.read.onnx.values import Step
from convsmith.network import ops

WEIGHT = re.compile(
    r"(?P<layer>.*[^._/])[._/]"
    r"(bn_)?(weight|bias|gamma|beta|kernel|running_mean|running_var|moving_mean|moving_variance|mean|variance|var|scale"
    r"|skipinit_gain|gain|w|b|s|rm|riv)(_0)?"
)
"""`layer1.0.conv1.weight` (PyTorch), `stage1_conv0_weight` (MXNet), `gpu_0/conv1_w_0` (Caffe2)."""
INVENTED = re.compile(r"onnx::.*|(val|const|constant)_?\d*|.*_output_\d+|.*:\d+|.*__\d+|\d+", re.IGNORECASE)
"""Names of exporters' own constants."""


def labels(steps: Sequence[Step], names_are_layers: bool) -> list[str]:
    """A name for each step: its weights' layer, or its node's scope, or its kind. They may be taken or invalid."""
    paths = [_path(step) for step in steps]
    shared = _common(path for path in paths if path)
    paths = [path[shared:] if path else path for path in paths]
    scopes = Counter(".".join(path) for path in paths if path is not None)
    parents = {".".join(path[:depth]) for path in paths if path for depth in range(1, len(path))}
    result = []
    for step, path in zip(steps, paths, strict=True):
        name = step.node.name
        if names_are_layers and name and "/" not in name and not isinstance(step.op, ops.Constant):
            result.append(name)
        else:
            result.append(_of_weights(step) or _of_path(step, path, scopes, parents))
    return result


def _of_weights(step: Step) -> str:
    """The layer that a step's weights are named after; empty if they are not."""
    origins = [step.weights[key].origin for key in sorted(step.weights, key=lambda key: key != "weight")]
    for origin in origins:
        if not origin or INVENTED.fullmatch(origin):
            continue
        if isinstance(step.op, ops.Constant):
            return _dotted(origin.removesuffix(".value"))
        found = WEIGHT.fullmatch(origin)
        if found is not None:
            return _dotted(found["layer"])
    return ""


def _dotted(name: str) -> str:
    parts = [part for part in name.split("/") if part and part != "gpu_0"]
    return ".".join(parts)


def _path(step: Step) -> list[str] | None:
    """The scopes of a node's name, `layer1`, `0`, `conv1`; None for a name without any."""
    name = step.node.name
    if "/" not in name:
        return None
    path: list[str] = []
    previous = ""
    for part in name.strip("/").split("/")[:-1]:
        # PyTorch repeats the parents of a module in a list: layer1/layer1.0/conv1.
        path.extend((part[len(previous) + 1 :] if previous and part.startswith(f"{previous}.") else part).split("."))
        previous = part
    return path


def _of_path(step: Step, path: list[str] | None, scopes: Counter[str], parents: set[str]) -> str:
    name, kind = step.node.name, _kind(step)
    if path is None:
        counted = rf"{re.escape(step.node.kind)}_?\d*|n\d+|node_.*|"
        return kind if re.fullmatch(counted, name) else name
    scope = ".".join(path)
    if not scope:
        return kind
    return scope if scopes[scope] == 1 and scope not in parents else f"{scope}.{kind}"


SHORT = {
    "multiply": "mul", "subtract": "sub", "divide": "div", "max_pool": "pool", "avg_pool": "pool", "lp_pool": "pool",
    "adaptive_avg_pool": "pool", "adaptive_max_pool": "pool",
}  # fmt: skip
"""What people call layers of these kinds."""


def _kind(step: Step) -> str:
    if isinstance(step.op, ops.Activation | ops.Reduce):
        return step.op.function
    return SHORT.get(step.op.kind, step.op.kind)


def _common(paths: Iterable[Sequence[str]]) -> int:
    """How many scopes all names begin with: the names of whole models, as TensorFlow puts them first."""
    every = list(paths)
    if len(every) < 2:
        return 0
    columns = list(zip(*every, strict=False))
    return next((i for i, column in enumerate(columns) if len(set(column)) > 1), len(columns))
