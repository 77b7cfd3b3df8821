"""Claim: a plain network of 56 layers trains worse than one of 20; a residual one does not (He et al. 2015, 4.2).

The four networks of the paper, at its widths, learn the same images by the same recipe: SGD with momentum 0.9, a rate
of 0.1 for 128 images, a warm-up epoch and a cosine, weight decay 1e-4, no augmentation, no smoothing. What each comes
to is kept in benchmarks/degradation/NETWORK.json. Gradient flows are measured besides, at initialisation: with batch
norm; without it and He's initialisation; without it and Glorot's.

    python benchmarks/degradation.py train [EPOCHS [NETWORK...]]     trains (on one quiet core, 8 epochs: 20 minutes)
    python benchmarks/degradation.py                                 prints the tables, draws docs/figures/
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

import convsmith
from convsmith.data.augment.augment import Augment
from convsmith.design.preprocessing import preprocess_for
from convsmith.explain.flow import GradientFlow
from convsmith.explain.plot import STYLES, draw
from convsmith.explain.table import verdicts
from convsmith.network import Network, ops
from convsmith.network.init import GLOROT, HE_FAN_OUT, Init
from convsmith.records import to_json
from convsmith.train import EpochEnded, Training, default_recipe
from convsmith.train.recipes.recipe import Precision
from convsmith.train.tune.arithmetic import bfloat16_is_slow
from convsmith.transform.fuse_norm import fuse_norm
from row import Row, show

DATA = "fashion-mini"
NETWORKS = ("plain20", "plain56", "resnet20", "resnet56")
RESULTS = Path(__file__).parent / "degradation"
FIGURES = Path(__file__).parents[1] / "docs" / "figures"


def network(name: str) -> Network:
    return convsmith.create(name, input=(1, 28, 28), classes=10)


def train(name: str, epochs: int) -> None:
    """Trains one network and keeps what each epoch came to."""
    dataset = convsmith.open_dataset(DATA)
    net, preprocess = network(name), preprocess_for(dataset)
    # The same arithmetic for all: what the tuner would choose on a machine that has it, float32 elsewhere.
    precision: Precision = "float32" if bfloat16_is_slow(torch.device("cpu")) else "bfloat16"
    recipe = default_recipe(net, dataset, preprocess, epochs=epochs, seed=0)
    recipe = replace(
        recipe,
        weight_decay=1e-4,
        label_smoothing=0.0,
        ema_decay=None,
        augment=Augment(),
        precision=precision,
        memory_format="channels_last",
        compiled=False,
    )

    def keep(event: Any, training: Training) -> None:
        if not isinstance(event, EpochEnded):
            return
        print(f"{name}: epoch {event.epoch}, loss {event.train_loss:.4f}, val {event.val_accuracy:.2%}", flush=True)
        kept = {"network": name, "data": DATA, "recipe": recipe.to_json(), "epochs": to_json(training.history)}
        (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")

    RESULTS.mkdir(exist_ok=True)
    Training(convsmith.build(net, seed=0), dataset, preprocess, recipe, observers=[keep]).advance()


def initialised(net: Network, init: Init) -> Network:
    """The network with every convolution initialised so."""
    nodes = tuple(replace(n, op=replace(n.op, init=init)) if isinstance(n.op, ops.Conv) else n for n in net)
    return replace(net, nodes=nodes)


def flows() -> dict[str, list[GradientFlow]]:
    """Gradient flows at initialisation, by what the networks have in common."""

    def measured(kind: str, change: Any) -> list[GradientFlow]:
        nets = [replace(change(network(name)), name=f"{name}, {kind}") for name in NETWORKS]
        return [convsmith.gradients(net, DATA, steps=0, batch_size=128) for net in nets]

    return {
        "norm": measured("batch norm", lambda net: net),
        "he": measured("no norm, He", lambda net: initialised(fuse_norm(net), HE_FAN_OUT)),
        "glorot": measured("no norm, Glorot", lambda net: initialised(fuse_norm(net), GLOROT)),
    }


def histories() -> dict[str, list[dict[str, float]]]:
    """What was kept of each network that was trained, as far as all of them have come."""
    found = {name: RESULTS / f"{name}.json" for name in NETWORKS}
    kept = {name: json.loads(path.read_text())["epochs"] for name, path in found.items() if path.is_file()}
    fewest = min(map(len, kept.values()), default=0)
    return {name: epochs[:fewest] for name, epochs in kept.items()}


def draw_losses(kept: dict[str, list[dict[str, float]]], path: Path) -> None:
    figure = Figure(figsize=(5.5, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for (name, epochs), style in zip(kept.items(), STYLES, strict=False):
        axes.plot([e["epoch"] for e in epochs], [e["train_loss"] for e in epochs], label=name, **style)
    axes.set(xlabel="epoch", ylabel="training loss (mean over the epoch)", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axis_format in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        axis_format("{x:g}")
    axes.legend(frameon=False)
    with rc_context({"svg.hashsalt": "convsmith", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def rows() -> Iterator[Row]:
    kept = histories()
    last = {name: epochs[-1]["train_loss"] for name, epochs in kept.items()}
    for deep, shallow, worse in (("plain56", "plain20", True), ("resnet56", "resnet20", False)):
        if deep in last and shallow in last:
            figures = f"{last[deep]:.3f} against {last[shallow]:.3f} after {len(kept[deep])} epochs"
            aim = "worse" if worse else "no worse than the plain pair"
            met = last[deep] > last[shallow] if worse else last[deep] < last["plain56"]
            yield Row(f"`degradation.py`: training loss of {deep} against {shallow}", aim, figures, met)


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        for chosen in sys.argv[3:] or NETWORKS:
            train(chosen, int(sys.argv[2]) if len(sys.argv) > 2 else 8)
        sys.exit()
    show(rows())
    FIGURES.mkdir(exist_ok=True)
    draw_losses(histories(), FIGURES / "degradation.svg")
    for kind, measured in flows().items():
        print(f"\n{verdicts(measured)}")
        draw(measured, FIGURES / f"gradients-{kind}.svg")
