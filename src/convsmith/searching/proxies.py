"""What a network promises before it is trained: "largest", by its size, and zero-cost proxies, by one batch.

- "largest": the share that it uses of the limits on parameters, multiply-adds and bytes (the mean, where several are
  set). Size is what zero-cost proxies have to beat (Ning et al. 2021, arXiv 2008.03064).

- "synflow": the sum over weights of |w * dR/dw|, with absolute weights, R the sum of the outputs for an input of ones
  (Tanaka et al. 2020, arXiv 2006.05467, as a score of networks in Abdelfattah et al. 2021, arXiv 2101.08134). It needs
  no data; its logarithm is taken.
- "grad_norm": the sum over layers of the norm of the loss's gradient on one batch (Abdelfattah et al. 2021).
- "naswot": log |det K|, K_ij how many rectifiers are on or off for image i as for image j (Mellor et al. 2021, arXiv
  2006.04647).

The last three grow with the network's size, so that they say most where candidates are of about one size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convsmith.backend.torch import build
from convsmith.data.augment.augment import Augment
from convsmith.data.dataset import Dataset
from convsmith.data.load.loader import Loader
from convsmith.data.load.workers import EpochOrder
from convsmith.design.limits import Limits, costed
from convsmith.evaluation.inference import main_output
from convsmith.network.preprocess import Preprocess
from convsmith.searching.settings import Proxy
from convsmith.searching.spaces.limited import Candidate

IMAGES = 32
"""Of the batch that networks are seen with."""

Score = Callable[[nn.Module, Tensor, Tensor], float]

RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish)


def proxy_on(name: Proxy, dataset: Dataset, preprocess: Preprocess, seed: int) -> Callable[[Candidate], float]:
    """The score of a candidate with fresh weights, on one batch of the train split; more is better."""
    images, labels = _batch(dataset, preprocess, seed)
    score = SCORES[name]

    def scored(candidate: Candidate) -> float:
        found = score(build(candidate.network, seed), images, labels)
        return found if found == found else float("-inf")

    return scored


def used(limits: Limits) -> Callable[[Candidate], float]:
    """The share of limits that a candidate uses, of those that follow from its cost; parameters without any."""
    figures = costed(limits)

    def share(candidate: Candidate) -> float:
        shares = [figure(candidate.cost) / getattr(limits, name) for name, figure in figures.items()]
        return sum(shares) / len(shares) if shares else float(candidate.cost.params)

    return share


def _batch(dataset: Dataset, preprocess: Preprocess, seed: int) -> tuple[Tensor, Tensor]:
    count = min(IMAGES, len(dataset.split("train")))
    training = EpochOrder(seed, Augment())
    loader = Loader(dataset.split("train"), preprocess, count, training=training, workers=0)
    batch = next(iter(loader.epoch(0)))
    return batch.images, batch.labels


def synflow(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """In double precision: products over many layers leave the range of single."""
    module = module.double().eval()
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.abs_()
    output = main_output(module(torch.ones_like(images[:1], dtype=torch.float64)))
    output.sum().backward()  # type: ignore[no-untyped-call]
    total = sum(
        float((weight.detach() * weight.grad).abs().sum()) for weight in module.parameters() if weight.grad is not None
    )
    return float(torch.log(torch.tensor(total, dtype=torch.float64)))


def grad_norm(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    module.train()
    functional.cross_entropy(main_output(module(images)), labels).backward()  # type: ignore[no-untyped-call]
    return sum(float(weight.grad.norm()) for weight in module.parameters() if weight.grad is not None)


def naswot(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    module.train()
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)

    def count(layer: nn.Module, inputs: Any, output: Any) -> None:
        on = (inputs[0] > 0).flatten(1).double()
        kernel.add_(on @ on.T + (1 - on) @ (1 - on).T)

    for layer in module.modules():
        if isinstance(layer, RECTIFIERS):
            layer.register_forward_hook(count)
    with torch.no_grad():
        module(images)
    return float(torch.linalg.slogdet(kernel).logabsdet)


SCORES: dict[str, Score] = {"synflow": synflow, "grad_norm": grad_norm, "naswot": naswot}
