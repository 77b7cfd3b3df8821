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
from convsmith.design.evidence.sample import SAMPLED_IMAGES, sample_of
from convsmith.design.evidence.scale import scale_of
from convsmith.design.evidence.symmetry import symmetry_of
from convsmith.design.evidence.values import Basics, Evidence

MOST_SECONDS = 60.0
"""What all measurements may take together."""

SHORT_SECONDS, FEW_IMAGES = 8.0, 400
"""In less time than the first, so many images are sampled."""

PROBES = {"colour": 2.0, "learning": 2.5, "symmetry": 9.0, "scale": 6.5, "complexity": 1.0}
"""How many times longer than one probe each part takes, about."""

GREY_GAIN = 0.01
"""The accuracy that colour must be able to add, for it to be kept."""


def gather(
    dataset: Dataset, *, seconds: float = MOST_SECONDS, told: Callable[[str], None] = lambda line: None
) -> Evidence:
    """What a sample of the training images says, as far as `seconds` reach; `told` is given a line before each part.

    A part is begun if it is likely to end in time, and then finished. Raises DataError where fewer than two classes
    have enough readable images.
    """
    start = time.monotonic()
    found = Evidence(basics_of(dataset))
    sample = sample_of(dataset, SAMPLED_IMAGES if seconds >= SHORT_SECONDS else FEW_IMAGES)
    unmeasured: list[str] = []
    one_probe = 0.0

    def measure(name: str, part: Callable[[], object]) -> None:
        nonlocal found, one_probe
        began = time.monotonic()
        if began - start + one_probe * PROBES[name] > seconds:
            unmeasured.append(name)
            return
        told(f"measuring {name} on {len(sample):,} images")
        found = replace(found, **{name: part()})  # type: ignore[arg-type]
        one_probe = one_probe or (time.monotonic() - began) / PROBES[name]

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
