"""Costs as aligned text: a row for each layer, the totals, and what the figures mean."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from convsmith.cost.cost import CONVENTION, Cost, LayerCost
from convsmith.network.describe import describe, short
from convsmith.network.dims import text

WIDTH = 120
BYTES = (
    "Memory: float32, one image; inference is the weights and the feature maps alive at the worst moment, training "
    "is weights, gradients, momentum and every feature map kept for the backward pass."
)
COLUMNS = ("layer", "operation", "input", "output", "parameters", "MACs", "field")


def table(cost: Cost, ms: Mapping[str, float] | None = None) -> str:
    """Layers, totals and conventions of one network as text, without a final newline.

    The rows are in execution order; `*` marks layers that exist in training only. `ms` is the latency by layer, for one
    more column.
    """
    rows: list[tuple[str, ...]] = [_row(cost, layer) for layer in cost.layers]
    columns: tuple[str, ...] = COLUMNS
    sides = "llllrrr"
    if ms is not None:
        rows = [
            (*row, f"{ms[layer.name]:.3f}" if layer.name in ms else "")
            for row, layer in zip(rows, cost.layers, strict=True)
        ]
        columns, sides = (*columns, "ms"), sides + "r"
    return "\n\n".join([aligned(columns, rows, sides), totals(cost), conventions()])


def totals(cost: Cost) -> str:
    """Totals, one a line."""
    net, field = cost.network, cost.field
    untrained = f", and {cost.buffers:,} that are not trained" if cost.buffers else ""
    rows = [
        (net.name, f"{len(net)} layers, {text(net.input)} -> {text(net.shapes[net.output])}"),
        ("parameters", f"{cost.params:,} ({short(cost.params)}){untrained}"),
        ("MACs", f"{cost.macs:,} ({short(cost.macs)})"),
        ("FLOPs", f"{cost.flops:,} ({short(cost.flops)})"),
        ("activations", f"{cost.activations:,} ({short(cost.activations)})"),
        ("weights", _weights(cost)),
        ("memory", f"{size(cost.inference_bytes())} in inference, {size(cost.training_bytes())} in training"),
        ("receptive field", f"{_by(field.size)}, stride {_by(field.stride)}"),
    ]
    return aligned((), rows, "ll")


def conventions() -> str:
    """What the figures mean."""
    return "\n".join(textwrap.fill(sentence, WIDTH) for sentence in (CONVENTION, BYTES))


def aligned(header: Sequence[str], rows: Iterable[Sequence[str]], sides: str) -> str:
    """Columns padded to equal width, two spaces apart; `sides` says l or r for each. No header if it is empty."""
    lines = [header, *rows] if header else list(rows)
    widths = [max(display_width(line[i]) for line in lines) for i in range(len(sides))]
    padded = [
        "  ".join(_padded(cell, width, side) for cell, width, side in zip(line, widths, sides, strict=True)).rstrip()
        for line in lines
    ]
    if header:
        padded.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(padded)


def display_width(text: str) -> int:
    """How many columns a terminal gives a text: two for a wide character, none for one that joins the one before it."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _padded(cell: str, width: int, side: str) -> str:
    blanks = " " * (width - display_width(cell))
    return blanks + cell if side == "r" else cell + blanks


def size(count: int) -> str:
    """Bytes in binary units: 97.7 MiB."""
    amount, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB"):
        if amount >= 1024:
            amount, unit = amount / 1024, larger
    return f"{count} bytes" if unit == "bytes" else f"{amount:,.1f} {unit}"


def _weights(cost: Cost) -> str:
    """In memory, and in a file where they are stored otherwise than in float32."""
    stored, whole = cost.stored_bytes, cost.weights_bytes()
    return size(whole) if stored == whole else f"{size(stored)} in a file, {size(whole)} in memory"


def _row(cost: Cost, layer: LayerCost) -> tuple[str, ...]:
    shapes = [text(shape) for shape in layer.inputs]
    same = len(set(shapes)) == 1 and len(shapes) > 1
    return (
        layer.name if layer.inference else f"{layer.name} *",
        describe(layer.node.op),
        f"{len(shapes)} of {shapes[0]}" if same else " + ".join(shapes),
        text(layer.output),
        f"{layer.params:,}" if layer.params else "",
        f"{layer.macs:,}" if layer.macs else "",
        _by(cost.fields[layer.name].size),
    )


def _by(pair: tuple[float, float]) -> str:
    """A square's side, or height x width."""
    return f"{pair[0]:g}" if pair[0] == pair[1] else f"{pair[0]:g}x{pair[1]:g}"
