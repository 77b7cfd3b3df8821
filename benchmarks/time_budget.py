"""Aim: `convsmith fit --time T` ends within 10% of T, from the start of its process to its end.

Three networks on the bundled fashion-mini, two budgets each: LeNet-5, ResNet-20, and MobileNetV2 at 96 pixels. What
counts is the whole command: imports, data, measurements, training, test, export and verification. Exit code 1 if one
of them misses.

    python benchmarks/time_budget.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from row import Row, show

TOLERANCE = 0.1
COMMAND = "from convsmith.cli.main import main; main()"


@dataclass(frozen=True)
class Case:
    """A network with its further words, and the budgets in seconds."""

    network: str
    budgets: tuple[int, int]
    words: tuple[str, ...] = ()


CASES = (
    Case("lenet5", (30, 60)),
    Case("resnet20", (45, 120)),
    Case("mobilenet_v2", (90, 180), ("--side", "96")),
)


def run(case: Case, budget: int) -> tuple[float, int]:
    """Seconds that the command took, and the epochs that it trained."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = ["fit", "fashion-mini", "--model", case.network, *case.words, "--time", f"{budget}s", "--out", str(out)]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", COMMAND, *words], check=True, capture_output=True)
        took = time.perf_counter() - start
        return took, _epochs(out)


def _epochs(out: Path) -> int:
    return int(json.loads((out / "summary.json").read_text())["training"]["epochs"])


def rows() -> Iterator[Row]:
    for case in CASES:
        for budget in case.budgets:
            took, epochs = run(case, budget)
            off = took / budget - 1
            yield Row(
                f"`time_budget.py`: `fit --model {' '.join((case.network, *case.words))} --time {budget}s`",
                f"within {TOLERANCE:.0%}",
                f"{took:.1f} s ({off:+.1%}), {epochs} epochs",
                abs(off) <= TOLERANCE,
            )


if __name__ == "__main__":
    show(rows())
