"""From a name or path to a data set that training can rely on: listed, checked, split."""

from __future__ import annotations

from pathlib import Path

from convsmith.data.assemble import MAX_UNUSABLE, Demands, assemble
from convsmith.data.checks.examine import Progress
from convsmith.data.dataset import Dataset
from convsmith.data.decode.decoding import Decoding
from convsmith.data.sources.detect import read_source


def open_dataset(
    data: Dataset | str | Path,
    *,
    seed: int | None = 0,
    strict: bool = False,
    max_unusable: float = MAX_UNUSABLE,
    decoding: Decoding | None = None,
    progress: Progress = lambda done, total: None,
) -> Dataset:
    """Opens, checks and splits a data set.

    `data` is a folder with a folder per class, of shards, of ImageNet's archives or of Parquet files with images; a CSV
    or Parquet manifest, IDX files, an npz file, or a known name. A `Dataset` is returned as it is.
    Splits that the source lacks are made from `seed`; see `convsmith.data.split.complete` for the rule. With a `seed`
    of None none are made: a source without splits is all "train", to be measured on. Every file is decoded once; what
    cannot be used is left out and listed in `skipped`, or refused if `strict`, or if it is more than the share
    `max_unusable` of the files. `decoding` is that of the model that the data are for; None: the one in which the
    images show the most. `progress` gets the files checked so far and all files, and before that, those copied,
    where that is needed once.

    Raises UnknownNameError if there is no such name or path, and DataError for what cannot be trained on: fewer than
    two classes, a class that is missing in a split or too small for all of them, too many unusable files, the same
    pixels everywhere.
    """
    if isinstance(data, Dataset):
        return data
    demands = Demands(seed, strict, max_unusable, decoding=decoding)
    return assemble(read_source(data, progress), demands, progress)
