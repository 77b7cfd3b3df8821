"""Aim: on one core, 100,000 candidates a second are costed exactly with arrays, and 500 a second one by one.

Parameters, multiply-adds and activations of each. Two spaces: EfficientNet-B0 at any width, any number of blocks in
each stage and any resolution (`design.candidates`); and MNASNet's (Tan et al. 2018, section 4.1), where each of seven
stages has its own kernel, expansion, squeeze-and-excitation, filters and number of blocks, written once with arrays
(`cost.totals`). Of each, candidates drawn at random are costed as networks too, and every figure must be equal. One by
one, each candidate is written as a network and costed. The last row is a FLOP counter that needs the module built
(fvcore), where it is installed. Seconds are those of the processor.

    OMP_NUM_THREADS=1 python benchmarks/candidates.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from convsmith import Network, cost_of, create
from convsmith.cost.totals import Totals, totals_of
from convsmith.design.candidates import Candidates
from convsmith.network import builder as nn
from convsmith.transform.depth import repeatable_stages
from row import Row, show

ARRAY_AIM, SINGLE_AIM = 100_000, 500
COUNT, SINGLES, CHECKED, ROUNDS, BUILT = 100_000, 300, 25, 5, 5
PIECE = 8192
"""Candidates of MNASNet's space costed at a time."""

FILTERS = (16, 24, 40, 80, 96, 192, 320)
LAYERS = (1, 2, 3, 4, 3, 3, 1)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
WIDTHS = (0.75, 1.0, 1.25)


@dataclass(frozen=True)
class Choices:
    """A stage each: arrays with one entry for each candidate, or the numbers of one."""

    kernel: Any
    expand: Any
    squeeze: Any
    filters: Any
    layers: Any

    def of(self, rows: Any) -> Choices:
        values = (getattr(self, name)[rows] for name in self.__match_args__)
        return Choices(*(value.item() if value.ndim == 0 else value for value in values))


def drawn(count: int, seed: int = 0) -> list[Choices]:
    """The choices of so many candidates, for each stage."""
    random = np.random.default_rng(seed)
    found = []
    for filters, layers in zip(FILTERS, LAYERS, strict=True):
        scaled = np.array([round(filters * width / 8) * 8 for width in WIDTHS])
        found.append(
            Choices(
                random.choice([3, 5], count),
                random.choice([1, 3, 6], count),
                random.choice([0, 1], count),
                random.choice(scaled, count),
                np.maximum(1, layers + random.integers(-1, 2, count)),
            )
        )
    return found


