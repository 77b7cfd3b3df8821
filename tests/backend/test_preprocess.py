from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from PIL import Image

from convsmith.backend.preprocess import PreprocessModule, centre_crop, resize
from convsmith.errors import UsageError
from convsmith.network.preprocess import Interpolation, Order, Preprocess

IMAGENET = Preprocess(3, (224, 224), 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(noise(9, 9, 3)).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(40, 31), (120, 200)])
def test_resize_is_pillows_up_to_its_rounding(mode: Interpolation, size: tuple[int, int]) -> None:
    image = smooth(77, 91)
    resampling = Image.Resampling[mode.upper()]
    pillow = np.asarray(Image.fromarray(image).resize(size[::-1], resampling)).astype(np.float32)
    ours = resize(torch.from_numpy(image).permute(2, 0, 1)[None].float(), size, mode)[0].permute(1, 2, 0).numpy()
    # Pillow rounds to whole numbers, and cuts at 0 and 255, after each of its two passes.
    np.testing.assert_allclose(ours, pillow, atol=0 if mode == "nearest" else 1.5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 64), st.sampled_from([1, 3]))
def test_every_size_of_image_comes_out_at_the_crops_size(height: int, width: int, side: int, channels: int) -> None:
    preprocess = Preprocess(channels, (side, side), side + 3, (0.5,) * channels, (0.5,) * channels)
    out = PreprocessModule(preprocess)(torch.from_numpy(noise(height, width, 3)))
    assert out.shape == (1, channels, side, side)
    assert out.dtype == torch.float32
    assert out.abs().max() <= 1 + 1e-5


def test_a_batch_gives_what_its_images_give_one_by_one() -> None:
    images = torch.from_numpy(noise(4, 60, 50, 3))
    module = PreprocessModule(Preprocess(1, (24, 24), 30, (0.4,), (0.3,)))
    torch.testing.assert_close(module(images), torch.cat([module(image) for image in images]), rtol=0, atol=1e-5)


def test_images_of_the_right_size_are_only_normalized() -> None:
    image = noise(224, 224, 3)
    module = PreprocessModule(Preprocess(3, (224, 224), (224, 224), IMAGENET.mean, IMAGENET.std))
    expected = (image / 255 - np.array(IMAGENET.mean)) / np.array(IMAGENET.std)
    np.testing.assert_allclose(module(torch.from_numpy(image))[0].permute(1, 2, 0), expected, atol=1e-5)


def test_one_channel_is_pillows_luma_before_rounding() -> None:
    image = smooth(20, 30)
    module = PreprocessModule(Preprocess(1, (20, 30), (20, 30), (0.0,), (1 / 255,)))
    pillow = np.asarray(Image.fromarray(image).convert("L")).astype(np.float32)
    np.testing.assert_allclose(module(torch.from_numpy(image))[0, 0], pillow, atol=0.51)


def test_a_grey_array_and_its_rgb_copy_give_the_same() -> None:
    grey = torch.from_numpy(noise(2, 28, 28, 1))
    for channels in (1, 3):
        module = PreprocessModule(Preprocess(channels, (28, 28), (28, 28), (0.5,) * channels, (0.5,) * channels))
        torch.testing.assert_close(module(grey), module(grey.expand(-1, -1, -1, 3)), rtol=0, atol=1e-5)


def test_blue_comes_first_where_the_description_says_so() -> None:
    image = torch.from_numpy(noise(30, 40, 3))
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    blue_first = PreprocessModule(Preprocess(3, (20, 20), 24, mean, std, order="BGR"))
    red_first = PreprocessModule(Preprocess(3, (20, 20), 24, mean[::-1], std[::-1]))
    torch.testing.assert_close(blue_first(image), red_first(image).flip(1), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("have", "first"), [(10, 3), (11, 4), (9, 2), (13, 4)])
def test_half_a_pixel_is_rounded_to_the_even_side(have: int, first: int) -> None:
    row = torch.arange(have, dtype=torch.float32).expand(1, 1, 4, have)
    assert centre_crop(row, (4, 4))[0, 0, 0, 0] == first


def test_a_crop_larger_than_the_resize_is_refused() -> None:
    with pytest.raises(UsageError, match="resize must be at least the crop"):
        PreprocessModule(Preprocess(3, (224, 224), 200, IMAGENET.mean, IMAGENET.std))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(4, 64), st.sampled_from([1, 3]))
def test_padded_pictures_keep_their_proportions_and_stand_in_the_middle(
    height: int, width: int, side: int, channels: int
) -> None:
    mean = (0.25,) * channels
    preprocess = Preprocess(channels, (side, side), (side, side), mean, (1.0,) * channels, pad=(0.25,) * 3)
    picture = PreprocessModule(preprocess)(torch.full((height, width, 3), 255, dtype=torch.uint8))[0, 0] > 0.5
    rows, columns = picture.any(dim=1).nonzero().flatten(), picture.any(dim=0).nonzero().flatten()
    assert max(len(rows), len(columns)) == side
    assert abs(len(rows) * width - len(columns) * height) < max(height, width)  # within a pixel of the proportions
    assert int(rows[0]) == (side - len(rows)) // 2
    assert int(columns[0]) == (side - len(columns)) // 2
    assert int(picture.sum()) == len(rows) * len(columns)


@pytest.mark.parametrize(("channels", "order"), [(1, "RGB"), (3, "RGB"), (3, "BGR")])
def test_the_ground_is_the_colour_that_is_given(channels: int, order: Order) -> None:
    colour = (0.2, 0.4, 0.8)
    zero, one = (0.0,) * channels, (1.0,) * channels
    preprocess = Preprocess(channels, (8, 8), (8, 8), zero, one, order=order, pad=colour)
    corner = PreprocessModule(preprocess)(torch.zeros(8, 2, 3, dtype=torch.uint8))[0, :, 0, 0].tolist()
    grey = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.8
    assert corner == pytest.approx([grey] if channels == 1 else colour if order == "RGB" else colour[::-1], abs=1e-6)


def test_a_padded_picture_is_cropped_like_any_other() -> None:
    image = torch.from_numpy(noise(30, 60, 3))
    whole = Preprocess(3, (40, 40), (40, 40), (0.0,) * 3, (1.0,) * 3, pad=(0.5,) * 3)
    middle = PreprocessModule(replace(whole, crop=(32, 32)))(image)
    torch.testing.assert_close(middle, PreprocessModule(whole)(image)[..., 4:36, 4:36])


def test_squashed_pictures_are_seen_whole() -> None:
    image = noise(60, 300, 3)
    squashed = PreprocessModule(IMAGENET.framed("squash"))(torch.from_numpy(image))
    exact = Preprocess(3, (224, 224), (224, 224), IMAGENET.mean, IMAGENET.std)
    torch.testing.assert_close(squashed, PreprocessModule(exact)(torch.from_numpy(image)))


def test_a_mean_for_another_number_of_channels_is_refused() -> None:
    with pytest.raises(UsageError, match="each of 1 channels"):
        PreprocessModule(Preprocess(1, (8, 8), 8, IMAGENET.mean, IMAGENET.std))


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_images_that_become_one_pixel_wide_are_resized_as_high_ones_are(mode: Interpolation, width: int) -> None:
    image = torch.from_numpy(noise(1, 3, 40, width)).float()
    across = resize(image.transpose(2, 3), (1, 12), mode).transpose(2, 3)
    torch.testing.assert_close(resize(image, (12, 1), mode), across)
    assert len(across[0, 0].unique()) > 9
