"""The description of preprocessing as a value: what is seen of a picture, framings, and JSON."""

import pytest
from hypothesis import given, strategies as st

from convsmith.network.preprocess import Framing, Preprocess

IMAGENET = Preprocess(3, (224, 224), 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
FRAMINGS: tuple[Framing, ...] = ("crop", "squash", "pad")


@pytest.mark.parametrize("framing", FRAMINGS)
def test_json_keeps_the_framing(framing: Framing) -> None:
    framed = IMAGENET.framed(framing)
    assert framed.framing == framing
    assert Preprocess.from_json(framed.to_json()) == framed


@pytest.mark.parametrize("resize", [256, [224, 224]])
def test_files_from_before_padding_are_read(resize: object) -> None:
    old = {**IMAGENET.to_json(), "resize": resize}
    del old["pad"], old["order"]
    assert Preprocess.from_json(old).framing == ("crop" if resize == 256 else "squash")


@pytest.mark.parametrize(
    ("framing", "size", "share"),
    [("crop", (60, 300), 0.153), ("crop", (300, 400), 0.574), ("squash", (60, 300), 1), ("pad", (60, 300), 1)],
)
def test_how_much_of_a_picture_is_seen(framing: Framing, size: tuple[int, int], share: float) -> None:
    assert IMAGENET.framed(framing).seen(*size) == pytest.approx(share, abs=1e-3)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 300), st.integers(1, 300))
def test_a_padded_picture_touches_two_sides_of_its_box_and_passes_none(
    height: int, width: int, rows: int, columns: int
) -> None:
    made = Preprocess(1, (rows, columns), (rows, columns), (0.5,), (0.5,), pad=(0.5,) * 3).resized(height, width)
    assert 1 <= made[0] <= rows
    assert 1 <= made[1] <= columns
    assert made[0] == rows or made[1] == columns


def test_the_ground_is_the_mean_colour_in_red_green_blue() -> None:
    assert IMAGENET.framed("pad").pad == IMAGENET.mean
    blue_first = Preprocess(3, (8, 8), 8, (0.1, 0.2, 0.3), (1, 1, 1), order="BGR")
    assert blue_first.framed("pad").pad == (0.3, 0.2, 0.1)


def test_the_same_framing_changes_nothing() -> None:
    margin = Preprocess(3, (8, 8), (10, 10), (0.5,) * 3, (1.0,) * 3, pad=(0.0,) * 3)
    assert margin.framed("pad") is margin
    assert IMAGENET.framed("crop") is IMAGENET
    assert IMAGENET.framed("squash").framed("crop").resize == 224
