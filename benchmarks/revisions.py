"""Aim: a training step of this tree takes at most 1.02 times as long as another commit's, on every case of train_step.

A process imports both trees, one after the other, and takes each tree's `train_step.our_step` on the same images; the
steps then take turns of about half a second, so that threads, allocator and whatever else the machine does are the same
for both. Where tensors happen to lie is worth a few per cent for a process's life, so several processes measure a case,
the tree that comes first changing from one to the next. Both are held to the arithmetic that this tree chooses.

    git worktree add /tmp/other COMMIT
    python benchmarks/revisions.py /tmp/other [CASE...]
"""

from __future__ import annotations

import importlib
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from row import Row, show

HERE = Path(__file__).resolve().parent.parent
PROCESSES = 4
ROUNDS = 8
SECONDS = 0.5


def step_of(tree: Path, case: str) -> tuple[Callable[[], object], str]:
    """A tree's step, and the arithmetic that it chose; what is imported for it is forgotten afterwards."""
    import torch

    for name in [name for name in sys.modules if name.split(".")[0] in ("convsmith", "train_step")]:
        del sys.modules[name]
    sys.path[:0] = [str(tree / "src"), str(tree / "benchmarks")]
    convsmith, train_step = importlib.import_module("convsmith"), importlib.import_module("train_step")
    assert Path(convsmith.__file__).is_relative_to(tree)
    torch.manual_seed(0)
    chosen = next(c for c in train_step.CASES if c.model == case)
    network = convsmith.create(chosen.model, classes=chosen.classes, input=chosen.input)
    images, labels = torch.rand(chosen.batch, *chosen.input), torch.randint(chosen.classes, (chosen.batch,))
    step, *arithmetic = train_step.our_step(network, images, labels)
    step()  # what is imported late is imported now
    del sys.path[:2]
    return step, " ".join(arithmetic)


def ratio_in_this_process(trees: Sequence[Path], case: str) -> float | None:
    """The first tree's time over the second's; None where they chose another arithmetic."""
    from train_step import seconds

    (one, chosen), (other, also) = (step_of(tree, case) for tree in trees)
    if chosen != also:
        return None
    steps = max(1, round(SECONDS / seconds(one, 3)))
    seconds(other, 3)
    ratios = []
    for turn in range(ROUNDS):
        first, second = (one, other) if turn % 2 else (other, one)
        taken = {id(step): seconds(step, steps) for step in (first, second)}
        ratios.append(taken[id(one)] / taken[id(other)])
    return statistics.median(ratios)


def measure(other: Path, case: str) -> Row:
    ratios: list[float] = []
    turn = 0
    while len(ratios) < PROCESSES:
        trees = [HERE, other] if turn % 2 else [other, HERE]
        command = [sys.executable, __file__, "--one", case, *map(str, trees)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        if said != "None":
            ratios.append(float(said) if trees[0] == HERE else 1 / float(said))
            turn += 1
    mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios))
    error = statistics.stdev(ratios) / math.sqrt(len(ratios))
    return Row(
        f"`revisions.py`: {case}, this tree's step against {other.name}",
        "1.02x",
        f"{mean:.3f}x, standard error {error:.3f} over {PROCESSES} processes",
        mean <= 1.02,
    )


def rows(other: Path, cases: Sequence[str]) -> Iterator[Row]:
    for case in cases:
        yield measure(other, case)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print(ratio_in_this_process([Path(tree) for tree in sys.argv[3:]], sys.argv[2]))
    else:
        from train_step import CASES

        show(rows(Path(sys.argv[1]).resolve(), sys.argv[2:] or [case.model for case in CASES]))
