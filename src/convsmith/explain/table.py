"""Gradient flows as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from convsmith.cost.table import WIDTH, aligned
from convsmith.explain.flow import CRITERION, GradientFlow, Moment

SHOWN_LAYERS = 16
"""Of a deeper network, so many layers are printed, evenly spread; JSON and the plot have all."""


def flow_text(flow: GradientFlow) -> str:
    """Layers at initialisation and at the last moment, and the verdicts."""
    first, last = flow.moments[0], flow.moments[-1]
    header = ["layer", "activation", "gradient", "of weight"]
    rows = [[*_cells(first, i)] for i in _spread(len(first.layers))]
    if last is not first:
        header += [f"activation, {last.step}", f"gradient, {last.step}", f"of weight, {last.step}"]
        rows = [[*row, *_cells(last, i)[1:]] for row, i in zip(rows, _spread(len(first.layers)), strict=True)]
    return f"{title(flow)}\n{aligned(header, rows, 'l' + 'r' * (len(header) - 1))}"


def title(flow: GradientFlow) -> str:
    layers = len(flow.moments[0].layers)
    shown = f", {min(layers, SHOWN_LAYERS)} of {layers} layers" if layers > SHOWN_LAYERS else f", {layers} layers"
    return f"{flow.network} on {flow.data}, batch {flow.batch_size}, SGD at {flow.learning_rate:g}{shown}"


def verdicts(flows: Sequence[GradientFlow]) -> str:
    """A row for each network and moment: loss, ratio, verdict, how near its residual blocks are to the identity."""
    rows = [
        (
            flow.network if moment is flow.moments[0] else "",
            f"{moment.step}",
            f"{moment.loss:.3f}",
            f"{moment.ratio:.3g}",
            moment.verdict,
            _blocks(moment),
        )
        for flow in flows
        for moment in flow.moments
    ]
    header = ("network", "updates", "loss", "ratio", "verdict", "residual branch / shortcut")
    return f"{aligned(header, rows, 'lrrrlr')}\n\n{textwrap.fill(CRITERION, WIDTH)}"


def _blocks(moment: Moment) -> str:
    if moment.branch_share is None:
        return ""
    identities = [block for block in moment.blocks if block.identity]
    return f"{moment.branch_share:.2f} ({len(identities)} of {len(moment.blocks)} shortcuts are the identity)"


def _cells(moment: Moment, index: int) -> tuple[str, ...]:
    layer = moment.layers[index]
    return layer.name, f"{layer.activation:.3g}", f"{layer.gradient:.3g}", f"{layer.weight_gradient:.3g}"


def _spread(count: int) -> list[int]:
    if count <= SHOWN_LAYERS:
        return list(range(count))
    return sorted({round(i * (count - 1) / (SHOWN_LAYERS - 1)) for i in range(SHOWN_LAYERS)})
