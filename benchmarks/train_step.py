"""Claim: convsmith's training step is 1.4 times as fast as plain eager float32 NCHW on LeNet-5 (28x28, batch 128).

On ResNet-18 (224x224, batch 16) it is 2 times as fast on a CPU with bfloat16 instructions. Without them it cannot be:
the plain step already runs at most of the machine's matrix-multiplication peak, which is printed with each figure.

Plain is what a tutorial writes: `build`, torch.optim.SGD with Nesterov momentum, cross-entropy, one thread a core.
Ours is what `fit` runs: `Learner`, with the fused optimizer and the moving average that plain has not, on the network
with its rectifiers behind its poolings, in the memory format and precision that the probe chose. The sides are
interleaved, both on the same images in memory. Exit code 1 if a claim fails.

    python benchmarks/train_step.py
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

import convsmith
from convsmith.network.network import Network
from convsmith.train.objective import Objective
from convsmith.train.plan import bfloat16_is_slow, choose_plan
from convsmith.train.recipe import Recipe
from convsmith.train.step import Learner
from convsmith.transform.commute import pool_before_rectifier

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    """A network, its batch, how many steps a timing takes of how many, and the speed-up that is claimed."""

    model: str
    input: tuple[int, int, int]
    classes: int
    batch: int
    steps: int
    rounds: int
    claim: float | None


CASES = (
    Case("lenet5", (1, 28, 28), 10, 128, steps=20, rounds=25, claim=1.4),
    Case("resnet18", (3, 224, 224), 1000, 16, steps=1, rounds=7, claim=None if bfloat16_is_slow(CPU) else 2.0),
)


def plain_step(network: Network, images: Tensor, labels: Tensor) -> Callable[[], object]:
    module = convsmith.build(network)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def step() -> None:
        loss = F.cross_entropy(module(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def our_step(network: Network, images: Tensor, labels: Tensor) -> tuple[Callable[[], object], str]:
    module = convsmith.build(pool_before_rectifier(network))
    recipe = Recipe(1, len(labels), "sgd", learning_rate=1e-3, weight_decay=5e-4, ema_decay=0.99)
    plan = choose_plan(module, recipe, Objective(), network.input, len(labels))
    learner = Learner(module, recipe, Objective(), plan.memory_format, plan.precision, total_steps=10**6)
    images = images.contiguous(memory_format=learner.memory_format)
    return lambda: learner.step(images, labels, 0), str(plan)


def seconds(step: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        step()
    return (time.perf_counter() - start) / times


def matmul_peak(dtype: torch.dtype) -> float:
    """GFLOP/s of the best of some large matrix products."""
    a, b = torch.randn(2048, 2048, dtype=dtype), torch.randn(2048, 2048, dtype=dtype)
    return max(2 * 2048**3 / seconds(lambda: a @ b, 1) / 1e9 for _ in range(8))


def step_flops(network: Network) -> int:
    """Multiply-adds, times 2, of forward and both gradients of each layer; the first has none for its input."""
    macs = [layer.macs for layer in convsmith.cost_of(network).layers]
    first = next(m for m in macs if m)
    return 2 * (3 * sum(macs) - first)


def run(case: Case, peak: float) -> bool:
    network = convsmith.create(case.model, classes=case.classes, input=case.input)
    images, labels = torch.rand(case.batch, *case.input), torch.randint(case.classes, (case.batch,))
    ours, plan = our_step(network, images, labels)
    sides = {"plain": plain_step(network, images, labels), "convsmith": ours}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for step in sides.values():
        seconds(step, max(1, case.steps // 2))
    for _ in range(case.rounds):
        for name, step in sides.items():
            times[name].append(seconds(step, case.steps))
    print(f"{case.model} {'x'.join(map(str, case.input))}, batch {case.batch}; plan: {plan}")
    for name, values in times.items():
        median = statistics.median(values)
        share = step_flops(network) * case.batch / median / 1e9 / peak
        print(f"  {name:<10} {case.batch / median:>10,.1f} images/s   {share:>5.0%} of the float32 matmul peak")
    ratio = statistics.median(p / o for p, o in zip(times["plain"], times["convsmith"], strict=True))
    claimed = "no claim without bfloat16 instructions" if case.claim is None else f"claimed: {case.claim}"
    print(f"  ratio      {ratio:>10.2f}   ({claimed}; median of {case.rounds} rounds of {case.steps} steps)")
    return case.claim is None or ratio >= case.claim


def main() -> int:
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    peak = matmul_peak(torch.float32)
    print(f"float32 matmul peak {peak:,.0f} GFLOP/s; {bfloat16_is_slow(CPU) or 'bfloat16 instructions: yes'}")
    met = [run(case, peak) for case in CASES]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
