"""The accuracy of same-family networks on fashion-mnist, beside the data set's own board.

The board is the benchmark table of github.com/zalandoresearch/fashion-mnist: accuracies as submitted, by networks of
those families, at sizes that are not always said. Each network here is trained by `convsmith fit` for at most the
minutes given, on one machine, and tested once on the 10,000 test images. Results and logs are in `benchmarks/board/`;
networks without a result there have not been run, and the table says so.

    python benchmarks/board.py --run squeezenet1_1   trains one of them (slow: up to an hour each on 2 cores)
    python benchmarks/board.py                       prints the table of what has been run
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "board"


@dataclass(frozen=True)
class Entry:
    """A row of the board, and the network, input side and minutes with which we answer it."""

    board: str
    accuracy: float
    model: str
    side: int
    minutes: int


ENTRIES = (
    Entry("AlexNet, triplet loss", 89.9, "alexnet_2014", 64, 10),
    Entry("SqueezeNet, 200 epochs", 90.0, "squeezenet1_1", 56, 10),
    Entry("VGG16", 93.5, "vgg16_bn", 32, 60),
    Entry("GoogLeNet", 93.7, "googlenet_bn", 56, 20),
    Entry("ResNet18, augmented", 94.9, "resnet18", 56, 60),
    Entry("MobileNet, flips", 95.0, "mobilenet_v1", 56, 60),
    Entry("DenseNet-BC, 768K parameters", 95.4, "densenet100_bc_k12", 32, 60),
)


def train(entry: Entry, minutes: int) -> None:
    """Runs `convsmith fit` and keeps its summary and log. Raises CalledProcessError if it fails."""
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = ["fit", "fashion-mnist", "--model", entry.model, "--side", str(entry.side), "--time", f"{minutes}m"]
        program = [str(Path(sys.executable).with_name("convsmith")), *command, "--out", str(run), "--json"]
        summary = json.loads(subprocess.run(program, check=True, stdout=subprocess.PIPE).stdout)
        kept = {"command": "convsmith " + " ".join(command)} | {
            key: summary[key] for key in ("network", "training", "metrics")
        }
        (RESULTS / f"{entry.model}.json").write_text(json.dumps(kept, indent=1) + "\n")
        shutil.copy(run / "log.jsonl", RESULTS / f"{entry.model}.log.jsonl")


def table() -> None:
    print(f"{'board':<30} {'accuracy':>8}  {'here':<20} {'parameters':>11} {'epochs':>6} {'accuracy (95% interval)'}")
    for entry in ENTRIES:
        file = RESULTS / f"{entry.model}.json"
        if not file.exists():
            print(f"{entry.board:<30} {entry.accuracy:>7.1f}%  {entry.model:<20} {'':>11} {'':>6} not run")
            continue
        result = json.loads(file.read_text())
        top1 = result["metrics"]["top1"]
        reached = "at or above" if 100 * top1["value"] >= entry.accuracy else "below"
        interval = f"{top1['value']:.2%} ({top1['low']:.2%} to {top1['high']:.2%})"
        print(
            f"{entry.board:<30} {entry.accuracy:>7.1f}%  {entry.model:<20} {result['network']['params']:>11,} "
            f"{result['training']['epochs']:>6} {interval}, {reached}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", metavar="MODEL", choices=[entry.model for entry in ENTRIES], help="train this one")
    parser.add_argument("--minutes", type=int, help="instead of the entry's own")
    arguments = parser.parse_args()
    for entry in ENTRIES:
        if entry.model == arguments.run:
            train(entry, arguments.minutes or entry.minutes)
    table()


if __name__ == "__main__":
    main()
