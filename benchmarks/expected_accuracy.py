"""How often the accuracy that the designer expects holds: at least twelve pairs of data and limit.

Each pair is designed for, its chosen network trained for a while, and measured on the test split. Printed are the
interval and the accuracy of each pair, how many held (the claim: 80% of them), and the line that fits the pairs best,
from which `convsmith.design.expect` has its two constants. Exit code 1 if fewer held.

    python benchmarks/expected_accuracy.py [--sets glyphs,...] [--macs 300000,2000000,10000000] [--seconds 90]
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path

import numpy as np

from convsmith import Request, cost_of, fit
from convsmith.design.evidence.gather import gather
from convsmith.design.limits import Limits
from convsmith.fitting.designing import design_for
from derived_sets import SETS, set_named

CLAIM = 0.8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--macs", default="300000,2000000,10000000")
    parser.add_argument("--seconds", type=float, default=90.0)
    asked = parser.parse_args()
    held, points = [], []
    print("| set | limit in MACs | network | expected | measured | held |\n| --- | --- | --- | --- | --- | --- |")
    for name in asked.sets.split(","):
        dataset = set_named(name, 0)
        evidence = gather(dataset)
        for macs in map(int, asked.macs.split(",")):
            design = design_for(dataset, Limits(max_macs=macs), evidence=evidence)
            with tempfile.TemporaryDirectory() as folder:
                request = Request(seconds=asked.seconds)
                accuracy = fit(dataset, design.network, request, out=Path(folder) / "run").metrics.top1.value
            expected = design.chosen.expected
            held.append(expected.low <= accuracy <= expected.high)
            print(
                f"| {Path(name).name} | {macs:,} | {design.network.name} | {expected} | {accuracy:.2%} | {held[-1]} |",
                flush=True,
            )
            if evidence.learning is not None and evidence.learning.error.value > 0:
                ratio = max(1 - accuracy, 1e-3) / evidence.learning.error.value
                points.append((math.log10(float(cost_of(design.network).macs) / 1e7), math.log10(ratio)))
    print(f"\n{sum(held)} of {len(held)} held ({np.mean(held):.0%}; the claim: {CLAIM:.0%})")
    if len({x for x, _ in points}) > 1:
        slope, offset = np.polyfit(*zip(*points, strict=True), 1)
        print(f"best line: OFFSET = {offset:.2f}, SLOPE = {slope:.2f}")
    return int(np.mean(held) < CLAIM)


if __name__ == "__main__":
    sys.exit(main())
