"""Claim: features are computed in ONNX Runtime several times as fast as in eager PyTorch, on a CPU.

The trunk of each network on prepared images, in pieces as `convsmith.evaluation.inference.answers` has them, both ways
in turns in one process; the best of `ROUNDS`. The values are the same (`tests/backend/test_runtime_module.py`).

    python benchmarks/features.py        (a minute on a quiet machine)
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import nn

import convsmith
from convsmith.backend.runtime.module import OnnxModule
from convsmith.backend.torch import build
from convsmith.evaluation.inference import answers
from convsmith.transform.part import trunk_and_head
from row import Row, show

ROUNDS = 3
NETWORKS = (("efficientnet_lite0", 128), ("mobilenet_v2", 128), ("efficientnet_b0", 128), ("resnet50", 128))


def seconds(module: nn.Module, images: torch.Tensor) -> float:
    start = time.perf_counter()
    with torch.inference_mode():
        answers(module, images)
    return time.perf_counter() - start


def rows() -> Iterator[Row]:
    for name, side in NETWORKS:
        trunk = trunk_and_head(convsmith.create(name, input=(3, side, side)))[0]
        module = build(trunk).eval()
        arrays = {key: value.numpy() for key, value in module.state_dict().items() if key in trunk.parameters}
        ways = {"PyTorch": module, "ONNX Runtime": OnnxModule(trunk, arrays)}
        images = torch.rand(48, 3, side, side)
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(1 + ROUNDS):  # the first allocates and chooses kernels
            for way, runs in ways.items():
                taken[way].append(seconds(runs, images))
        rates = {way: len(images) / min(times[1:]) for way, times in taken.items()}
        faster = rates["ONNX Runtime"] / rates["PyTorch"]
        told = ", ".join(f"{way} {rate:,.0f} images/s" for way, rate in rates.items())
        yield Row(f"`features.py`: {name}'s trunk at {side} pixels", "faster", f"{faster:.1f}x ({told})", faster > 1)


if __name__ == "__main__":
    show(rows())
