from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from convsmith.data.decode.jpeg import plain_jpeg

MOST = 10**6


def jpeg(height: int, width: int, mode: str, **options: object) -> bytes:
    small = np.random.default_rng(height * 1000 + width).integers(
        0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8
    )
    stream = BytesIO()
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(
        stream, "JPEG", **options
    )
    return stream.getvalue()


@given(
    st.integers(1, 130),
    st.integers(1, 130),
    st.sampled_from(["RGB", "L"]),
    st.integers(5, 100),
    st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
    st.booleans(),
    st.sampled_from([1, 2, 4, 8]),
)
def test_pixels_are_pillows_to_the_bit(
    height: int, width: int, mode: str, quality: int, subsampling: str, progressive: bool, scale: int
) -> None:
    data = jpeg(height, width, mode, quality=quality, subsampling=subsampling, progressive=progressive)
    wanted = (max(1, height // scale), max(1, width // scale))
    with Image.open(BytesIO(data)) as image:
        image.draft(None, wanted[::-1])
        expected = np.asarray(image.convert("RGB"))
    plain = plain_jpeg(data, MOST)
    assert plain is not None
    assert (plain.height, plain.width, plain.grey) == (height, width, mode == "L")
    pixels = plain.pixels(wanted)
    assert pixels is not None
    assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain = plain_jpeg(jpeg(20, 40, "RGB", exif=exif), MOST)
    assert plain is not None
    assert (plain.height, plain.width) == ((20, 40) if orientation < 5 else (40, 20))
    pixels = plain.pixels()
    assert pixels is not None
    assert pixels.shape == (plain.height, plain.width, 3)


def test_what_is_not_plain_is_left_to_pillow(tmp_path: Path) -> None:
    stream = BytesIO()
    Image.new("CMYK", (8, 8)).save(stream, "JPEG")
    whole = jpeg(64, 64, "RGB")
    assert plain_jpeg(stream.getvalue(), MOST) is None
    assert plain_jpeg(b"\x89PNG", MOST) is None
    assert plain_jpeg(whole, 64 * 63) is None
    assert plain_jpeg(tmp_path, MOST) is None
    assert plain_jpeg(tmp_path / "missing.jpg", MOST) is None
    cut_off = plain_jpeg(whole[:-200], MOST)
    assert cut_off is not None
    assert cut_off.pixels() is None


def test_a_file_is_read_as_its_bytes_are(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(jpeg(30, 50, "RGB"))
    plain = plain_jpeg(path, MOST)
    assert plain is not None
    assert plain.content == path.read_bytes()
