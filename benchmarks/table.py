"""All benchmarks, one after the other, as one table: the README's is its output.

python benchmarks/table.py        (`make bench`; under 30 minutes on 2 cores)
"""

from __future__ import annotations

import itertools
import os
import platform

import torch

import cost
import fit_memory
import input_pipeline
import loop
import time_to_accuracy
import train_step
from row import show
from show import rows as show_command_rows

SUITE = (
    cost.rows,
    show_command_rows,
    train_step.rows,
    loop.rows,
    input_pipeline.rows,
    time_to_accuracy.rows,
    fit_memory.rows,
)

if __name__ == "__main__":
    python, cores = platform.python_version(), os.cpu_count()
    print(f"{platform.machine()}, {cores} cores, {platform.system()}, Python {python}, torch {torch.__version__}")
    print(f"{train_step.peaks_said()}\n")
    show(itertools.chain.from_iterable(rows() for rows in SUITE))
