"""All evidence, in order of what it decides, within a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from convsmith.data.augment.augment import flip_keeps_class, written_characters
from convsmith.data.dataset import Dataset
from convsmith.design.evidence.colour import colour_of
from convsmith.design.evidence.complexity import complexity_of
from convsmith.design.evidence.learning import learning_of
from convsmith.design.evidence.probe import Probe
from convsmith.design.evidence.sample import sample_of
from convsmith.design.evidence.scale import scale_of
from convsmith.design.evidence.symmetry import symmetry_of
from convsmith.design.evidence.values import Basics, Evidence

MOST_SECONDS = 60.0
"""What all measurements may take together."""

GREY_GAIN = 0.01
"""The accuracy that colour must be able to add, for it to be kept."""


def gather(
    dataset: Dataset, *, seconds: float = MOST_SECONDS, told: Callable[[str], None] = lambda line: None
) -> Evidence:
    """What a sample of the training images says, as far as `seconds` reach; `told` is given a line before each part.

    A part that is begun is finished. Raises DataError where fewer than two classes have enough readable images.
    """
    start = time.monotonic()
    found = Evidence(basics_of(dataset))
    sample = sample_of(dataset)
    unmeasured: list[str] = []

    def measure(name: str, part: Callable[[], object]) -> None:
        nonlocal found
        if time.monotonic() - start > seconds:
            unmeasured.append(name)
            return
        told(f"measuring {name} on {len(sample):,} images")
        found = replace(found, **{name: part()})  # type: ignore[arg-type]

    if dataset.channels == 3:
        measure("colour", lambda: colour_of(sample))
    images = sample.images if keeps_colour(found) else sample.grey
    probe = Probe(images, sample.labels, sample.folds)
    measure("learning", lambda: learning_of(sample, probe))
    measure("symmetry", lambda: symmetry_of(dataset, sample, images, probe))
    measure("scale", lambda: scale_of(sample, images, probe))
    measure("complexity", lambda: complexity_of(sample, probe))
    return replace(found, unmeasured=tuple(unmeasured), seconds=time.monotonic() - start)


def basics_of(dataset: Dataset) -> Basics:
    """What is known without measuring."""
    train = dataset.split("train")
    counts = np.bincount(train.labels, minlength=len(dataset.classes))
    return Basics(
        len(train),
        len(dataset.classes),
        int(counts.min()),
        dataset.channels,
        dataset.size,
        written_characters(dataset.classes),
        flip_keeps_class(dataset.classes),
    )


def keeps_colour(evidence: Evidence) -> bool:
    """Whether the network gets three channels: images have colour, and it may add `GREY_GAIN` or is not measured."""
    if evidence.basics.channels == 1:
        return False
    return evidence.colour is None or evidence.colour.gain.high >= GREY_GAIN
