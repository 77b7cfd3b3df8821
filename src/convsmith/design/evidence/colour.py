"""Does colour tell the classes apart?"""

from __future__ import annotations

import time

from convsmith.design.evidence.probe import Probe, gain
from convsmith.design.evidence.sample import Sample
from convsmith.design.evidence.values import Colour


def colour_of(sample: Sample) -> Colour:
    """A probe's accuracy in colour against grey, on the same images."""
    start = time.monotonic()
    colour = Probe(sample.images, sample.labels, sample.folds).answer
    grey = Probe(sample.grey, sample.labels, sample.folds).answer
    found = gain(colour.right, grey.right)
    return Colour(colour.accuracy, grey.accuracy, found, len(sample), time.monotonic() - start)
