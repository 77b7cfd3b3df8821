"""Aims: what the designer makes for `digits` and `fashion-mnist` is small, and as good as that needs.

On `digits` its smallest candidate reaches 99% of the accuracy of a ResNet-20 with a tenth of its multiply-adds; both
are trained by the default recipe. On `fashion-mnist` its candidate under 100,000 parameters reaches 93.5% (the data
set's own board has 92.5% for two convolutions with fewer than 100,000). Accuracy is on the test images, with Wilson's
95% interval. Each run's folder is kept in --out.

    python benchmarks/designed.py [--only digits] [--epochs N] [--seeds 0 1 2] [--out runs/designed]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import convsmith
from convsmith import Dataset, Network, Request, cost_of, fit
from convsmith.design.limits import Limits
from convsmith.evaluation.metrics import Interval
from convsmith.fitting.designing import design_for
from row import Row, show

OF_ACCURACY, OF_MACS = 0.99, 0.1
MOST_PARAMS, LEAST_ACCURACY = 100_000, 0.935
WIDE_SECONDS = 1500.0
"""What the training of the wide candidate may take: the limit on parameters is the narrower one, not time."""


def accuracy(dataset: Dataset, network: Network, seed: int, asked: argparse.Namespace) -> Interval:
    name = f"{dataset.name}-{network.name}-{seed}"
    made = fit(dataset, network, Request(epochs=asked.epochs, seed=seed), out=Path(asked.out) / name)
    return made.metrics.top1


def smallest(seed: int, asked: argparse.Namespace) -> Row:
    dataset = convsmith.open_dataset("digits")
    [network] = [one.network for one in design_for(dataset).candidates if one.kind == "smallest"]
    peer = convsmith.create("resnet20", classes=10, input=(1, 28, 28))
    macs, theirs = cost_of(network).macs, cost_of(peer).macs
    ours, other = accuracy(dataset, network, seed, asked), accuracy(dataset, peer, seed, asked)
    return Row(
        f"`designed.py`: digits, the smallest candidate ({network.name}), seed {seed}",
        f"{OF_ACCURACY:.0%} of ResNet-20's accuracy with {OF_MACS:.0%} of its MACs",
        f"{ours} against {other}: {ours.value / other.value:.2%}, with {macs / theirs:.1%} of the MACs",
        bool(ours.value >= OF_ACCURACY * other.value and macs <= OF_MACS * theirs),
    )


def under_a_limit(seed: int, asked: argparse.Namespace) -> Row:
    dataset = convsmith.open_dataset("fashion-mnist")
    network = design_for(dataset, Limits(max_params=MOST_PARAMS), seconds=WIDE_SECONDS).network
    found = accuracy(dataset, network, seed, asked)
    return Row(
        f"`designed.py`: fashion-mnist under {MOST_PARAMS:,} parameters ({network.name}), seed {seed}",
        f"{LEAST_ACCURACY:.1%}",
        f"{found}; {cost_of(network).params:,} parameters",
        found.value >= LEAST_ACCURACY,
    )


def rows(asked: argparse.Namespace) -> Iterator[Row]:
    for name, row in (("digits", smallest), ("fashion-mnist", under_a_limit)):
        if asked.only in (None, name):
            yield from (row(seed, asked) for seed in asked.seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("digits", "fashion-mnist"))
    parser.add_argument("--epochs", type=int, help="default: as the default recipe has")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--out", default="runs/designed")
    show(rows(parser.parse_args()))


if __name__ == "__main__":
    main()
