"""A user's module as a graph of torch operations of concrete sizes, by `torch.export`, or `torch.fx` if that fails."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram, export
from torch.export.graph_signature import InputKind
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from convsmith.backend.read.module import keras, outputs, places, training
from convsmith.errors import ReadError

BATCH = 7
"""Images in the example: a number that no axis of a network has by chance, so that a reshape tells images from them."""

VIEWS = frozenset(
    (
        "alias", "chunk", "detach", "diagonal", "expand", "flatten", "movedim", "narrow", "permute", "select", "slice",
        "split", "squeeze", "swapaxes", "t", "transpose", "unbind", "unflatten", "unsqueeze", "view", "view_as",
    )
)  # fmt: skip
"""Operations whose result is the same memory, so that writing into it changes what it is a view of."""


@dataclass(frozen=True)
class Constant:
    """A parameter or a buffer under its name in the module, or a tensor that the code made, without a name."""

    tensor: Tensor
    name: str
    trainable: bool


@dataclass(frozen=True)
class Capture:
    """Operations in order, the constants that they use by placeholder, and the node of the main output."""

    graph: fx.Graph
    image: fx.Node
    constants: Mapping[fx.Node, Constant]
    results: tuple[fx.Node, ...]
    """The outputs that are tensors, the main one first."""


def capture(module: nn.Module, example: Tensor) -> Capture:
    """The graph of a module in the mode that it is in, for a batch like `example`.

    Raises ReadError where its code cannot be followed, naming the line.
    """
    program = _exported(module, example)
    if _writes_into_views(program.graph):
        with quiet(), torch.no_grad():
            program = program.run_decompositions({})
    keras.relabel(program.graph)
    return _capture(program, module)


def _exported(module: nn.Module, example: Tensor) -> ExportedProgram:
    with quiet(), torch.no_grad(), training.visible(module), keras.scoped(module):
        try:
            return _export(module, example)
        except Exception as error:  # torch.export's errors have no common base
            first = error
        try:
            return _export(fx.symbolic_trace(module), example)
        except Exception:  # the first attempt's error says more
            raise _refusal(module, first) from first


def _export(module: nn.Module, example: Tensor) -> ExportedProgram:
    with outputs.flat(module):
        return export(module, (example,), strict=False)


def _refusal(module: nn.Module, error: Exception) -> ReadError:
    place = places.of_error(error)
    name = type(module).__name__
    if isinstance(error, GuardOnDataDependentSymNode):
        return ReadError(
            f"what {name} computes depends on the values of the image, not only on its size",
            place=place,
            advice="write the condition as arithmetic on tensors (torch.where, clamp, a product)",
        )
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return ReadError(
        f"torch.export cannot follow {name}: {reason}", place=place, advice="compute with torch tensors only"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Export warns, and where it fails logs and prints whole graphs; the error says it in one line.

    What the user's code prints is not shown either: it runs more often than they asked for.
    """
    logger = logging.getLogger("torch")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _writes_into_views(graph: fx.Graph) -> bool:
    """Whether a value is overwritten that another is a view of. All others are as if computed anew."""
    roots: dict[fx.Node, fx.Node] = {}
    viewed: set[fx.Node] = set()
    for node in graph.nodes:
        source = node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None
        if node.op != "call_function" or source is None:
            continue
        root = roots.get(source, source)
        if packet_of(node).rstrip("_") in VIEWS or node.target.__name__ == "getitem":
            roots[node] = root
            viewed.add(root)
        elif is_mutation(node):
            if root in viewed:
                return True
            roots[node] = root
    return False


def is_mutation(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return bool(schema and schema.is_mutable)


def target_of(node: fx.Node) -> Callable[..., Any]:
    """The operation that a node calls."""
    target: Any = node.target
    return cast("Callable[..., Any]", target)


def mapped(value: Any, change: Callable[[Any], Any], kind: type = fx.Node) -> Any:
    """Nested lists, tuples and dictionaries with every leaf of this kind changed."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, Mapping):
        return {key: mapped(item, change, kind) for key, item in value.items()}
    if isinstance(value, list):
        return [mapped(item, change, kind) for item in value]
    return tuple(mapped(item, change, kind) for item in value) if isinstance(value, tuple) else value


def packet_of(node: fx.Node) -> str:
    """ "conv2d" of aten.conv2d.default; other namespaces keep theirs: "torchvision.nms"."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return str(getattr(node.target, "__name__", node.target))
    space, _, name = schema.name.partition("::")
    return name if space == "aten" else f"{space}.{name}"


def _capture(program: ExportedProgram, module: nn.Module) -> Capture:
    tensors = {**program.constants, **dict(program.state_dict)}
    names = keras.parameter_names(module)
    trained = {parameter.data_ptr() for parameter in module.parameters() if parameter.requires_grad}
    by_name = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    constants: dict[fx.Node, Constant] = {}
    images = []
    for spec in program.graph_signature.input_specs:
        node = by_name[spec.arg.name]
        if spec.kind == InputKind.USER_INPUT:
            images.append(node)
        elif spec.target in tensors:
            tensor = tensors[spec.target]
            made = spec.kind == InputKind.CONSTANT_TENSOR
            name = names.get(tensor.data_ptr(), "") if made else spec.target
            constants[node] = Constant(tensor, name, spec.kind == InputKind.PARAMETER or tensor.data_ptr() in trained)
    named = {node.name: node for node in program.graph.nodes}
    results = tuple(named[name] for name in program.graph_signature.user_outputs if isinstance(name, str))
    return Capture(program.graph, images[0], constants, results)
