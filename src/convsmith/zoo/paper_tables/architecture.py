"""Our networks written as their papers write them: the cells of tables of architectures, made from the graph alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from convsmith.cost import cost_of
from convsmith.network.network import Network, Node
from convsmith.network.ops import AdaptiveAvgPool, AvgPool, Conv, Linear, LocalResponseNorm, MaxPool
from convsmith.zoo.paper_tables.printed import Count, PrintedTable
from convsmith.zoo.registry import create

Ours = str | Count | None
"""A cell of ours; None where our network has nothing of the kind."""

Cells = list[list[Ours]]
"""By row, then by column."""

WEIGHTED = (Conv, Linear)
GIGA, MEGA, KIBI = 1e9, 1e6, 1024


def architecture(table: PrintedTable) -> Cells:
    """Our side of a table, a cell for each that is printed."""
    return WRITERS[table.architecture](table)


def _vgg(table: PrintedTable) -> Cells:
    return _by_column(table, _vgg_column, lambda net: [])


def _resnet(table: PrintedTable) -> Cells:
    return _by_column(table, _resnet_column, _resnet_outputs)


def _densenet(table: PrintedTable) -> Cells:
    return _by_column(table, _densenet_column, _densenet_outputs)


def _by_column(
    table: PrintedTable, column: Callable[[Network], list[Ours]], outputs: Callable[[Network], list[Ours]]
) -> Cells:
    """A table whose columns are networks; a column measured as "output" has the sizes that all of them share."""
    networks = [create(one.network) for one in table.columns if one.network]
    columns = iter([column(net) for net in networks])
    sizes = [outputs(net) for net in networks]
    shared = [ours[0] if len(set(ours)) == 1 else None for ours in zip(*sizes, strict=True)]
    nothing: list[Ours] = [None] * len(table.rows)
    written = [next(columns) if one.network else shared if one.measure else nothing for one in table.columns]
    return [list(row) for row in zip(*written, strict=True)]


def _vgg_column(net: Network) -> list[Ours]:
    cells: list[Ours] = [str(sum(isinstance(node.op, WEIGHTED) for node in net)), f"{_size(net.input)}\nRGB"]
    for block in range(1, 6):
        lines = []
        for node in _within(net, f"block{block}"):
            if isinstance(node.op, Conv):
                lines.append(f"conv{node.op.kernel[0]}-{node.op.channels}")
            elif isinstance(node.op, LocalResponseNorm):
                lines.append("LRN")
        pools = [node for node in _within(net, f"block{block}") if isinstance(node.op, MaxPool)]
        cells += ["\n".join(lines), "maxpool" if len(pools) == 1 else None]
    dense = [f"FC-{node.op.features}" for node in net if isinstance(node.op, Linear)]
    return [*cells, "\n".join(dense), None]


def _resnet_column(net: Network) -> list[Ours]:
    stem, pool = net["conv1"].op, net["pool1"].op
    assert isinstance(stem, Conv)
    stages = [_repeated(net, f"layer{stage}", with_maps=True) for stage in range(1, 5)]
    end = f"average\npool\n{net.classes}-d fc"
    first = [f"{_kernel(stem)}, {stem.channels}\n{_stride(stem)}", _pool(pool).replace(" pool", "\npool")]
    return [*first, *stages, end, Count(_macs(net), GIGA)]


def _resnet_outputs(net: Network) -> list[Ours]:
    stages = [_last(net, f"layer{stage}") for stage in range(1, 5)]
    return [*(_size(net.shapes[name]) for name in ("conv1", "pool1", *stages, "avgpool1")), ""]


def _densenet_column(net: Network) -> list[Ours]:
    stem, pool = net["conv1"].op, net["pool1"].op
    assert isinstance(stem, Conv)
    cells: list[Ours] = [f"{_kernel(stem)} conv\n{_stride(stem)}", _pool(pool)]
    for stage in range(1, 5):
        cells.append(_repeated(net, f"stage{stage}", with_maps=False))
        for node in _within(net, f"transition{stage}"):
            if isinstance(node.op, Conv):
                cells.append(f"{_kernel(node.op)} conv")
            elif isinstance(node.op, AvgPool):
                cells.append(_pool(node.op).replace(" pool", "\npool"))
    side = _size(net.shapes[net["avgpool1"].inputs[0]])
    return [*cells, f"{side} global\naverage pool", f"{net.classes}-d fc"]


def _densenet_outputs(net: Network) -> list[Ours]:
    names = ["conv1", "pool1"]
    for stage in range(1, 5):
        names.append(_last(net, f"stage{stage}"))
        names += [n.name for n in _within(net, f"transition{stage}") if isinstance(n.op, (Conv, AvgPool))]
    return [*(_size(net.shapes[name]) for name in (*names, "avgpool1")), ""]


def _googlenet(table: PrintedTable) -> Cells:
    net = create("googlenet")
    rows = [_part(net, [node for layer in row.layers for node in _within(net, layer)]) for row in table.rows]
    return [[row.get(column.measure) for column in table.columns] for row in rows]


def _part(net: Network, nodes: Sequence[Node]) -> dict[str, Ours]:
    """Measure -> cell, of some layers of GoogLeNet: a module, or one or two layers."""
    if not nodes:
        return {}
    convolutions = [node.op.channels for node in nodes if isinstance(node.op, Conv)]
    module = len(convolutions) == len(MODULE)
    names = MODULE if module else MODULE[1:3] if len(convolutions) == 2 else ()
    cost = [row for row in cost_of(net).layers if row.name in {node.name for node in nodes}]
    channels, *sides = (*net.shapes[nodes[-1].name], 1, 1)[:3]
    weighted = any(isinstance(node.op, WEIGHTED) for node in nodes)
    return {
        "patch": "" if module else _patch(net, nodes[-1]),
        "output": f"{sides[0]}x{sides[1]}x{channels}",
        "depth": str(_depth(nodes)),
        **{name: str(count) for name, count in zip(names, convolutions, strict=False)},
        "params": Count(sum(row.params for row in cost), KIBI) if weighted else "",
        "macs": Count(sum(row.macs for row in cost), MEGA) if weighted else "",
    }


MODULE = ("one", "thin3", "three", "thin5", "five", "pooled")
"""An inception module's convolutions, in the order of the table and of our graph."""


