"""Evidence to design by, without measuring: one part can be changed at a time."""

from __future__ import annotations

from dataclasses import replace

from convsmith.design.evidence.values import (
    Basics,
    Change,
    Colour,
    Complexity,
    CurvePoint,
    Evidence,
    Learning,
    Level,
    Scale,
    Symmetry,
)
from convsmith.evaluation.metrics import Interval
from convsmith.network.preprocess import Preprocess


def around(value: float, half: float = 0.01) -> Interval:
    return Interval(value, value - half, value + half)


def scale(
    blur: tuple[float, ...] = (0.0, -0.05, -0.1, -0.2),
    patch: tuple[float, ...] = (0.80, 0.81, 0.81, 0.81),
    location: float = 0.0,
    border: int = 0,
    side: int = 28,
) -> Scale:
    """Gains of blurring to 1, 1/2, 1/4 and 1/8 of the side, and accuracies of patches of 3 pixels to half the side."""
    blurred = tuple(Level(side / 2**at, 2**-at, around(0.9 + gain), around(gain)) for at, gain in enumerate(blur))
    sizes = (3, 5, 9, 15)
    patches = tuple(
        Level(size, size / 28, around(accuracy, 0.005), around(accuracy - patch[0]))
        for size, accuracy in zip(sizes, patch, strict=True)
    )
    return Scale(blurred, patches, around(location), side, border, 1000, 1.0)


def symmetry(exchanged: str = "", **gains: float) -> Symmetry:
    """Gains by change, 0 where none is given; underscores stand for blanks."""
    names = ("mirror", "upside_down", "quarter_turn", "turn", "shift")
    changes = tuple(
        Change(n.replace("_", " "), around(0.9), around(0.5), around(gains.get(n, 0.0), 0.005)) for n in names
    )
    return Symmetry(changes, exchanged, 1000, 1.0)


def learning(error: float = 0.1, slope: float = 0.3, filters: tuple[float, ...] = (0.3, 0.2, 0.12, 0.1)) -> Learning:
    counts = (6, 12, 24, 48)
    points = tuple(CurvePoint(count, around(value, 0.005)) for count, value in zip(counts, filters, strict=True))
    return Learning((CurvePoint(800, around(error, 0.005)),), points, around(slope), around(error, 0.005), 1000, 1.0)


BASICS = Basics(9000, 10, 900, 1, (28, 28), characters=False)
COLOUR = Colour(around(0.8), around(0.7), around(0.1), 1000, 1.0)
COMPLEXITY = Complexity(around(0.2), (), around(0.8), around(0.3), "the probe's features", 1000, 1.0)
EVIDENCE = Evidence(BASICS, None, symmetry(), learning(), scale(), COMPLEXITY)
PHOTOS = replace(EVIDENCE, basics=Basics(300, 3, 80, 3, (240, 320), characters=False), colour=COLOUR)


def preprocess(channels: int = 1, side: int = 28) -> Preprocess:
    return Preprocess(channels, (side, side), side, (0.5,) * channels, (0.2,) * channels)
