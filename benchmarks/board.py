"""The accuracy of same-family networks on fashion-mnist, beside the data set's own board.

The board is the benchmark table of github.com/zalandoresearch/fashion-mnist: accuracies as submitted, by networks of
those families, at sizes that are not always said. Each network here is trained by `convsmith fit`, in about an hour on
two cores or two on one, and tested on the 10,000 test images. Results and logs are in `benchmarks/board/`; networks
without a result there have not been run, and the table says so. Of several trainings of a family the one that is best
in validation is the entry; the others, in `benchmarks/board/others/`, are listed below it.

All start from random weights but MobileNet: the board's (kexue.fm/archives/4556) was trained on from weights learnt on
ImageNet, and ours is from weights learnt on ImageNet and COCO, which `scripts/fetch_mobilenet.py` gets. From random
weights MobileNet has not reached it: see `others/`.

    python scripts/fetch_mobilenet.py runs/coco      gets MobileNet's weights
    python benchmarks/board.py --run squeezenet1_1   trains one of the networks (slow)
    python benchmarks/board.py                       prints the table of what has been run
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "board"
COCO = "runs/coco/mobilenet_v2.safetensors"


@dataclass(frozen=True)
class Entry:
    """A row of the board, the network with which we answer it, and the further words of its `convsmith fit`.

    With `pretrained`, a model file, it starts from those weights.
    """

    board: str
    accuracy: float
    model: str
    options: str
    pretrained: str | None = None


ENTRIES = (
    Entry("AlexNet, triplet loss", 89.9, "alexnet_2014", "--side 64 --max-params 16000000 --epochs 16"),
    Entry("SqueezeNet, 200 epochs", 90.0, "squeezenet1_1", "--side 56 --epochs 30 --learning-rate 0.02 --clip-norm 5"),
    Entry("VGG16, 26 M parameters", 93.5, "vgg16_bn", "--side 32 --max-params 26000000 --epochs 14"),
    Entry("GoogLeNet", 93.7, "googlenet_bn", "--side 56 --epochs 16"),
    Entry("ResNet18, augmented", 94.9, "resnet20", "--side 28 --recipe erasing --epochs 130"),
    Entry(
        "MobileNet, flips", 95.0, "mobilenet_v2", "--side 84 --recipe erasing --epochs 20 --learning-rate 0.02", COCO
    ),
    Entry("DenseNet-BC, 768K parameters", 95.4, "densenet100_bc_k12", "--side 28 --epochs 8"),
)


def train(entry: Entry) -> None:
    """Runs `convsmith fit` and keeps its summary and log. Raises CalledProcessError if it fails."""
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        start_from = ["--pretrained", entry.pretrained] if entry.pretrained else ["--model", entry.model]
        command = ["fit", "fashion-mnist", *start_from, *entry.options.split()]
        program = [str(Path(sys.executable).with_name("convsmith")), *command, "--out", str(run), "--json"]
        start = time.monotonic()
        summary = json.loads(subprocess.run(program, check=True, stdout=subprocess.PIPE).stdout)
        kept = {
            "command": "convsmith " + " ".join(command),
            "seconds": round(time.monotonic() - start),
            "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        } | {key: summary[key] for key in ("network", "training", "metrics")}
        (RESULTS / f"{entry.model}.json").write_text(json.dumps(kept, indent=1) + "\n")
        shutil.copy(run / "log.jsonl", RESULTS / f"{entry.model}.log.jsonl")


def table() -> None:
    print(f"{'board':<30} {'accuracy':>8}  {'here':<24} {'parameters':>11} {'epochs':>6} {'accuracy (95% interval)'}")
    for entry in ENTRIES:
        file = RESULTS / f"{entry.model}.json"
        if not file.exists():
            print(f"{entry.board:<30} {entry.accuracy:>7.1f}%  {entry.model:<24} {'':>11} {'':>6} not run")
            continue
        result = json.loads(file.read_text())
        reached = "at or above" if 100 * result["metrics"]["top1"]["value"] >= entry.accuracy else "below"
        print(f"{entry.board:<30} {entry.accuracy:>7.1f}%  {_row(result)}, {reached}")
        family = entry.model.partition("_")[0]
        for other in sorted((RESULTS / "others").glob(f"{family}*-*.json")):
            print(f"{'':<30} {'':>8}  {_row(json.loads(other.read_text()))}")


def _row(result: dict[str, Any]) -> str:
    """A training's network, parameters, epochs and accuracy."""
    network, epochs, top1 = result["network"], result["training"]["epochs"], result["metrics"]["top1"]
    name = network["name"] + (", fine-tuned" if "--pretrained" in result["command"] else "")
    interval = f"{top1['value']:.2%} ({top1['low']:.2%} to {top1['high']:.2%})"
    return f"{name:<24} {network['params']:>11,} {epochs:>6} {interval}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", metavar="MODEL", choices=[entry.model for entry in ENTRIES], help="train this one")
    arguments = parser.parse_args()
    for entry in ENTRIES:
        if entry.model == arguments.run:
            train(entry)
    table()


if __name__ == "__main__":
    main()
