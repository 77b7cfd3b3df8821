"""From the captured graph to a draft: each operation is computed if it knows all its inputs, or read by its rule."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx

from convsmith.backend.read.laid import Known, Laid, Layouts, Spot
from convsmith.backend.read.module import places, rules
from convsmith.backend.read.module.call import RULES, Call, Layer, Symbol
from convsmith.backend.read.module.capture import Capture, is_mutation, mapped, packet_of, target_of
from convsmith.backend.read.module.groups import Group, group_at
from convsmith.backend.read.module.keras import layers_of
from convsmith.errors import ReadError

__all__ = ["Walk", "rules"]

LAYER_HOMES = ("torch.nn.modules.", "torch.ao.nn.", "convsmith.backend.", "keras.src.layers.")
"""Where classes are defined that are one layer each, and not code that uses layers."""
SAME = frozenset(
    ("alias", "clone", "contiguous", "detach", "lift_fresh", "lift_fresh_copy", "to", "_to_copy", "type_as")
)
"""Operations that give the same tensor again, as far as weights go."""
MOVES = SAME | {
    "expand", "expand_as", "flatten", "movedim", "permute", "reshape", "squeeze", "t", "transpose", "unflatten",
    "unsqueeze", "view", "view_as", "_unsafe_view",
}  # fmt: skip
"""Operations after which a parameter is still that parameter, seen otherwise."""
REGIONS = ("wrap_with_autocast", "wrap_with_set_grad_enabled")
"""Operations that run a graph of their own."""
NO_RESULT = ("_assert_tensor_metadata", "_assert_async", "sym_constrain_range", "sym_constrain_range_for_size")


class Walk:
    """One way through a captured graph."""

    def __init__(self, module: nn.Module, captured: Capture, layouts: Layouts) -> None:
        self.captured = captured
        self.layouts = layouts
        self.modules = {**dict(module.named_modules(remove_duplicate=False)), **layers_of(module)}
        self.symbols: dict[fx.Node, Symbol] = {}
        self._computed: dict[Any, Known] = {}
        self.is_autocast = False
        """Whether some of the code computes in lower precision, which no comparison can be exact about."""

    def run(self, image: Laid) -> list[Symbol]:
        """The outputs, for the image as the code sees it. Raises ReadError at the first operation without a rule."""
        for node, constant in self.captured.constants.items():
            tensor = constant.tensor.detach()
            sources = frozenset([constant.name] if constant.name else [])
            self.symbols[node] = Known(tensor, sources, constant.name or None, constant.trainable)
        self.symbols[self.captured.image] = image
        self._follow([node for node in self.captured.graph.nodes if node.op == "call_function"])
        return [self.symbols[node] for node in self.captured.results]

    def _follow(self, nodes: list[fx.Node]) -> None:
        position = 0
        while position < len(nodes):
            group = group_at(nodes, position, self.modules)
            if group and self._read_group(group):
                position += len(group.nodes)
                continue
            self._read(nodes[position])
            position += 1

    def _read_group(self, group: Group) -> bool:
        """Read several operations as the one layer that they are, if they have one input and one result."""
        inside = set(group.nodes)
        inputs = {
            source
            for node in group.nodes
            for source in node.all_input_nodes
            if source not in inside and isinstance(self.symbols.get(source), Laid)
        }
        results = [node for node in group.nodes if any(user not in inside for user in node.users)]
        if len(inputs) != 1 or len(results) != 1:
            return False
        call = self._call(results[0], {"input": self.symbols[inputs.pop()]})
        symbol = group.read(call)
        if symbol is None:
            return False
        self.symbols[results[0]] = symbol
        return True

    def _read(self, node: fx.Node) -> None:
        packet = packet_of(node)
        if packet in NO_RESULT:
            return
        if packet in REGIONS:
            self.symbols[node] = self._enter(node, packet)
            return
        arguments = mapped(node.args, self._symbol)
        named = mapped(node.kwargs, self._symbol)
        if node.target is operator.getitem:
            self.symbols[node] = arguments[0][arguments[1]]
        elif not any(isinstance(symbol, Laid) for symbol in _flat((arguments, named))):
            self.symbols[node] = self._compute(node, arguments, named)
        else:
            self.symbols[node] = self._apply(node, packet, arguments, named)

    def _symbol(self, node: fx.Node) -> Symbol:
        if node not in self.symbols:
            raise ReadError(f"{node.name} is used, but has no result", place=places.of_node(node))
        return self.symbols[node]

    def _apply(self, node: fx.Node, packet: str, arguments: tuple[Symbol, ...], named: Mapping[str, Symbol]) -> Symbol:
        call = self._call(node, _by_name(node, arguments, named), packet)
        read = RULES.get(packet.rstrip("_")) or RULES.get(packet)
        if read is not None:
            return read(call)
        graph = _decomposed(node)
        if graph is None:
            call.refuse(f"torch's {packet}", "compute it from operations that convolutional networks use")
        return self._inline(node, graph, _nodes(node))

    def _inline(self, node: fx.Node, graph: fx.Graph, sources: list[fx.Node]) -> Symbol:
        """An operation as the simpler ones that torch itself makes of it."""
        inner = [n for n in graph.nodes if n.op == "placeholder"]
        for placeholder, source in zip(inner, sources, strict=True):
            self.symbols[placeholder] = self._symbol(source)
        for step in graph.nodes:
            step.meta["stack_trace"] = node.meta.get("stack_trace")
            step.meta["nn_module_stack"] = node.meta.get("nn_module_stack")
        self._follow([n for n in graph.nodes if n.op == "call_function"])
        return mapped(graph.output_node().args[0], self._symbol)

    def _enter(self, node: fx.Node, packet: str) -> Symbol:
        """A region of the code under autocast or no_grad: its operations, in float32."""
        arguments: tuple[Any, ...] = node.args
        at = next(i for i, a in enumerate(arguments) if isinstance(a, fx.Node) and a.op == "get_attr")
        region = getattr(node.graph.owning_module, str(arguments[at].target))
        if packet == "wrap_with_autocast":
            self.is_autocast = True
            self.layouts.draft.note(
                f"{places.of_node(node)}: computes in lower precision; read in float32".lstrip(": ")
            )
        inner = [n for n in region.graph.nodes if n.op == "placeholder"]
        for placeholder, source in zip(inner, arguments[at + 1 :], strict=True):
            self.symbols[placeholder] = self._symbol(source)
        self._follow([n for n in region.graph.nodes if n.op == "call_function"])
        return mapped(region.graph.output_node().args[0], self._symbol)

    def _compute(self, node: fx.Node, arguments: tuple[Symbol, ...], named: Mapping[str, Symbol]) -> Symbol:
        """What the operation gives on known tensors. The same computation of the same parameters gives one tensor."""
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise ReadError(
                "cannot read random numbers that are drawn in evaluation too",
                place=places.of_node(node),
                advice="draw them in training only (if self.training)",
            )
        knowns = [symbol for symbol in _flat((arguments, named)) if isinstance(symbol, Known)]
        key = (node.target, _key(arguments), _key(named))
        if key in self._computed:
            return self._computed[key]
        given = mapped((arguments, named), _tensor, Known)
        if is_mutation(node):
            given = mapped(given, Tensor.clone, Tensor)
        with torch.no_grad():
            result = target_of(node)(*given[0], **given[1])
        sources = frozenset().union(*(known.sources for known in knowns))
        moved = packet_of(node) in MOVES and isinstance(result, Tensor) and bool(knowns)
        name = knowns[0].name if moved else None
        trainable = name is not None and knowns[0].trainable
        if name and packet_of(node) in SAME:
            result = knowns[0].tensor  # still the very same parameter
        symbol = mapped(result, lambda tensor: Known(tensor, sources, name, trainable), Tensor)
        self._computed[key] = symbol
        return symbol

    def _call(self, node: fx.Node, arguments: Mapping[str, Symbol], packet: str = "") -> Call:
        path = places.path_of(node)
        module = self.modules.get(path)
        layer = None
        if module is not None and _is_layer(module):
            layer = Layer(path, type(module).__name__, next(module.parameters(), None) is not None)
        spot = Spot(self.layouts.draft, path, places.of_node(node))
        return Call(node, packet or packet_of(node), arguments, self.layouts, spot, layer)


def _is_layer(module: nn.Module) -> bool:
    """Whether this is a layer of torch's or ours, or made from one; not code around layers."""
    if any(not name.startswith(("parametrizations", "_torch_params")) for name, _ in module.named_children()):
        return False
    homes = [cls.__module__ for cls in type(module).__mro__ if cls not in (nn.Module, nn.Identity, nn.Sequential)]
    return any(home.startswith(LAYER_HOMES) for home in homes[: homes.index("builtins")])


