"""Aim: at half the MACs ResNet-20 and MobileNet v1 lose at most 0.3 points, and run at least 1.6 times as fast.

Each network is trained, slimmed to 50% of its multiply-adds in two stages, and trained on after each. The peer is
torch-pruning's MagnitudePruner (L2, all layers ranked together) on the same weights, to the same budget, in two steps
with the same training after each. Latency is ONNX Runtime's on one thread, at batch 1 and 16, whole and slimmed
interleaved in one process, medians. A loss has the 95% interval of the paired difference on the test images.

    python benchmarks/slim.py                           # fashion-mini, 8 + 2 x 4 epochs: 10 minutes on a quiet core
    python benchmarks/slim.py fashion-mnist 8 5 --only resnet20 --rate 0.2    # half an hour; both, over an hour
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
import torch_pruning
from numpy.typing import NDArray
from torch import nn

import convsmith
from convsmith.backend.onnx import to_onnx
from convsmith.backend.runtime.session import Session
from convsmith.compression import Slimming, retrained, slim_gradually
from convsmith.data.dataset import Dataset
from convsmith.evaluation.inference import predict_logits
from convsmith.model import Model
from convsmith.network import INPUT, Preprocess
from convsmith.train import Recipe, default_recipe, train
from row import Row, show

NETWORKS, SIDE, KEEP, STAGES = ("resnet20", "mobilenet_v1"), 32, 0.5, 2
MOST_LOST, LEAST_SPEEDUP = 0.003, 1.6
SLIMMING = Slimming(KEEP, divisor=16)
"""With AVX-512 ONNX Runtime computes 16 channels at a time, and is slower than before at other widths."""
ROUNDS = 200
"""Of the latencies, one run of each side."""
PREPROCESS = Preprocess(1, (SIDE, SIDE), SIDE, (0.286,), (0.353,))


def tuning(recipe: Recipe, epochs: int, rate: float) -> Recipe:
    """The recipe for a slimmed network: a share of the rate, fewer epochs."""
    return replace(recipe, epochs=epochs, learning_rate=recipe.learning_rate * rate, warmup_epochs=min(1.0, epochs / 4))


def peer(model: Model, dataset: Dataset, recipe: Recipe) -> tuple[nn.Module, float]:
    """torch-pruning's network after its training, and the share of the multiply-adds that it has."""
    module = model.module().train()
    image = torch.zeros(1, *model.network.input)
    classifier = [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]
    pruner = torch_pruning.pruner.MagnitudePruner(
        module.eval(),
        image,
        importance=torch_pruning.importance.MagnitudeImportance(p=2),
        global_pruning=True,
        pruning_ratio=0.9,
        iterative_steps=200,
        ignored_layers=[classifier],
    )
    whole, _ = torch_pruning.utils.count_ops_and_params(module, image)
    share = 1.0
    for stage in range(1, STAGES + 1):
        while share > KEEP ** (stage / STAGES):
            pruner.step()
            share = torch_pruning.utils.count_ops_and_params(module, image)[0] / whole
        train(module.train(), dataset, PREPROCESS, recipe)
        module.eval()
    return module, share


def right(module: nn.Module, dataset: Dataset) -> NDArray[np.bool_]:
    test = dataset.split("test")
    found: NDArray[np.bool_] = predict_logits(module, test, PREPROCESS).argmax(1) == test.labels
    return found


def lost(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, float]:
    """Points of accuracy lost, and half the width of the 95% interval of the paired difference."""
    difference = before.astype(float) - after.astype(float)
    return float(difference.mean()), float(1.96 * difference.std() / np.sqrt(len(difference)))


def latencies(models: dict[str, Model], batch: int) -> dict[str, float]:
    """Milliseconds a batch, the median of runs that take turns."""
    sessions = {
        name: Session(to_onnx(model.network, {k: v.numpy() for k, v in model.weights.items()}).SerializeToString(), 1)
        for name, model in models.items()
    }
    images = np.random.default_rng(0).standard_normal((batch, 1, SIDE, SIDE), np.float32)
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            start = time.perf_counter()
            session.run("probabilities", INPUT, images)
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(found[ROUNDS // 10 :]) for name, found in times.items()}


def rows(asked: argparse.Namespace) -> Iterator[Row]:
    dataset = convsmith.open_dataset(asked.data)
    for name in [asked.only] if asked.only else NETWORKS:
        net = convsmith.create(name, classes=len(dataset.classes), input=(1, SIDE, SIDE))
        recipe = default_recipe(net, dataset, PREPROCESS, epochs=asked.epochs)
        start = Model(net, convsmith.build(net).state_dict(), dataset.classes, PREPROCESS)
        whole = retrained(start, dataset, recipe)
        before = right(whole.module(), dataset)
        fine = tuning(recipe, asked.tune_epochs, asked.rate)
        slimmed = slim_gradually(whole, dataset, fine, SLIMMING, STAGES).model
        drop, width = lost(before, right(slimmed.module(), dataset))
        macs = convsmith.cost_of(slimmed.network).macs / convsmith.cost_of(net).macs
        figures = f"{100 * drop:+.2f} ± {100 * width:.2f} points lost of {before.mean():.2%}, at {macs:.1%} of the MACs"
        yield Row(f"`slim.py`: {name} on {asked.data}", "at most 0.3 points lost", figures, drop <= MOST_LOST)
        yield from speed(name, {"whole": whole, "slim": slimmed})
        yield against_the_peer(name, whole, dataset, fine, drop)


def against_the_peer(name: str, whole: Model, dataset: Dataset, recipe: Recipe, drop: float) -> Row:
    title = f"`slim.py`: {name}, torch-pruning {torch_pruning.__version__}"
    try:
        module, share = peer(whole, dataset, recipe)
    except RuntimeError as error:  # it does not follow channels through ResNet-20's padded shortcuts
        return Row(
            title, "", f"its network no longer runs: {str(error).splitlines()[-1]}; ours {100 * drop:+.2f}", None
        )
    other, width = lost(right(whole.module(), dataset), right(module, dataset))
    figures = f"{100 * other:+.2f} ± {100 * width:.2f} points lost at {share:.1%} of the MACs; ours {100 * drop:+.2f}"
    return Row(title, "ours loses no more", figures, drop <= other)


def speed(name: str, models: dict[str, Model]) -> Iterator[Row]:
    for batch in (1, 16):
        took = latencies(models, batch)
        ratio = took["whole"] / took["slim"]
        figures = f"{ratio:.2f}x: {took['slim']:.2f} ms against {took['whole']:.2f}"
        yield Row(f"`slim.py`: {name}, batch {batch}", "at least 1.6x", figures, ratio >= LEAST_SPEEDUP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="fashion-mini")
    parser.add_argument("epochs", type=int, nargs="?", default=8)
    parser.add_argument("tune_epochs", type=int, nargs="?", default=4, help="after each of two stages")
    parser.add_argument("--only", choices=NETWORKS)
    parser.add_argument("--rate", type=float, default=0.5, help="of the recipe's learning rate, after each stage")
    show(rows(parser.parse_args()))


if __name__ == "__main__":
    main()
