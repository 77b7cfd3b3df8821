"""Which split a name stands for: of a folder, a file, a column's value."""

from __future__ import annotations

import re

SPLITS = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "holdout": "test",
}
"""What sources call the splits, and what we call them."""

WORDS = {
    **SPLITS,
    **dict.fromkeys(("training", "trainset", "trainingset", "trn", "trainval"), "train"),
    **dict.fromkeys(("validate", "valset", "validset", "validationset", "development", "devel", "devset"), "val"),
    **dict.fromkeys(("testing", "tests", "testset", "testingset", "tst", "heldout"), "test"),
}

FILLERS = frozenset(
    (
        *("data", "dataset", "set", "sets", "split", "splits", "samples", "raw", "the", "part", "labelled", "labeled"),
        *("image", "images", "img", "imgs", "pic", "pics", "picture", "pictures", "photo", "photos"),
        *("folder", "dir", "directory", "files"),
    )
)
"""Words beside a split's that leave no doubt."""

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
"""A word of a name: of capitals, of small letters after one capital at most, of digits, of other letters."""


def split_of(name: str) -> str | None:
    """The split that a name means which means nothing else: "Train", "test-images", "02_validation", "val2017"."""
    split, rest = split_and_rest(name)
    return split if not rest else None


def split_and_rest(name: str) -> tuple[str | None, tuple[str, ...]]:
    """The split that a name holds, None if none or several, and its other words, without fillers and numbers."""
    words = [word.lower() for word in WORD.findall(re.sub(r"(?i)(hold|held)[\W_]+out", "holdout", name))]
    splits = {WORDS[word] for word in words if word in WORDS}
    rest = tuple(word for word in words if word not in WORDS and word not in FILLERS and not word.isdigit())
    return (splits.pop() if len(splits) == 1 else None), rest


def split_in(name: str) -> str | None:
    """The split that a file's name holds anywhere: "imagenet-train-000012", "shard_000.val"."""
    return split_and_rest(name)[0]
