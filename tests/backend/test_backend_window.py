"""The window of a resized image is the one of torch's own resize, and costs no more than itself."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings, strategies as st

from convsmith.backend.preprocess import PreprocessModule
from convsmith.backend.window import resize_window
from convsmith.network.preprocess import Interpolation, Preprocess

side = st.integers(1, 70)


@settings(max_examples=80, deadline=None)
@given(side, side, side, side, st.sampled_from(["bilinear", "bicubic"]), st.data())
def test_a_window_is_that_of_the_whole(
    height: int, width: int, high: int, wide: int, interpolation: Interpolation, data: st.DataObject
) -> None:
    images = 255 * torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(height * 100 + width))
    whole = F.interpolate(images, size=(high, wide), mode=interpolation, antialias=True, align_corners=False)
    top, left = data.draw(st.integers(0, high - 1)), data.draw(st.integers(0, wide - 1))
    rows, columns = data.draw(st.integers(1, high - top)), data.draw(st.integers(1, wide - left))
    window = resize_window(images, (high, wide), (top, left, rows, columns), interpolation)
    torch.testing.assert_close(window, whole[:, :, top : top + rows, left : left + columns], rtol=0, atol=2e-3)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(1, 6000), (6000, 1), (3, 2_000_000), (20, 190)])
def test_a_long_picture_costs_what_is_kept_of_it(size: tuple[int, int], interpolation: Interpolation) -> None:
    preprocess = Preprocess(3, (128, 128), 146, (0.5,) * 3, (0.25,) * 3, interpolation)
    image = torch.randint(0, 256, (*size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    out = PreprocessModule(preprocess)(image)
    assert out.shape == (1, 3, 128, 128)
    assert bool(out.isfinite().all())
    if max(size) < 200:
        floats = image.permute(2, 0, 1)[None].float()
        whole = F.interpolate(floats, preprocess.resized(*size), mode=interpolation, antialias=True)
        left = round((whole.shape[3] - 128) / 2)
        expected = (whole[:, :, 9:137, left : left + 128].clamp(0, 255) / 255 - 0.5) / 0.25
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-3)
