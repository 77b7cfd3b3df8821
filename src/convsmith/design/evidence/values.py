"""What is known of the data: frozen values, each with its uncertainty, sample size and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from convsmith.evaluation.metrics import Interval

Verdict = Literal["useful", "harmless", "harmful"]

HARM, HARM_SHARE = 0.005, 1 / 8
"""The loss of accuracy, or share of the errors that it adds, above which the whole interval lies where a change to
images does harm; the smaller of the two."""


REACH_LOSS = 0.03
"""The accuracy that a smaller patch may cost: small first."""


DETAIL_LOSS = 0.02
"""The accuracy that less resolution may cost."""


def points(interval: Interval) -> str:
    """A difference of accuracies in percentage points: "-4.2 points (-5.5 to -2.8)"."""
    value, low, high = (100 * each for each in (interval.value, interval.low, interval.high))
    return f"{value:+.1f} points ({low:+.1f} to {high:+.1f})"


def percent(interval: Interval) -> str:
    """An accuracy: "95.8% (94.5% to 96.8%)"."""
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"


@dataclass(frozen=True)
class Basics:
    """What needs no measurement: training images and classes, the fewest images of a class, channels (1 where every
    image is grey), the median (height, width), whether the classes are digits or letters, and whether their names
    allow mirroring."""

    images: int
    classes: int
    fewest: int
    channels: int
    size: tuple[int, int]
    characters: bool
    flip_named: bool = True

    @property
    def images_a_class(self) -> float:
        return self.images / self.classes


@dataclass(frozen=True)
class Pair:
    """Two classes that are alike: how many of their images have their nearest neighbour in the other; and of each an
    image, by its row in the train split, that does."""

    one: str
    other: str
    share: float
    rows: tuple[int, int]


@dataclass(frozen=True)
class Complexity:
    """How hard the classes are to tell apart.

    - `confusion`: the share of images whose nearest neighbour in `embedding` is of another class; `pairs`, the classes
      that are confused most.
    - `variation`: the mean squared distance within a class over that between any two images; 1 where classes are no
      tighter than the whole.
    - `deformation`: the share of the pixels' distance between two images of a class that the best shift, turn and
      scale of one of them takes away.
    """

    confusion: Interval
    pairs: tuple[Pair, ...]
    variation: Interval
    deformation: Interval
    embedding: str
    images: int
    seconds: float


@dataclass(frozen=True)
class Colour:
    """A probe's accuracy in colour and in grey, and how much colour adds."""

    colour: Interval
    grey: Interval
    gain: Interval
    images: int
    seconds: float


@dataclass(frozen=True)
class Level:
    """A probe's accuracy at one size, in pixels of the sampled images and as a share of their side."""

    pixels: float
    share: float
    accuracy: Interval
    gain: Interval
    """Over the level that it is compared with."""


@dataclass(frozen=True)
class Scale:
    """Which detail and which reach carry the class.

    - `blur`: images at full detail, then with only `pixels` along a side left of them; gains over the full detail.
    - `patch`: accuracy from patches of `pixels`, wherever they are; gains over the smallest patch.
    - `location`: how much it adds to know where in the image a patch is.
    - `side`: of the sampled images, in pixels.
    - `border`: how many pixels wide the margin is that hardly varies between images.
    """

    blur: tuple[Level, ...]
    patch: tuple[Level, ...]
    location: Interval
    side: int
    border: int
    images: int
    seconds: float

    @property
    def detail(self) -> float:
        """The smallest share of the resolution that surely costs less than `DETAIL_LOSS` of accuracy."""
        return min((level.share for level in self.blur if level.gain.low > -DETAIL_LOSS), default=1.0)

    @property
    def reach(self) -> float:
        """The share of the side of the smallest patch that may be within `REACH_LOSS` of the best one."""
        best = max(self.patch, key=lambda level: level.accuracy.value)
        return min(level.share for level in self.patch if level.accuracy.high + REACH_LOSS >= best.accuracy.value)


@dataclass(frozen=True)
class Change:
    """What a probe says of one change to images: its accuracy as they are; on changed ones, which it has not seen
    changed; and what it gains on unchanged ones by learning from changed ones too."""

    name: str
    accuracy: Interval
    changed: Interval
    gain: Interval

    @property
    def verdict(self) -> Verdict:
        """Useful or harmful where the whole interval is."""
        harm = min(HARM, HARM_SHARE * (1 - self.accuracy.value))
        return "useful" if self.gain.low > 0 else "harmful" if self.gain.high < -harm else "harmless"


@dataclass(frozen=True)
class Symmetry:
    """What changes to images do to their class: "mirror", "upside down", "quarter turn", "turn", "shift".

    `exchanged` says which two classes mirroring exchanges; empty where it exchanges none.
    """

    changes: tuple[Change, ...]
    exchanged: str
    images: int
    seconds: float

    def __getitem__(self, name: str) -> Change:
        """Raises KeyError for a change that was not measured."""
        found = next((change for change in self.changes if change.name == name), None)
        if found is None:
            raise KeyError(name)
        return found


@dataclass(frozen=True)
class CurvePoint:
    """A probe's error, having learned from so many images, or with so many filters."""

    count: int
    error: Interval


@dataclass(frozen=True)
class Learning:
    """How error falls with data and with filters.

    `slope` is b of error = a * images^-b (Cortes et al. 1993; Hestness et al. 2017, arXiv 1712.00409), and `error` what
    the curve says for all training images. `filters` are a probe's with so many filters.
    """

    data: tuple[CurvePoint, ...]
    filters: tuple[CurvePoint, ...]
    slope: Interval
    error: Interval
    images: int
    seconds: float


@dataclass(frozen=True)
class Evidence:
    """All that was measured. What is None was not: there was no time for it (`unmeasured`), or nothing to measure."""

    basics: Basics
    colour: Colour | None = None
    symmetry: Symmetry | None = None
    learning: Learning | None = None
    scale: Scale | None = None
    complexity: Complexity | None = None
    unmeasured: tuple[str, ...] = ()
    seconds: float = 0.0
