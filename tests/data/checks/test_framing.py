"""Which framing is chosen, for pictures whose class shows in one place or another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from convsmith.data import Dataset, open_dataset
from convsmith.data.checks.framing import framing_for, seen_share
from convsmith.network.preprocess import Framing, Preprocess

Draw = Callable[[NDArray[np.uint8], int, np.random.Generator], None]
COLOURS = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [200, 200, 30]], np.uint8)


def nothing(image: NDArray[np.uint8], label: int, generator: np.random.Generator) -> None:
    """Noise alone."""


def left_colour(image: NDArray[np.uint8], label: int, generator: np.random.Generator) -> None:
    image[:, : image.shape[1] // 8] = COLOURS[label]


def top_colour(image: NDArray[np.uint8], label: int, generator: np.random.Generator) -> None:
    image[: image.shape[0] // 6] = COLOURS[label]


def right_shape(image: NDArray[np.uint8], label: int, generator: np.random.Generator) -> None:
    """A diamond, disc, square or cross somewhere at the right end."""
    down, across = np.mgrid[:40, :40] - 20
    shapes = (
        abs(down) + abs(across) < 18,
        down**2 + across**2 < 18**2,
        (abs(down) < 16) & (abs(across) < 16),
        (abs(down) < 5) | (abs(across) < 5),
    )
    top, right = generator.integers(0, 20), generator.integers(40, 60)
    image //= 3
    image[top : top + 40, -right : image.shape[1] - right + 40][shapes[label]] = 220


def middle_colour(image: NDArray[np.uint8], label: int, generator: np.random.Generator) -> None:
    height, width = image.shape[:2]
    image[height // 2 - 15 : height // 2 + 15, width // 2 - 15 : width // 2 + 15] = COLOURS[label]


def data_set(draw: Draw, *sizes: tuple[int, int], count: int = 120) -> Dataset:
    """Pictures of noise in four classes, of these (height, width) in turn."""
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (*sizes[i // 4 % len(sizes)], 3), np.uint8) for i in range(count)]
    for number, image in enumerate(images):
        draw(image, number % 4, generator)
    return Dataset.from_arrays(images, np.arange(count) % 4, ("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("draw", "sizes", "framing"),
    [
        (left_colour, [(60, 300)], "squash"),
        (right_shape, [(60, 300)], "squash"),
        (top_colour, [(300, 60)], "squash"),
        (left_colour, [(60, 80)], "squash"),
        (left_colour, [(60, 300), (60, 90), (90, 300)], "pad"),
        (middle_colour, [(60, 80)], "crop"),
        (middle_colour, [(60, 80), (80, 60)], "crop"),
        (nothing, [(60, 80)], "crop"),
        (nothing, [(60, 62)], "crop"),
        (nothing, [(60, 300)], "squash"),
        (nothing, [(60, 300), (300, 60)], "pad"),
    ],
)
def test_pictures_are_seen_whole_where_their_middle_does_not_tell(
    draw: Draw, sizes: list[tuple[int, int]], framing: Framing
) -> None:
    assert framing_for(data_set(draw, *sizes)).framing == framing


def test_proportions_that_tell_the_class_are_kept() -> None:
    images = [
        np.random.default_rng(number).integers(0, 256, (60, 80 if number % 2 else 130, 3), np.uint8)
        for number in range(120)
    ]
    found = framing_for(Dataset.from_arrays(images, np.arange(120) % 2))
    assert found.framing == "pad"
    assert found.told["pad"] == 1


def test_the_reason_says_what_was_measured() -> None:
    reason = str(framing_for(data_set(left_colour, (60, 300))))
    assert "the middle square is 20% of a picture" in reason
    assert "and of 100% of squashed ones" in reason


def test_square_pictures_ask_for_no_thumbnails() -> None:
    found = framing_for(open_dataset("fashion-mini"))
    assert (found.framing, found.told) == ("crop", {})


@pytest.mark.parametrize(
    ("size", "resize", "share"), [((60, 300), 48, 0.2), ((300, 400), 48, 0.75), ((28, 28), 48, 1.0)]
)
def test_how_much_the_network_sees_of_pictures(size: tuple[int, int], resize: int, share: float) -> None:
    preprocess = Preprocess(3, (48, 48), resize, (0.5,) * 3, (1.0,) * 3)
    made = data_set(nothing, size)
    assert seen_share(made, preprocess) == pytest.approx(share, abs=0.01)
    assert seen_share(made, preprocess.framed("squash")) == seen_share(made, preprocess.framed("pad")) == 1
