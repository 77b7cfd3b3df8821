"""Aim: from its name to its cost, a network takes 100 times less time than with the fastest FLOP counter.

Each round costs every model once with every tool, interleaved. convsmith starts from the name and reads all figures.
The counters need a module and an input: `ratio` is against the fastest of them on a module that is already built,
`from name` against the same with the module's construction, which convsmith does without. Medians are printed.

    python benchmarks/cost.py        (needs the extra `bench`; fvcore and the others without their dependencies)
"""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from fvcore.nn import FlopCountAnalysis
from ptflops import get_model_complexity_info
from torchinfo import summary

import convsmith
from row import Row, show

ROUNDS = 7
TARGET = 100
MODELS = {"resnet50": 3.0, "resnet101": 15.0, "mobilenet_v2": 3.0, "densenet121": 15.0}
"""Name -> the most ms that costing it may take (resnet101, at 345 layers, is nearest to DenseNet-121's 430)."""


def ours(name: str) -> int:
    cost = convsmith.cost_of(convsmith.create(name))
    return int(cost.params + cost.macs + cost.flops + cost.activations)


def by_fvcore(module: torch.nn.Module, image: torch.Tensor) -> None:
    FlopCountAnalysis(module, image).total()


def by_torchinfo(module: torch.nn.Module, image: torch.Tensor) -> None:
    summary(module, input_data=image, verbose=0)


def by_ptflops(module: torch.nn.Module, image: torch.Tensor) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        get_model_complexity_info(module, tuple(image.shape[1:]), print_per_layer_stat=False, as_strings=False)


COUNTERS: dict[str, Callable[[torch.nn.Module, torch.Tensor], None]] = {
    "fvcore": by_fvcore,
    "torchinfo": by_torchinfo,
    "ptflops": by_ptflops,
}


def milliseconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - start)


def compare(name: str) -> tuple[float, float, dict[str, float]]:
    """Median ms of convsmith from the name, of the module's construction, and of each counter on the module."""
    net = convsmith.create(name)
    module, image = convsmith.build(net).eval(), torch.zeros(1, *net.input)
    own: list[float] = []
    construction: list[float] = []
    others: dict[str, list[float]] = {tool: [] for tool in COUNTERS}
    for _ in range(ROUNDS + 1):
        own.append(milliseconds(lambda: ours(name)))
        construction.append(milliseconds(lambda: convsmith.build(convsmith.create(name))))
        for tool, count in COUNTERS.items():
            others[tool].append(milliseconds(lambda count=count: count(module, image)))
    counters = {tool: statistics.median(times[1:]) for tool, times in others.items()}
    return statistics.median(own[1:]), statistics.median(construction[1:]), counters


def rows() -> Iterator[Row]:
    logging.disable(logging.WARNING)
    for name, limit in MODELS.items():
        own, construction, others = compare(name)
        tool, fastest = min(others.items(), key=lambda item: item[1])
        from_name = (construction + fastest) / own
        figures = f"{from_name:.0f}x from the name, {fastest / own:.0f}x on a built module ({tool}); {own:.1f} ms"
        aim = f"{TARGET}x from the name, {limit:.0f} ms"
        yield Row(
            f"`cost.py`: {name} against the fastest FLOP counter", aim, figures, from_name >= TARGET and own <= limit
        )


if __name__ == "__main__":
    show(rows())
