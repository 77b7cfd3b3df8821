"""Networks as JSON: one object for each node, its op's fields beside its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from math import isfinite
from typing import Any, TypeVar, get_args, get_type_hints

from convsmith.errors import ConvsmithError, UnknownNameError, UsageError
from convsmith.network.dims import Shape
from convsmith.network.init import Init, Kind
from convsmith.network.network import Auxiliary, Network, Node
from convsmith.network.ops import OPS, Op

FORMAT = 1
RESERVED = ("name", "op", "inputs", "shares")
SomeNetwork = TypeVar("SomeNetwork", bound=Network)


def network_to_json(net: Network) -> dict[str, Any]:
    data: dict[str, Any] = {
        "format": FORMAT,
        "name": net.name,
        "input": list(net.input),
        "output": net.output,
        "nodes": [_node_to_json(node) for node in net.nodes],
    }
    if net.auxiliary:
        data["auxiliary"] = [{"node": head.node, "weight": head.weight} for head in net.auxiliary]
    return data


def network_from_json(cls: type[SomeNetwork], data: Mapping[str, Any]) -> SomeNetwork:
    """Raises UsageError for anything that is not a network, naming the layer at fault."""
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise UsageError(f"not a network in format {FORMAT}")
    try:
        net = cls(
            name=_text(data["name"]),
            input=_input(data["input"]),
            nodes=tuple(_node_from_json(node) for node in data["nodes"]),
            output=_text(data["output"]),
            auxiliary=tuple(Auxiliary(_text(h["node"]), float(h["weight"])) for h in data.get("auxiliary", ())),
        )
        _ = net.shapes
    except ConvsmithError:
        raise
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, IndexError, RecursionError) as error:
        raise UsageError(f"not a network: {type(error).__name__} {error}") from None
    return net


def _node_to_json(node: Node) -> dict[str, Any]:
    data: dict[str, Any] = {"name": node.name, "op": node.op.kind, "inputs": list(node.inputs)}
    if node.shares:
        data["shares"] = node.shares
    for field in fields(node.op):
        value = getattr(node.op, field.name)
        if value != field.default:
            data[field.name] = _value_to_json(value)
    return data


def _node_from_json(data: Mapping[str, Any]) -> Node:
    name = _text(data["name"])
    if data["op"] not in OPS:
        raise UnknownNameError("op", str(data["op"]), OPS)
    values = {key: _value_from_json(value) for key, value in data.items() if key not in RESERVED}
    op = _op(name, OPS[data["op"]], values)
    shares = data.get("shares")
    return Node(name, op, tuple(_text(i) for i in data["inputs"]), None if shares is None else _text(shares))


def _op(name: str, op: type[Op], values: dict[str, Any]) -> Op:
    known = _fields(op)
    for key in values:
        if key not in known:
            raise UsageError(f"{name}: {op.kind} has no field {key!r}; it has: {', '.join(known)}")
    for key, field in known.items():
        if key not in values and field.default is MISSING:
            raise UsageError(f"{name}: {op.kind} needs {key!r}")
        if key in values and not _fits(values[key], _types(op)[key]):
            raise UsageError(f"{name}: {op.kind} cannot have {key} = {values[key]!r}")
    return op(**values)


@cache
def _fields(op: type[Op]) -> dict[str, Field[Any]]:
    return {field.name: field for field in fields(op)}


@cache
def _types(op: type[Op]) -> dict[str, Any]:
    return get_type_hints(op)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value read from a file can be a field of this type."""
    if hint is Any:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return type(value) in (int, float) and isfinite(value)
    if hint in (int, bool, Init):
        return type(value) is hint
    args = getattr(hint, "__args__", ())
    if getattr(hint, "__origin__", None) is tuple:
        if not isinstance(value, tuple):
            return False
        repeated = args[-1] is Ellipsis
        return (repeated or len(value) == len(args)) and all(
            _fits(v, args[0] if repeated else a) for v, a in zip(value, value if repeated else args, strict=True)
        )
    return any(
        value == arg or (isinstance(arg, type) or hasattr(arg, "__args__")) and _fits(value, arg) for arg in args
    )


def _value_to_json(value: Any) -> Any:
    if isinstance(value, Init):
        return {"init": value.kind, "value": value.value}
    if isinstance(value, tuple):
        return [_value_to_json(item) for item in value]
    return value if isinstance(value, (int, float, str)) else value.tolist()


def _value_from_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value["init"] not in get_args(Kind):
            raise UnknownNameError("initialiser", str(value["init"]), get_args(Kind))
        return Init(value["init"], float(value["value"]))
    if isinstance(value, list):
        return tuple(_value_from_json(item) for item in value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"not a network: {value!r} is not a name")
    return value


def _input(value: Any) -> Shape:
    if not isinstance(value, list) or len(value) != 3 or not all(type(dim) is int and dim > 0 for dim in value):
        raise UsageError(f"not a network: the input {value!r} is not three sizes (C, H, W)")
    return tuple(value)
