"""Claim: the cost of a network, from its name, comes at least 100 times faster than from the fastest FLOP counter.

Each round costs every model once with every tool, interleaved. convsmith starts from the name and reads all figures;
the counters are given a module that is already built, and an input. Medians are printed, and convsmith's time against
the fastest counter's. Exit code 1 if a claim fails.

    python benchmarks/cost.py        (needs the extra `bench`; fvcore and the others without their dependencies)
"""

from __future__ import annotations

import contextlib
import io
import logging
import platform
import statistics
import sys
import time
from collections.abc import Callable

import torch
from fvcore.nn import FlopCountAnalysis
from ptflops import get_model_complexity_info
from torchinfo import summary

import convsmith

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


def compare(name: str) -> tuple[float, dict[str, float]]:
    net = convsmith.create(name)
    module, image = convsmith.build(net).eval(), torch.zeros(1, *net.input)
    own: list[float] = []
    others: dict[str, list[float]] = {tool: [] for tool in COUNTERS}
    for _ in range(ROUNDS + 1):
        own.append(milliseconds(lambda: ours(name)))
        for tool, count in COUNTERS.items():
            others[tool].append(milliseconds(lambda count=count: count(module, image)))
    return statistics.median(own[1:]), {tool: statistics.median(times[1:]) for tool, times in others.items()}


def main() -> int:
    logging.disable(logging.WARNING)
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}"
    )
    print(f"{'network':<14}{'convsmith':>12}" + "".join(f"{tool:>12}" for tool in COUNTERS) + f"{'ratio':>9}")
    failed = False
    for name, limit in MODELS.items():
        if name not in convsmith.models():
            continue
        own, others = compare(name)
        ratio = min(others.values()) / own
        failed |= ratio < TARGET or own > limit
        print(f"{name:<14}{own:>9.2f} ms" + "".join(f"{t:>9.0f} ms" for t in others.values()) + f"{ratio:>8.0f}x")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
