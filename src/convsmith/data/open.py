"""From a name or path to a data set that training can rely on: listed, checked, split."""

from __future__ import annotations

from pathlib import Path

from convsmith.data.assemble import assemble
from convsmith.data.checks.examine import Progress
from convsmith.data.dataset import Dataset
from convsmith.data.sources.detect import read_source


def open_dataset(
    data: Dataset | str | Path,
    *,
    seed: int | None = 0,
    strict: bool = False,
    progress: Progress = lambda done, total: None,
) -> Dataset:
    """Opens, checks and splits a data set.

    `data` is a folder with a folder per class, of shards, of ImageNet's archives or of Parquet files with images; a CSV
    or Parquet manifest, IDX files, an npz file, or a known name. A `Dataset` is returned as it is.
    Splits that the source lacks are made from `seed`; see `convsmith.data.split.complete` for the rule. With None, to
    measure on, none is made: a source without splits is one, "all". Every file is
    decoded once; what cannot be used is left out and listed in `skipped`, or refused if `strict`. `progress` is told
    how many files of how many have been checked, and before that, copied, where that is needed once.

    Raises UnknownNameError if there is no such name or path, and DataError for what cannot be trained on: fewer than
    two classes, a class that is missing in a split or too small for all of them, unusable files if `strict`.
    """
    if isinstance(data, Dataset):
        return data
    return assemble(read_source(data, progress), seed=seed, strict=strict, progress=progress)
