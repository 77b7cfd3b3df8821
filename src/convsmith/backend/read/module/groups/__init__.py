"""Several operations that are one layer of ours: what torch, Keras or our own layers compute in steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import fx, nn

from convsmith.backend.read.module.call import Call, Symbol
from convsmith.backend.read.module.capture import packet_of
from convsmith.backend.read.module.groups.composed import composed_reader
from convsmith.backend.read.module.groups.keras_layers import keras_reader
from convsmith.backend.read.module.groups.sequences import SEQUENCES


@dataclass(frozen=True)
class Group:
    """Operations that follow each other, and what reads them together; it gives None if it cannot."""

    nodes: tuple[fx.Node, ...]
    read: Callable[[Call], Symbol]


def group_at(nodes: Sequence[fx.Node], position: int, modules: Mapping[str, nn.Module]) -> Group | None:
    """The group that begins here, if any."""
    stack = nodes[position].meta.get("nn_module_stack") or {}
    for key, (path, _) in reversed(stack.items()):
        where = str(path).split("@")[0]
        module = modules.get(where)
        read = module and (composed_reader(module, where) or keras_reader(module))
        if read:
            return Group(_run_by(key, nodes, position), read)
    for packets, read_sequence in SEQUENCES:
        run = tuple(nodes[position : position + len(packets)])
        if _matches(run, packets):
            return Group(run, partial(read_sequence, run))
    return None


def _run_by(module: str, nodes: Sequence[fx.Node], position: int) -> tuple[fx.Node, ...]:
    """The nodes from here on that one call of a module runs."""
    end = position
    while end < len(nodes) and module in (nodes[end].meta.get("nn_module_stack") or {}):
        end += 1
    return tuple(nodes[position:end])


def _matches(run: Sequence[fx.Node], packets: Sequence[str]) -> bool:
    """Whether these are the operations, and take nothing but each other's results and what the first takes."""
    if len(run) != len(packets):
        return False
    known = {*run, *run[0].all_input_nodes}
    return all(
        packet_of(node) in wanted.split("|") and known.issuperset(node.all_input_nodes)
        for node, wanted in zip(run, packets, strict=True)
    )
