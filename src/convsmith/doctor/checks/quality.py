"""What single images look like: too dark, blurred, of an odd size or shape, rotated, grey among colours.

The kinds and their thresholds are those that cleanvision publishes (github.com/cleanlab/cleanvision, README, "Issues"),
on small copies. What most of a data set has is not an oddity but its nature, and is not listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convsmith.doctor.issue import Example, Issue, images
from convsmith.doctor.scan import UPRIGHT, Scan
from convsmith.doctor.subject import Subject

NATURE_SHARE = 0.02
"""Of the images: what more than these have is what the data set is like."""

ALWAYS = 5
"""Images that are an exception in any set of a few dozen."""

DARK = 0.32
"""Brightness (0 to 1) that 99% of a dark image's pixels do not reach."""

BRIGHT = 0.95
"""Brightness that 95% of a pale image's pixels pass."""

LOW_ENTROPY = 3.0
"""Bits for each pixel below which an image says little."""

BLURRED = 0.29
"""cleanvision's score below which an image is blurred: 1 - exp(-d / 100) of the deviation d of its edges, plus the same
of the histogram of its grey levels where that is above FEW_LEVELS (a drawing has few edges and few levels)."""

FEW_LEVELS = 0.18

ODD_ASPECT = 0.35
"""The shorter side by the longer."""

ODD_SIZE_RANGES = 3
"""Interquartile ranges beyond the quartiles of the square root of the area, from which a size is odd."""

TINY_SHARE = 0.25
"""Of the usual shorter side."""

LUMA = (0.241, 0.691, 0.068)
"""Of squares of red, green and blue: perceived brightness, as cleanvision has it."""

BATCH_IMAGES = 1024

USUAL_MODES = frozenset({"RGB", "L"})


@dataclass(frozen=True)
class _Kind:
    """Words for a kind of oddity."""

    code: str
    what: str
    why: str
    fix: str


DARK_KIND = _Kind(
    "dark", "nearly black", "Little can be seen in them, so little can be learned.", "Look at them; leave out failures."
)
BRIGHT_KIND = _Kind(
    "bright",
    "nearly white",
    "Little can be seen in them, so little can be learned.",
    "Look at them; leave out failures.",
)
LOW_KIND = _Kind(
    "low-information",
    "nearly empty",
    "Almost all of their pixels are alike: often placeholders or failed exports.",
    "Look at them; leave out failures.",
)
BLUR_KIND = _Kind(
    "blurred",
    "blurred",
    "Detail that tells classes apart may be gone.",
    "Look at them; leave out what nobody can name.",
)
ASPECT_KIND = _Kind(
    "odd-aspect",
    "long and narrow",
    "A square crop shows a small part of them.",
    "Crop them to what they show, or give the network a wide input.",
)
SIZE_KIND = _Kind(
    "odd-size",
    "of a size far from the others'",
    "They often come from another source, and scale may then tell of the source, not of the class.",
    "Look whether they belong to the set.",
)
TINY_KIND = _Kind(
    "tiny",
    "tiny beside the others",
    "Enlarged to the network's input they are a blur: often thumbnails that were saved in place of the image.",
    "Fetch the full images, or leave these out.",
)


def quality_issues(subject: Subject, scan: Scan) -> Iterator[Issue]:
    """Oddities of single images, those that are odd in this set."""
    brightness, entropy = _levels(scan.thumbnails)
    seen = ~subject.constant
    yield from _odd(subject, DARK_KIND, brightness[:, 1], seen & (brightness[:, 1] < DARK), "{:.2f} of 1 at most")
    yield from _odd(subject, BRIGHT_KIND, -brightness[:, 0], seen & (brightness[:, 0] > BRIGHT), "")
    yield from _odd(subject, LOW_KIND, entropy, seen & (entropy < LOW_ENTROPY), "{:.1f} bits for each pixel")
    sharp, levels = 1 - np.exp(-np.sqrt(scan.edges) / 100), 1 - np.exp(-scan.levels / 100)
    sharp = sharp + np.where(levels > FEW_LEVELS, levels, 0)
    yield from _odd(subject, BLUR_KIND, sharp, seen & (sharp < BLURRED), "sharpness {:.2f} of 1")
    yield from _shapes(subject)
    yield from _constant(subject)
    yield from _colours(subject, scan)
    yield from _rotated(subject, scan)


