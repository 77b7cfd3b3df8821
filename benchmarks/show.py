"""Aim: `convsmith show resnet50` as a whole process takes at most 0.4 s and 80 MB.

Prints the median wall time and the largest resident set of some runs, and, for scale, the time that `import torch`
alone takes. Linux and macOS.

    python benchmarks/show.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator

from row import Row, show

ROUNDS = 11
SECONDS, BYTES = 0.4, 80e6
SHOW = "import sys; sys.argv = ['convsmith', 'show', 'resnet50']; from convsmith.cli.main import main; main()"

MEASURE = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(time.perf_counter() - start, usage.ru_maxrss)
sys.exit(bool(status))
"""


def run(code: str) -> tuple[float, int]:
    """Seconds and the largest resident set in bytes of a Python process.

    A small process starts and measures it: Linux counts what the parent had at the fork as the child's.
    """
    measured = subprocess.run([sys.executable, "-c", MEASURE, code], stdout=subprocess.PIPE, check=True, text=True)
    seconds, peak = measured.stdout.split()
    return float(seconds), int(peak) * (1 if sys.platform == "darwin" else 1024)


def rows() -> Iterator[Row]:
    sides = {"convsmith show resnet50": SHOW, "import torch": "import torch"}
    medians, memory = {}, {}
    for name, code in sides.items():
        figures = [run(code) for _ in range(ROUNDS)]
        medians[name] = statistics.median(seconds for seconds, _ in figures)
        memory[name] = max(peak for _, peak in figures)
    name = "convsmith show resnet50"
    figures = f"{medians[name]:.2f} s, {memory[name] / 1e6:.0f} MB (`import torch`: {medians['import torch']:.2f} s)"
    holds = medians[name] <= SECONDS and memory[name] <= BYTES
    yield Row(f"`show.py`: `{name}`, the whole process", f"{SECONDS} s, {BYTES / 1e6:.0f} MB", figures, holds)


if __name__ == "__main__":
    show(rows())
