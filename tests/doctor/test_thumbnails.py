"""Thumbnails of every kind of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convsmith.data.given import images_of
from convsmith.doctor import thumbnails as module
from convsmith.doctor.thumbnails import thumbnails
from convsmith.errors import DataError


def test_a_grey_set_has_one_channel_and_a_coloured_one_three() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (5, 40, 30), np.uint8)
    assert thumbnails(images_of(grey)).shape == (5, 32, 32, 1)
    assert thumbnails(images_of(np.stack([grey, grey, grey // 2], axis=-1))).shape == (5, 32, 32, 3)


def test_thumbnails_are_of_the_rows_asked_for() -> None:
    images = images_of(np.stack([np.full((8, 8), level, np.uint8) for level in range(10)]))
    assert thumbnails(images, [7, 2])[:, 0, 0, 0].tolist() == [7, 2]


def test_many_thumbnails_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY_BYTES", 1000)
    found = module.room((2, 32, 32, 3))
    assert isinstance(found, np.memmap)
    found[:] = 9
    assert (found == 9).all()


def test_a_file_that_cannot_be_read_is_named(photo_folder: Path) -> None:
    with pytest.raises(DataError, match="truncated"):
        thumbnails(images_of(photo_folder / "cat"))
