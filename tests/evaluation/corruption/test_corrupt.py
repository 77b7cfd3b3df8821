"""The common corruptions: the same for a seed, stronger by severity, of any size; a few by another arithmetic."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image
from skimage import color, data

from convsmith.errors import UnknownNameError, UsageError
from convsmith.evaluation.corruption.corrupt import CORRUPTIONS, SEVERITIES, corrupt
from convsmith.evaluation.corruption.weather import plasma

PHOTO = np.asarray(Image.fromarray(data.astronaut()).resize((224, 224), Image.Resampling.BILINEAR))
SMALL = np.asarray(Image.fromarray(PHOTO).resize((28, 28), Image.Resampling.BOX).convert("L"))[..., None]


def change(image: np.ndarray, name: str, severity: int) -> float:
    """How far pixels are from what they were, on average."""
    return float(np.abs(corrupt(image, name, severity).astype(float) - image).mean())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_severity_changes_more_and_the_same_seed_gives_the_same(name: str) -> None:
    changes = [change(PHOTO, name, severity) for severity in SEVERITIES]
    assert changes[0] > 0.5
    # Glass blur's parameters are not ordered by how far pixels are from where they were, and fog's cloud is drawn anew.
    slack = {"glass_blur": 0.6, "fog": 0.8, "snow": 0.8, "motion_blur": 0.8}.get(name, 0.99)
    assert all(later > slack * earlier for earlier, later in pairwise(changes))
    assert changes[-1] > changes[0]
    assert np.array_equal(corrupt(PHOTO, name, 3, row=7), corrupt(PHOTO, name, 3, row=7))


@pytest.mark.parametrize("name", ["gaussian_noise", "snow", "glass_blur", "elastic_transform", "motion_blur", "fog"])
def test_rows_and_seeds_draw_their_own(name: str) -> None:
    one = corrupt(PHOTO, name, 3, row=1)
    assert not np.array_equal(one, corrupt(PHOTO, name, 3, row=2))
    assert not np.array_equal(one, corrupt(PHOTO, name, 3, row=1, seed=1))


@given(st.sampled_from(sorted(CORRUPTIONS)), st.sampled_from(SEVERITIES), st.integers(1, 40), st.integers(1, 40))
def test_any_size_grey_or_colour_comes_back_as_it_was(name: str, severity: int, height: int, width: int) -> None:
    for channels in (1, 3):
        image = np.random.default_rng(height).integers(0, 256, (height, width, channels), np.uint8)
        found = corrupt(image, name, severity)
        assert (found.shape, found.dtype) == (image.shape, np.uint8)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_pictures_are_no_trap(name: str, value: int) -> None:
    image = np.full((20, 24, 3), value, np.uint8)
    assert corrupt(image, name, 5).shape == image.shape


def test_noise_has_the_deviation_of_the_paper() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = corrupt(grey, "gaussian_noise", 1).astype(float) - 128
    assert noise.std() == pytest.approx(0.08 * 255, rel=0.02)
    shot = corrupt(grey, "shot_noise", 1).astype(float)
    assert shot.std() == pytest.approx(np.sqrt(128 / 255 / 60) * 255, rel=0.02)  # of a Poisson count, its root
    hit = corrupt(grey, "impulse_noise", 5)
    assert np.mean(hit != 128) == pytest.approx(0.27, abs=0.01)
    assert np.mean(hit == 255) == pytest.approx(0.135, abs=0.01)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_brightness_is_scikit_images_hsv(severity: int) -> None:
    hsv = color.rgb2hsv(PHOTO / 255)
    hsv[..., 2] = np.clip(hsv[..., 2] + 0.1 * severity, 0, 1)
    expected = 255 * color.hsv2rgb(hsv)
    assert np.abs(corrupt(PHOTO, "brightness", severity) - expected).max() <= 1


def test_contrast_jpeg_and_pixels_are_numpys_and_pillows() -> None:
    floats = PHOTO / 255
    mean = floats.mean(axis=(0, 1))
    assert np.abs(corrupt(PHOTO, "contrast", 3) - 255 * ((floats - mean) * 0.2 + mean)).max() <= 1
    stream = io.BytesIO()
    Image.fromarray(PHOTO).save(stream, "JPEG", quality=10)
    assert np.array_equal(corrupt(PHOTO, "jpeg_compression", 4), np.asarray(Image.open(stream)))
    blocks = corrupt(PHOTO, "pixelate", 5)
    assert np.array_equal(blocks[:4, :4], np.broadcast_to(blocks[0, 0], (4, 4, 3)))
    assert blocks[0, 0].tolist() == pytest.approx(PHOTO[:4, :4].mean(axis=(0, 1)).tolist(), abs=1)


def test_a_defocused_point_is_a_disk_of_the_same_light() -> None:
    point = np.zeros((61, 61, 1), np.uint8)
    point[30, 30] = 255
    large = np.kron(point, np.ones((4, 4, 1), np.uint8))[:224, :224]
    found = corrupt(large, "defocus_blur", 5).astype(float)
    assert found.sum() == pytest.approx(large.sum(), rel=0.03)
    rows, columns, _ = np.nonzero(found)
    assert np.hypot(rows - 121.5, columns - 121.5).max() == pytest.approx(10 + 2.1, abs=1.5)


def test_a_moved_point_is_a_line_and_a_zoomed_picture_keeps_its_middle() -> None:
    point = np.zeros((224, 224, 1), np.uint8)
    point[108:116, 108:116] = 255
    rows, columns, _ = np.nonzero(corrupt(point, "motion_blur", 1) > 3)
    assert np.ptp(columns) > np.ptp(rows)
    zoomed = corrupt(PHOTO, "zoom_blur", 5).astype(float)
    away = np.abs(zoomed - PHOTO).mean(axis=2)
    assert away[104:120, 104:120].mean() < away[:40, :40].mean() + away[-40:, -40:].mean()


def test_a_cloud_is_a_fractal_from_0_to_1() -> None:
    rough, smooth = (plasma(100, decay, np.random.default_rng(0)) for decay in (1.4, 2.5))
    assert rough.shape == (128, 128)
    assert (rough.min(), rough.max()) == (0, 1)
    assert np.abs(np.diff(smooth, axis=0)).mean() < np.abs(np.diff(rough, axis=0)).mean()


def test_lengths_are_in_proportion_to_the_picture() -> None:
    large, small = (
        change(image, "defocus_blur", 5)
        for image in (np.asarray(Image.fromarray(PHOTO).convert("L"))[..., None], SMALL)
    )
    assert small == pytest.approx(large, rel=0.5)


def test_unknown_names_and_severities_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="corruption"):
        corrupt(PHOTO, "frost", 1)
    with pytest.raises(UsageError, match="must be from 1 to 5, not 6"):
        corrupt(PHOTO, "fog", 6)