def _by_name(node: fx.Node, arguments: tuple[Symbol, ...], named: Mapping[str, Symbol]) -> dict[str, Symbol]:
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {str(i): argument for i, argument in enumerate(arguments)} | dict(named)
    found = {argument.name: argument.default_value for argument in schema.arguments if argument.has_default_value()}
    found |= {argument.name: value for argument, value in zip(schema.arguments, arguments, strict=False)}
    return found | dict(named)


def _flat(symbols: Any) -> Iterator[Symbol]:
    if isinstance(symbols, (list, tuple)):
        for symbol in symbols:
            yield from _flat(symbol)
    elif isinstance(symbols, Mapping):
        yield from _flat(list(symbols.values()))
    else:
        yield symbols


def _key(symbols: Any) -> Any:
    """Something hashable that is equal for the same arguments; tensors by identity."""
    if isinstance(symbols, (list, tuple)):
        return tuple(_key(symbol) for symbol in symbols)
    if isinstance(symbols, Mapping):
        return tuple((key, _key(value)) for key, value in symbols.items())
    return ("tensor", id(symbols.tensor)) if isinstance(symbols, Known) else (type(symbols), symbols)


def _tensor(known: Known) -> Tensor:
    return known.tensor


def _nodes(node: fx.Node) -> list[fx.Node]:
    """Nodes among the arguments, in the order in which `_decomposed` hands them over."""
    return [leaf for leaf in _flat((node.args, node.kwargs)) if isinstance(leaf, fx.Node)]


def _decomposed(node: fx.Node) -> fx.Graph | None:
    """The operation as torch's simpler ones; None where it has none, or is its own."""
    from torch._decomp import core_aten_decompositions

    sources = _nodes(node)
    if any("val" not in source.meta for source in sources):
        return None

    def run(*values: Any) -> Any:
        left = iter(values)
        arguments, named = mapped((node.args, node.kwargs), lambda _: next(left))
        return target_of(node)(*arguments, **named)

    values = [source.meta["val"] for source in sources]
    mode = next((value.fake_mode for value in values if hasattr(value, "fake_mode")), None)
    table = core_aten_decompositions()
    try:
        with torch.no_grad(), mode or torch.no_grad():
            traced = make_fx(run, decomposition_table={key: table[key] for key in table if key == node.target})(*values)
    except Exception:  # torch's rule for it is no better known than the operation: that is refused by name
        return None
    graph: fx.Graph = traced.graph
    steps = [n for n in graph.nodes if n.op == "call_function"]
    if any(n.op == "get_attr" for n in graph.nodes) or any(n.target == node.target for n in steps):
        return None
    return graph