def block(x: nn.Tensor, choice: Choices, stride: int, *, keeps: bool) -> nn.Tensor:
    """MBConv, all of whose optional parts are there: `times` says whether they count."""
    with nn.scope("expand"):
        y = nn.conv_norm_act(x, choice.expand * x.channels, 1)
    kernel: Any = choice.kernel
    y = nn.conv_norm_act(y, y.channels, kernel, stride, groups=y.channels)
    with nn.scope("se"):
        gate = nn.relu(nn.conv(nn.global_avg_pool(y), x.channels // 4, 1))
        y = nn.multiply(y, nn.activation(nn.conv(gate, y.channels, 1), "sigmoid"))
    y = nn.conv_norm(y, choice.filters, 1)
    return nn.add(x, y) if keeps else y


def in_one_pass(choices: list[Choices]) -> Totals:
    """The totals of all candidates of these choices."""
    times: dict[str, Any] = {}

    def layers(x: nn.Tensor) -> nn.Tensor:
        x = nn.conv_norm_act(x, 32, 3, 2)
        for stage, (choice, stride) in enumerate(zip(choices, STRIDES, strict=True)):
            for part in range(2):
                with nn.scope(f"stage{stage}.{part}"):
                    x = block(x, choice, 1 if part else stride, keeps=bool(part))
                times[f"stage{stage}.{part}.expand"] = choice.expand > 1
                times[f"stage{stage}.{part}.se"] = choice.squeeze
            times[f"stage{stage}.1"] = choice.layers - 1
        return nn.linear(nn.global_avg_pool(x), 1000)

    return totals_of(nn.write("space", (3, 224, 224), layers), times)


def network(choices: list[Choices]) -> Network:
    """One candidate as a network."""

    def single(x: nn.Tensor, choice: Choices, stride: int, *, keeps: bool) -> nn.Tensor:
        y = nn.conv_norm_act(x, choice.expand * x.channels, 1) if choice.expand > 1 else x
        y = nn.conv_norm_act(y, y.channels, choice.kernel, stride, groups=y.channels)
        if choice.squeeze:
            gate = nn.relu(nn.conv(nn.global_avg_pool(y), x.channels // 4, 1))
            y = nn.multiply(y, nn.activation(nn.conv(gate, y.channels, 1), "sigmoid"))
        y = nn.conv_norm(y, choice.filters, 1)
        return nn.add(x, y) if keeps else y

    def layers(x: nn.Tensor) -> nn.Tensor:
        x = nn.conv_norm_act(x, 32, 3, 2)
        for choice, stride in zip(choices, STRIDES, strict=True):
            for number in range(choice.layers):
                x = single(x, choice, 1 if number else stride, keeps=number > 0)
        return nn.linear(nn.global_avg_pool(x), 1000)

    return nn.write("candidate", (3, 224, 224), layers)


def in_pieces(choices: list[Choices], count: int) -> Totals:
    pieces = [slice(start, start + PIECE) for start in range(0, count, PIECE)]
    each = [in_one_pass([choice.of(piece) for choice in choices]) for piece in pieces]
    return Totals(*map(np.concatenate, zip(*each, strict=True)))


def seconds(action: Callable[[], object]) -> float:
    start = time.process_time()  # of this core alone: the machine may be shared
    action()
    return time.process_time() - start


def equal(totals: Totals, index: int, net: Network) -> bool:
    cost = cost_of(net)
    figures = (cost.params, cost.buffers, cost.macs, cost.flops, cost.activations, cost.stored_bytes)
    return figures == tuple(int(figure[index]) for figure in totals)


def scalings(count: int) -> Candidates:
    base, random = create("efficientnet_b0"), np.random.default_rng(0)
    return Candidates(
        base,
        random.choice(np.linspace(0.5, 2, 31), count),
        random.integers(1, 7, (count, len(repeatable_stages(base)))),
        random.integers(4, 10, count) * 32,
    )


def rows() -> Iterator[Row]:
    candidates, choices = scalings(COUNT), drawn(COUNT)
    spaces: dict[str, tuple[Callable[[], Totals], Callable[[int], Network]]] = {
        "EfficientNet-B0's widths, blocks and sides": (lambda: scalings(COUNT).totals, candidates.at),
        "MNASNet's space": (
            lambda: in_pieces(choices, COUNT),
            lambda index: network([choice.of(index) for choice in choices]),
        ),
    }
    places = np.random.default_rng(1).integers(0, COUNT, CHECKED)
    for name, (costed, made) in spaces.items():
        totals = costed()
        exact = sum(equal(totals, int(place), made(int(place))) for place in places)
        rate = COUNT / statistics.median(seconds(costed) for _ in range(ROUNDS))
        figures = f"{rate:,.0f} a second; {exact} of {CHECKED} equal `cost_of`"
        aim = f"{ARRAY_AIM:,} a second, exact"
        yield Row(f"`candidates.py`: {name}, arrays", aim, figures, rate >= ARRAY_AIM and exact == CHECKED)
    made = spaces["MNASNet's space"][1]
    rate = SINGLES / statistics.median(
        seconds(lambda: [cost_of(made(index)).macs for index in range(SINGLES)]) for _ in range(ROUNDS)
    )
    aim = f"{SINGLE_AIM} a second"
    yield Row("`candidates.py`: MNASNet's space, one by one", aim, f"{rate:,.0f} a second", rate >= SINGLE_AIM)
    with suppress(ImportError):
        yield _peer([made(index) for index in range(BUILT)], rate)


def _peer(networks: list[Network], rate: float) -> Row:
    import torch
    from fvcore.nn import FlopCountAnalysis

    from convsmith import build

    def count(net: Network) -> None:
        FlopCountAnalysis(build(net).eval(), torch.zeros(1, *net.input)).unsupported_ops_warnings(False).total()

    count(networks[0])
    each = statistics.median(seconds(lambda net=net: count(net)) for net in networks)
    figures = f"{1 / each:.1f} a second built and counted by fvcore; ours {rate * each:,.0f}x one by one"
    return Row("`candidates.py`: MNASNet's space, a counter that builds", "", figures, None)


if __name__ == "__main__":
    show(rows())
