"""Whether there is anything to be seen in the images, and how to decode them so that there is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convsmith.data.checks.examine import Examination
from convsmith.data.dataset import Finding
from convsmith.data.decode.check import MANY_COLOURS
from convsmith.data.decode.decoding import BLACK, GROUNDS, MIDDLE, USUAL, WHITE, Decoding
from convsmith.errors import DataError

EMPTY_SHARE = 0.1
"""Of the images: more than these must be empty on white before transparency is put on another ground."""

MOST_STRETCHED_BITS = 14
"""Cameras and scanners write 10, 12 or 14 bits into 16-bit files; 15 is a dark picture."""

GROUND_NAMES = {WHITE: "white", BLACK: "black", MIDDLE: "grey"}


def decoding_for(found: Examination, rows: NDArray[np.int64], where: str) -> tuple[Decoding, tuple[Finding, ...]]:
    """The decoding in which the images at `rows` show the most, and a line on each choice that is not the usual one."""
    ground, notes = _ground(found.shown[rows]), []
    bits, stretched = bits_for(int(found.peak[rows].max()))
    if ground != USUAL.ground:
        empty = int((~_shown_on(found.shown[rows], USUAL.ground)).sum())
        reason = f"{empty:,} images show nothing on white, so transparent images are put on {GROUND_NAMES[ground]}"
        notes.append(Finding(where, reason))
    if stretched:
        notes.append(Finding(where, stretched))
    return Decoding(ground, bits), tuple(notes)


def bits_for(peak: int) -> tuple[int, str]:
    """How many bits 16-bit images use whose highest value is `peak`, and a line on it if it is not the usual number."""
    bits = max(8, peak.bit_length())
    if not peak or bits > MOST_STRETCHED_BITS:
        return USUAL.bits, ""
    highest = Decoding(bits=bits).highest
    return bits, f"16-bit values only reach {peak:,}, so 0 to {highest:,} ({bits} bits) becomes 0 to 255"


def check_visible(found: Examination, rows: NDArray[np.int64], decoding: Decoding, where: str) -> None:
    """Raises DataError if all pixels of all images are the same."""
    colours = np.where(_shown_on(found.shown[rows], decoding.ground), MANY_COLOURS, found.colour[rows])
    if decoding.bits != USUAL.bits:
        colours = np.where(found.peak[rows] > 0, MANY_COLOURS, colours)
    if colours[0] != MANY_COLOURS and (colours == colours[0]).all():
        raise DataError(
            f"{where}: every pixel of every image is #{int(colours[0]):06x}; there is nothing to learn from"
        )


def _ground(shown: NDArray[np.uint8]) -> int:
    """White unless many images are empty on it, and less than half as many on another ground."""
    empty = {ground: int((~_shown_on(shown, ground)).sum()) for ground in GROUNDS}
    best = min(GROUNDS, key=lambda ground: empty[ground])
    many = empty[WHITE] > EMPTY_SHARE * len(shown)
    return best if many and 2 * empty[best] < empty[WHITE] else WHITE


def _shown_on(shown: NDArray[np.uint8], ground: int) -> NDArray[np.bool_]:
    """Whether anything is to be seen on one of `GROUNDS`; on another, as on the usual one."""
    place = GROUNDS.index(ground) if ground in GROUNDS else 0
    return (shown & (1 << place)) > 0
