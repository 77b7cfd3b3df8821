"""Aim: a network of the zoo is linted in under 50 ms, once convsmith is imported.

Every network of the zoo is made, then linted with all rules, `ROUNDS` times, the rounds interleaved over the networks.
The time of a network is the processor's, the median of its rounds; making the network does not count
(`benchmarks/cost.py` measures that).

    python benchmarks/lint.py        (under a minute on a quiet core)
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import convsmith
from convsmith.design.lint import lint
from row import Row, show

ROUNDS = 3
LIMIT_MS = 50.0


def milliseconds() -> dict[str, float]:
    """Median time by network. A network is made anew for each round, so that nothing it has computed is kept."""
    times: dict[str, list[float]] = {name: [] for name in convsmith.models()}
    for name in list(times)[:3]:
        lint(name)  # the rules are imported
    for _ in range(ROUNDS):
        for name, own in times.items():
            net = convsmith.create(name)
            start = time.process_time()
            lint(net)
            own.append(1000 * (time.process_time() - start))
    return {name: statistics.median(own) for name, own in times.items()}


def rows() -> Iterator[Row]:
    times = milliseconds()
    within = sum(time <= LIMIT_MS for time in times.values())
    slowest = sorted(times, key=lambda name: times[name], reverse=True)[:3]
    told = ", ".join(f"{name} {times[name]:.0f} ms ({len(convsmith.create(name)):,} layers)" for name in slowest)
    yield Row(
        f"`lint.py`: every network of the zoo ({len(times)})",
        f"{LIMIT_MS:.0f} ms each",
        f"median {statistics.median(times.values()):.1f} ms; {within} within; slowest {told}",
        within == len(times),
    )


if __name__ == "__main__":
    show(rows())
