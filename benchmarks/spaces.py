"""How fast the members of each space train here: the median over members drawn within a limit, one thread or more.

OMP_NUM_THREADS=1 python benchmarks/spaces.py [--max-params 100000] [--members 9] [--input 1x28x28]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from convsmith.cli.source import shape_of
from convsmith.design.limits import Limits
from convsmith.searching.spaces.limited import Limited
from convsmith.searching.spaces.members import Members
from convsmith.searching.spaces.named import WRITTEN, space_for
from convsmith.train.tune.pace import seconds_an_image
from row import Row, show

CLASSES = 10


def rows(asked: Any) -> Iterator[Row]:
    shape = shape_of(asked.input)
    for name in WRITTEN:
        members = Members(space_for(name, shape, CLASSES), shape, CLASSES)
        limited = Limited(members, Limits(max_params=asked.max_params), lambda network: 0.0)
        drawn = limited.drawn(asked.members, np.random.default_rng(0))
        macs = float(np.median(members.totals(drawn).macs)) / 1e6
        speed = float(np.median([1 / seconds_an_image(members.network(row)) for row in drawn]))
        yield Row(
            f"`spaces.py`: {name}, {asked.input}, at most {asked.max_params:,} parameters",
            "",
            f"{speed:,.0f} images a second in training, {macs:.1f} M multiply-adds (medians of {asked.members}, "
            f"{torch.get_num_threads()} threads)",
            None,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max-params", type=int, default=100_000)
    parser.add_argument("--members", type=int, default=9)
    parser.add_argument("--input", default="1x28x28")
    show(rows(parser.parse_args()))
