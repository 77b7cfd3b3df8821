"""The choices of a design that follow from the data set itself."""

from __future__ import annotations

import numpy as np

from convsmith import Dataset
from convsmith.design.designer import Design, Pace
from convsmith.design.evidence.gather import basics_of
from convsmith.design.evidence.values import Evidence
from convsmith.design.limits import Limits
from convsmith.fitting.designing import designed

PACE = Pace(lambda network: 1.0, lambda network: 1e-6)


def of(images: int) -> Design:
    pixels = np.random.default_rng(0).integers(0, 255, (images, 8, 8), dtype=np.uint8)
    dataset = Dataset.from_arrays(pixels, np.arange(images) % 2)
    return designed(dataset, Evidence(basics_of(dataset)), Limits(), side=None, seconds=100.0, pace=PACE)


def test_more_images_are_given_fewer_epochs() -> None:
    few, many = (
        next(decision.value for decision in of(images).decisions if decision.name == "epochs and stopping")
        for images in (200, 20_000)
    )
    assert int(few.split()[0]) > int(many.split()[0]) > 0
