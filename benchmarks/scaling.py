"""Aims: at equal multiply-adds a compound-scaled network beats one that is scaled in one dimension; and one that starts
from a trained network (net2net) reaches the accuracy of training anew in at most half of the epochs.

1. ResNet-20 to 4 times its multiply-adds: by EfficientNet's constants, and in depth, width or
   resolution alone. Every network trains on the same images, for the same epochs, by the default recipe, without val
   split, and is tested once on the test images; mean and 95% interval (Student's t) over the seeds.
2. ResNet-20 and MobileNet v1 (width 0.25), trained, then made deeper (1.3x) and wider (1.25x) with their weights and
   trained on for half of the epochs at half the rate; against the same larger network trained anew for all epochs.

ResNet-20 sees images of `--side` pixels, half of what they have, so that a higher resolution has more to show and a
core trains a network in seconds; MobileNet, which halves its maps five times, sees all 28.

    OMP_NUM_THREADS=1 python benchmarks/scaling.py --part ways --data fashion-mnist --images 15000 --epochs 4 --seeds 3
    OMP_NUM_THREADS=1 python benchmarks/scaling.py --part carry --data fashion-mnist --images 15000 --epochs 6 --seeds 3
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import stats

import convsmith
from convsmith import Dataset, Model, Network, cost_of, create, preprocess_for
from convsmith.fitting.chosen import Chosen
from convsmith.fitting.trials import short_training, some
from convsmith.network.preprocess import Preprocess
from convsmith.scaling.carry import carried
from convsmith.scaling.line import Line
from convsmith.scaling.scale import SINGLE
from convsmith.train.recipes.default import default_recipe, with_batch
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.plan import RunPlan
from convsmith.transform.compound import EFFICIENTNET, Factors, scale_network
from convsmith.transform.side import preprocess_at
from row import Row, show

TIMES = 4
BATCH = 32
GROWN = Factors(depth=1.3, width=1.25)
NETWORKS = {"resnet20": 14, "mobilenet_v1:0.25": 28}
"""By the side of their images."""


class Bench:
    """The images, and how networks are trained on them."""

    def __init__(self, data: str, images: int, epochs: int, side: int) -> None:
        whole = convsmith.open_dataset(data)
        train = some(whole.split("train"), images)
        self.dataset: Dataset = replace(whole, splits={"train": train, "test": whole.split("test")})
        self.preprocess = preprocess_at(preprocess_for(self.dataset), side)
        self.epochs, self.side = epochs, side

    @property
    def told(self) -> str:
        return f"{len(self.dataset.split('train')):,} images of {self.dataset.name}"

    def network(self, name: str) -> Network:
        return create(name, classes=10, input=(1, self.side, self.side))

    def prepared(self, network: Network) -> Preprocess:
        return preprocess_at(self.preprocess, network.input[1])

    def recipe(self, network: Network, epochs: int, seed: int) -> Recipe:
        made = default_recipe(network, self.dataset, self.prepared(network), epochs=epochs, seed=seed)
        return with_batch(made, network, BATCH)

    def trained(self, network: Network, recipe: Recipe, start: Model | None = None) -> tuple[Model, float]:
        """The trained model, and its accuracy on the test images."""
        begun = time.perf_counter()
        plan = RunPlan(network, "", self.prepared(network), recipe)
        training = short_training(Chosen(plan, start), self.dataset)
        training.advance()
        model = Model(network, dict(training.result().weights), self.dataset.classes, plan.preprocess)
        accuracy = convsmith.evaluate(model, self.dataset).metrics.top1.value
        spent = time.perf_counter() - begun
        print(f"  {cost_of(network).macs / 1e6:.1f} M MACs: {accuracy:.2%}, {spent:.0f} s", file=sys.stderr, flush=True)
        return model, accuracy


def interval(values: list[float]) -> str:
    """Mean and half its 95% interval, in percent."""
    mean = 100 * float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.1f}%"
    half = float(stats.t.ppf(0.975, len(values) - 1)) * 100 * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return f"{mean:.1f} ± {half:.1f}%"


def ways(bench: Bench, seeds: int) -> Iterator[Row]:
    net = bench.network("resnet20")
    amount = TIMES * float(cost_of(net).macs)
    lines = {"compound": EFFICIENTNET, **SINGLE}
    members = {name: Line(net, constants).within(amount, "macs") for name, constants in lines.items()}
    found: dict[str, list[float]] = {name: [] for name in ("as it is", *members)}
    for seed in range(seeds):
        for name in found:
            network = net if name == "as it is" else members[name].network
            print(f"{name}, seed {seed}", file=sys.stderr)
            found[name].append(bench.trained(network, bench.recipe(network, bench.epochs, seed))[1])
    best = max(np.mean(found[name]) for name in SINGLE)
    for name, values in found.items():
        aim, met = "", None
        if name == "compound":
            aim, met = "better than each dimension alone", bool(np.mean(values) > best)
        cost = cost_of(net if name == "as it is" else members[name].network)
        size = f"{cost.macs / cost_of(net).macs:.2f}x MACs, {cost.params / 1000:.0f} K parameters"
        yield Row(f"`scaling.py`: ResNet-20 on {bench.told}, {name}", aim, f"{interval(values)}; {size}", met)


def carrying(data: str, images: int, epochs: int, seeds: int) -> Iterator[Row]:
    half = max(1, epochs // 2)
    for name, side in NETWORKS.items():
        bench = Bench(data, images, epochs, side)
        net = bench.network(name)
        larger = scale_network(net, GROWN)
        found: dict[str, list[float]] = {"before": [], "anew": [], "anew, half": [], "carried": []}
        for seed in range(seeds):
            print(f"{name}, seed {seed}", file=sys.stderr)
            model, accuracy = bench.trained(net, bench.recipe(net, bench.epochs, seed))
            found["before"].append(accuracy)
            found["anew"].append(bench.trained(larger, bench.recipe(larger, bench.epochs, seed))[1])
            found["anew, half"].append(bench.trained(larger, bench.recipe(larger, half, seed))[1])
            recipe = bench.recipe(larger, half, seed)
            recipe = replace(recipe, learning_rate=recipe.learning_rate / 2)
            found["carried"].append(bench.trained(larger, recipe, carried(model, GROWN, larger).model)[1])
        figures = "; ".join(f"{way} {interval(values)}" for way, values in found.items())
        aim = f"carried in {half} epochs as good as anew in {bench.epochs}"
        met = bool(np.mean(found["carried"]) >= np.mean(found["anew"]))
        yield Row(
            f"`scaling.py`: {name} on {bench.told}, {cost_of(larger).macs / cost_of(net).macs:.1f}x MACs",
            aim,
            figures,
            met,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, usual in (("--images", 1500), ("--epochs", 4), ("--seeds", 3), ("--side", 14)):
        parser.add_argument(flag, type=int, default=usual)
    parser.add_argument("--data", default="fashion-mini")
    parser.add_argument("--part", choices=["ways", "carry"])
    given = parser.parse_args()
    print(f"{given.images} images, {given.epochs} epochs, {given.seeds} seeds", file=sys.stderr)
    if given.part != "carry":
        show(ways(Bench(given.data, given.images, given.epochs, given.side), given.seeds))
    if given.part != "ways":
        show(carrying(given.data, given.images, given.epochs, given.seeds))


if __name__ == "__main__":
    main()
