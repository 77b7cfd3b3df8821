"""Networks as JSON: one object for each node, its op's fields beside its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from math import isfinite
from reprlib import repr as brief
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from convsmith.errors import ConvsmithError, UnknownNameError, UsageError
from convsmith.network.dims import Shape
from convsmith.network.init import Init, Kind
from convsmith.network.network import Auxiliary, Network, Node
from convsmith.network.ops import OPS, Op
from convsmith.network.origin import Origin
from convsmith.network.storage import storage_from_json, storage_to_json, with_storage

FORMAT = 1
LAYER_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")
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
    if net.origin:
        data["origin"] = net.origin.to_json()
    if net.storage:
        data["storage"] = {key: storage_to_json(storage) for key, storage in net.storage}
    return data


def network_from_json(cls: type[SomeNetwork], data: Any) -> SomeNetwork:
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
            origin=Origin.from_json(data["origin"]) if "origin" in data else None,
        )
        _ = net.shapes
        stored = {_text(key): storage_from_json(key, value) for key, value in data.get("storage", {}).items()}
        net = with_storage(net, stored) if stored else net
    except ConvsmithError:
        raise
    except KeyError as error:
        raise UsageError(f"not a network: {error} is missing") from None
    except (TypeError, ValueError, ArithmeticError, AttributeError, IndexError, RecursionError) as error:
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
    if not LAYER_NAME.fullmatch(name):
        raise UsageError(f"not a network: {name!r} is not a layer's name, words joined by dots")
    if data["op"] not in OPS:
        raise UnknownNameError("op", str(data["op"]), OPS)
    values = {key: _value_from_json(value) for key, value in data.items() if key not in RESERVED}
    op = _op(name, OPS[data["op"]], values)
    shares = data.get("shares")
    return Node(name, op, tuple(_text(i) for i in data["inputs"]), None if shares is None else _text(shares))


def _op(name: str, op: type[Op], values: dict[str, Any]) -> Op:
    known = _fields(op.kind)
    for key in values:
        if key not in known:
            raise UsageError(f"{name}: {op.kind} has no field {key!r}; it has: {', '.join(known)}")
    for key, field in known.items():
        if key not in values and field.default is MISSING:
            raise UsageError(f"{name}: {op.kind} needs {key!r}")
        if key in values and not _fits(values[key], _types(op.kind)[key]):
            raise UsageError(f"{name}: {op.kind} cannot have {key} = {brief(values[key])}")
    return op(**values)


@cache
def _fields(kind: str) -> dict[str, Field[Any]]:
    return {field.name: field for field in fields(OPS[kind])}


@cache
def _types(kind: str) -> dict[str, Any]:
    return get_type_hints(OPS[kind])


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value read from a file can be a field of this type. Sizes, which are typed Any, must be ints."""
    if hint is Any:
        return type(value) is int
    if hint is float:
        return type(value) in (int, float) and isfinite(value)
    if isinstance(hint, type) and get_origin(hint) is None:
        return type(value) is hint
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and _fit_each(value, get_args(hint))
    return any(_fits(value, alternative) for alternative in get_args(hint))


def _fit_each(values: tuple[Any, ...], hints: tuple[Any, ...]) -> bool:
    if hints[-1] is Ellipsis:
        return all(_fits(value, hints[0]) for value in values)
    return len(values) == len(hints) and all(map(_fits, values, hints))


def _value_to_json(value: Any) -> Any:
    if isinstance(value, Init):
        return {"init": value.kind, "value": value.value}
    if isinstance(value, tuple):
        return [_value_to_json(item) for item in value]
    return value if value is None or isinstance(value, (int, float, str)) else value.tolist()


def _value_from_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value["init"] not in get_args(Kind):
            raise UnknownNameError("initialiser", str(value["init"]), get_args(Kind))
        return Init(value["init"], float(value["value"]))
    if isinstance(value, list):
        return tuple(_value_from_json(item) for item in value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise UsageError(f"not a network: {brief(value)} is not a name")
    return value


def _input(value: Any) -> Shape:
    if not isinstance(value, list) or len(value) != 3 or not all(type(dim) is int and dim > 0 for dim in value):
        raise UsageError(f"not a network: the input {brief(value)} is not three sizes (C, H, W)")
    return tuple(value)
