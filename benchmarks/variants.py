"""What each choice of arithmetic gives: memory format, precision, torch.compile (docs/speed.md has the figures).

The same step in plain torch, with one thing changed at a time; the variants are interleaved and the best time of each
is taken. The first is plain eager float32 NCHW.

    python benchmarks/variants.py [NETWORK ...]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

import convsmith
from train_step import CASES, Case, seconds, stock

VARIANTS = {
    "contiguous float32": ("contiguous", "float32", False),
    "channels_last float32": ("channels_last", "float32", False),
    "channels_last bfloat16": ("channels_last", "bfloat16", False),
    "channels_last float32 compiled": ("channels_last", "float32", True),
    "channels_last bfloat16 compiled": ("channels_last", "bfloat16", True),
}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
SECONDS = 15
"""What the measurements of a network take, besides compiling."""


def step_of(case: Case, variant: str, images: Tensor, labels: Tensor) -> Callable[[], None]:
    name, precision, compiled = VARIANTS[variant]
    memory_format = FORMATS[name]
    module = stock(convsmith.create(case.model, classes=case.classes, input=case.input))
    module.to(memory_format=memory_format)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4)
    forward = torch.compile(module) if compiled else module
    images = images.contiguous(memory_format=memory_format)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = F.cross_entropy(forward(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main(names: list[str]) -> None:
    for case in CASES:
        if names and case.model not in names:
            continue
        images, labels = torch.rand(case.batch, *case.input), torch.randint(case.classes, (case.batch,))
        steps = {variant: step_of(case, variant, images, labels) for variant in VARIANTS}
        first = {variant: seconds(step, 1) for variant, step in steps.items()}
        times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        deadline = time.perf_counter() + SECONDS
        while time.perf_counter() < deadline:
            for variant, step in steps.items():
                times[variant].append(seconds(step, 1))
        plain = min(times["contiguous float32"])
        for variant, values in times.items():
            speed, ratio = case.batch / min(values), plain / min(values)
            print(
                f"{case.model:<16} {variant:<32} {speed:>10,.1f} images/s {ratio:>5.2f}  first {first[variant]:.1f} s"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
