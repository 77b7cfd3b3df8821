"""Aim: where the CPU has bfloat16 instructions, convsmith's training step is 2.0 times as fast as plain eager float32
NCHW on dense networks and LeNet-5, and 1.7 times on those of depthwise convolutions.

Without them only LeNet-5 has an aim: the plain step already runs at most of the machine's float32 peak.

Plain is what a tutorial writes: torch's own layers, torch.optim.SGD with Nesterov momentum, cross-entropy, one thread a
core. Ours is what `fit` runs: `Learner`, with the fused optimizer and the moving average that plain has not, on the
network with its rectifiers behind its poolings, in the memory format and precision that the probe chose. The sides are
interleaved, both on the same images in memory.

    python benchmarks/train_step.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convsmith
from convsmith.backend import layers
from convsmith.network.network import Network
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.recipes.schedule import Updates
from convsmith.train.step.learner import Learner
from convsmith.train.step.objective import ClassificationLoss, TrainingBatch
from convsmith.train.tune.arithmetic import Probe, bfloat16_is_slow, choose_arithmetic
from convsmith.transform.reorder import pool_before_rectifier
from row import Row, show

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    """A network, its batch, how many steps a timing takes, and the speed-up that we aim at with bfloat16."""

    model: str
    batch: int
    input: tuple[int, int, int] = (3, 224, 224)
    classes: int = 1000
    steps: int = 1
    aim: float = 2.0
    without: float | None = None


SMALL = (3, 32, 32)

CASES = (
    Case("resnet18", 16),
    Case("resnet50", 8),
    Case("densenet121", 8),
    Case("squeezenet1_1", 16),
    Case("mobilenet_v1", 16, aim=1.7),
    Case("mobilenet_v2", 16, aim=1.7),
    Case("efficientnet_b0", 16, aim=1.7),
    Case("resnet20", 128, SMALL, 10),
    Case("wrn_16_4", 64, SMALL, 10),
    Case("densenet40_k12", 64, SMALL, 10),
    Case("lenet5", 128, (1, 28, 28), 10, steps=20, aim=2.0, without=2.0),
)

SECONDS = 12
"""What the rounds of one case may take; at least `ROUNDS` are made."""

ROUNDS = 5


STOCK = {layers.Conv2d: nn.Conv2d, layers.MaxPool2d: nn.MaxPool2d, layers.ReLU6: nn.ReLU6}
"""Our layers, and torch's own for the same."""


def stock(network: Network) -> nn.Module:
    """The network of torch's own layers."""
    module = convsmith.build(network)
    for layer in module.modules():
        layer.__class__ = STOCK.get(type(layer), type(layer))
    return module


def plain_step(network: Network, images: Tensor, labels: Tensor) -> Callable[[], object]:
    module = stock(network)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def step() -> None:
        loss = F.cross_entropy(module(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def our_step(network: Network, images: Tensor, labels: Tensor) -> tuple[Callable[[], object], str, str]:
    module = convsmith.build(pool_before_rectifier(network))
    recipe = Recipe(1, len(labels), "sgd", learning_rate=1e-3, weight_decay=5e-4, ema_decay=0.99)
    objective = ClassificationLoss()
    arithmetic = choose_arithmetic(Probe.of(module, recipe, objective, network.input, len(labels))).arithmetic
    learner = Learner(module, recipe, objective, arithmetic, Updates(10**6))
    images = images.contiguous(memory_format=arithmetic.torch_format)
    batch = TrainingBatch(images, labels, torch.arange(len(labels)))
    return lambda: learner.step(batch, 0), arithmetic.memory_format, arithmetic.precision


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


def measure(case: Case, peaks: dict[str, float]) -> Row:
    network = convsmith.create(case.model, classes=case.classes, input=case.input)
    images, labels = torch.rand(case.batch, *case.input), torch.randint(case.classes, (case.batch,))
    ours, memory_format, precision = our_step(network, images, labels)
    sides = {"plain": plain_step(network, images, labels), "convsmith": ours}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for step in sides.values():
        seconds(step, 1 + case.steps // 2)
    deadline = time.perf_counter() + SECONDS
    while len(times["plain"]) < ROUNDS or time.perf_counter() < deadline:
        for name, step in sides.items():
            times[name].append(seconds(step, case.steps))
    fast = case.batch / statistics.median(times["convsmith"])
    ratio = statistics.median(p / o for p, o in zip(times["plain"], times["convsmith"], strict=True))
    share = step_flops(network) * fast / 1e9 / peaks[precision]
    aim = case.aim if "bfloat16" in peaks else case.without
    return Row(
        f"`train_step.py`: {case.model} at {case.input[1]}x{case.input[2]}, batch {case.batch}, against eager float32",
        "none without bfloat16" if aim is None else f"{aim}x",
        f"{ratio:.2f}x: {fast:,.0f} images/s, {share:.0%} of the {precision} peak ({memory_format})",
        None if aim is None else ratio >= aim,
    )


@cache
def peaks() -> dict[str, float]:
    """GFLOP/s of matrix products, by the precisions that a plan can choose here."""
    half = {} if bfloat16_is_slow(CPU) else {"bfloat16": matmul_peak(torch.bfloat16)}
    return {"float32": matmul_peak(torch.float32)} | half


def peaks_said() -> str:
    said = ", ".join(f"{name} {peak:,.0f} GFLOP/s" for name, peak in peaks().items())
    return f"measured peak of matrix products: {said}"


def rows() -> Iterator[Row]:
    for case in CASES:
        yield measure(case, peaks())


if __name__ == "__main__":
    print(peaks_said())
    show(rows())