def _patch(net: Network, node: Node) -> str:
    """Window and stride; global pooling's window is its input."""
    if isinstance(node.op, AdaptiveAvgPool):
        return f"{_size(net.shapes[node.inputs[0]])}/1"
    return f"{_kernel(node.op)}/{node.op.stride[0]}" if isinstance(node.op, (Conv, MaxPool, AvgPool)) else ""


def _depth(nodes: Iterable[Node]) -> int:
    """Convolutions and dense layers on the longest way through these layers."""
    depths: dict[str, int] = {}
    for node in nodes:
        below = max((depths.get(source, 0) for source in node.inputs), default=0)
        depths[node.name] = below + isinstance(node.op, WEIGHTED)
    return max(depths.values())


def _within(net: Network, scope: str) -> list[Node]:
    """The layers in a scope, or the layer of this name."""
    return [node for node in net if node.name == scope or node.name.startswith(f"{scope}.")]


def _last(net: Network, scope: str) -> str:
    return _within(net, scope)[-1].name


def _repeated(net: Network, stage: str, *, with_maps: bool) -> str:
    """The convolutions of a stage's blocks, shortcuts left out, and how many blocks: "3x3, 64" twice, then "x2"."""
    blocks: dict[str, list[str]] = {}
    for node in _within(net, stage):
        if isinstance(node.op, Conv) and "downsample" not in node.name:
            line = f"{_kernel(node.op)}, {node.op.channels}" if with_maps else f"{_kernel(node.op)} conv"
            blocks.setdefault(node.block, []).append(line)
    kinds = {"\n".join(lines) for lines in blocks.values()}
    return "\nor\n".join([*sorted(kinds)]) + f"\nx{len(blocks)}"


def _pool(op: object) -> str:
    assert isinstance(op, (MaxPool, AvgPool))
    kind = "max" if isinstance(op, MaxPool) else "average"
    return f"{_kernel(op)} {kind} pool\n{_stride(op)}"


def _kernel(op: Conv | MaxPool | AvgPool) -> str:
    return f"{op.kernel[0]}x{op.kernel[1]}"


def _stride(op: Conv | MaxPool | AvgPool) -> str:
    return f"stride {op.stride[0]}"


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]}x{shape[2]}"


def _macs(net: Network) -> int:
    return int(cost_of(net).macs)


WRITERS: Mapping[str, Callable[[PrintedTable], Cells]] = {
    "vgg": _vgg,
    "resnet": _resnet,
    "densenet": _densenet,
    "googlenet": _googlenet,
}