def _levels(thumbnails: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The 5th and 99th percentile of brightness, (N, 2) in 0..1, and the entropy of the grey levels in bits, (N,)."""
    count = len(thumbnails)
    found, entropy = np.empty((count, 2), np.float32), np.empty(count, np.float32)
    for start in range(0, count, BATCH_IMAGES):
        part = thumbnails[start : start + BATCH_IMAGES].astype(np.float32)
        if part.shape[-1] == 3:
            bright = np.sqrt((part**2) @ np.array(LUMA, np.float32)).reshape(len(part), -1)
        else:
            bright = part.reshape(len(part), -1)
        found[start : start + len(part)] = np.percentile(bright, (5, 99), axis=1).T / 255
        levels = bright.round().clip(0, 255).astype(np.int64)
        places = np.arange(len(part))[:, None] * 256 + levels
        share = np.bincount(places.ravel(), minlength=256 * len(part)).reshape(-1, 256) / levels.shape[1]
        entropy[start : start + len(part)] = -(share * np.log2(np.maximum(share, 1e-12))).sum(1)
    return found, entropy


def _odd(
    subject: Subject, kind: _Kind, score: NDArray[np.float32], chosen: NDArray[np.bool_], detail: str
) -> Iterator[Issue]:
    """The chosen images by their score, the lowest first; none where they are not the exception."""
    rows = np.flatnonzero(chosen)
    if not 0 < len(rows) <= max(NATURE_SHARE * len(chosen), min(ALWAYS, len(chosen) / 4)):
        return
    rows = rows[np.argsort(score[rows], kind="stable")]
    examples = tuple(Example(subject.name_of(row), row, detail.format(score[row])) for row in rows.tolist())
    yield Issue(kind.code, "note", f"{images(len(rows), 'are')} {kind.what}", kind.why, kind.fix, len(rows), examples)


def _shapes(subject: Subject) -> Iterator[Issue]:
    short, long = subject.sizes.min(1), subject.sizes.max(1)
    aspect = (short / np.maximum(long, 1)).astype(np.float32)
    yield from _odd(subject, ASPECT_KIND, aspect, aspect < ODD_ASPECT, "{:.2f} as wide as long")
    tiny = short < TINY_SHARE * np.median(short)
    yield from _odd(subject, TINY_KIND, short.astype(np.float32), tiny, "{:.0f} pixels")
    size = np.sqrt(subject.sizes.prod(1, dtype=np.float64))
    low, high = np.percentile(size, (25, 75))
    reach = ODD_SIZE_RANGES * (high - low)
    odd = (size < low - reach) | (size > high + reach)
    away = -np.abs(size - np.median(size)).astype(np.float32)
    yield from _odd(subject, SIZE_KIND, away, odd & ~tiny, "")


def _constant(subject: Subject) -> Iterator[Issue]:
    rows = np.flatnonzero(subject.constant).tolist()
    if rows:
        yield Issue(
            "constant",
            "warning",
            f"{images(len(rows), 'are')} of one colour all over",
            "There is nothing to see in them, and a network learns that nothing is of their class.",
            "Leave them out.",
            len(rows),
            _examples(subject, rows),
        )


def _colours(subject: Subject, scan: Scan) -> Iterator[Issue]:
    odd = [row for row, mode in enumerate(scan.modes.tolist()) if mode not in USUAL_MODES]
    if odd and len(odd) < len(subject):
        counts = Counter(scan.modes[odd].tolist()).most_common()
        kinds = ", ".join(f"{count:,} {mode}" for mode, count in counts)
        yield Issue(
            "odd-mode",
            "note",
            f"{images(len(odd))} of another colour mode than the others: {kinds}",
            "They become RGB here; other tools may read them otherwise (transparency, palettes, ink, 16 bits).",
            "Convert them to RGB where other tools are to read them.",
            len(odd),
            tuple(Example(subject.name_of(row), row, str(scan.modes[row])) for row in odd),
        )
    if scan.thumbnails.shape[-1] == 3:
        grey = np.concatenate(
            [
                (part == part[..., :1]).all((1, 2, 3))
                for part in np.array_split(scan.thumbnails, len(subject) // 1024 + 1)
            ]
        )
        rows = np.flatnonzero(grey & ~subject.constant).tolist()
        if 0 < len(rows) < len(subject) / 2:
            yield Issue(
                "grey",
                "note",
                f"{images(len(rows))} grey among colour images",
                "If one class has more of them, a network may learn the camera and not the thing.",
                "Nothing, if all classes have as many; else make all grey or replace them.",
                len(rows),
                _examples(subject, rows),
            )


def _rotated(subject: Subject, scan: Scan) -> Iterator[Issue]:
    rows = np.flatnonzero(scan.orientation != UPRIGHT).tolist()
    if rows:
        yield Issue(
            "rotated",
            "note",
            f"{images(len(rows), 'are')} stored turned, with a note (EXIF) of how to turn it upright",
            "They are turned upright here; tools that ignore the note see them on their side.",
            "Nothing here; store them upright where other tools are to read them.",
            len(rows),
            tuple(Example(subject.name_of(row), row, f"orientation {scan.orientation[row]}") for row in rows),
        )


def _examples(subject: Subject, rows: Sequence[int]) -> tuple[Example, ...]:
    return tuple(Example(subject.name_of(row), row) for row in rows)
