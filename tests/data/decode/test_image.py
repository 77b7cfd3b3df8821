import os
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray
from PIL import Image

from convsmith.data.decode.check import check_image
from convsmith.data.decode.exif import TRANSPOSE
from convsmith.data.decode.image import (
    FORMATS,
    MAX_PIXELS,
    Box,
    UnreadableError,
    decode,
    decode_crop,
)
from convsmith.errors import DataError

GRADIENT = np.stack(np.meshgrid(np.arange(40) * 6, np.arange(30) * 8), axis=-1).astype(np.uint8)
PHOTO = np.concatenate([GRADIENT, GRADIENT[..., :1] // 2], axis=2)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A valid PNG of any claimed size with next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_formats_give_the_pixels_that_were_saved(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    assert np.array_equal(decode(encoded(Image.fromarray(PHOTO), format, **options)), PHOTO)


@pytest.mark.parametrize("format", ["JPEG", "AVIF"])
def test_lossy_formats_give_nearly_the_pixels_that_were_saved(format: str) -> None:
    pixels = decode(encoded(Image.fromarray(PHOTO), format, quality=95, subsampling="4:4:4"))
    assert np.abs(pixels.astype(int) - PHOTO).mean() < 3


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode(data) == (255, 0, 0)).all()


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_becomes_three_equal_channels(mode: str) -> None:
    image = Image.fromarray(GRADIENT[..., 0]).convert(mode)
    pixels = decode(encoded(image, "PNG"))
    assert np.array_equal(pixels, np.repeat(np.asarray(image.convert("L"))[..., None], 3, axis=2))


def test_a_palette_becomes_its_colours() -> None:
    image = Image.fromarray(PHOTO).quantize(16)
    assert np.array_equal(decode(encoded(image, "PNG")), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_transparency_is_composited_on_white(alpha: int) -> None:
    rgba = np.dstack([PHOTO, np.full(PHOTO.shape[:2], alpha, np.uint8)])
    expected = (PHOTO * (alpha / 255) + 255 * (1 - alpha / 255)).round()
    assert np.abs(decode(encoded(Image.fromarray(rgba), "PNG")) - expected).max() <= 1


def test_grey_with_alpha_is_composited_on_white() -> None:
    image = Image.merge("LA", (Image.new("L", (4, 4), 10), Image.new("L", (4, 4), 0)))
    assert (decode(encoded(image, "PNG")) == 255).all()


def test_the_transparent_colour_of_a_palette_is_white() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    assert (decode(encoded(image, "PNG")) == (200, 0, 0)).all()
    assert (decode(encoded(image, "PNG", transparency=1)) == 255).all()


def test_cmyk_becomes_rgb_by_the_plain_formula() -> None:
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255], [100, 50, 0, 30]]], np.uint8)
    expected = (255 - inks[..., :3].astype(float)) * (255 - inks[..., 3:]) / 255
    pixels = decode(encoded(Image.fromarray(inks, "CMYK"), "TIFF"))
    assert np.abs(pixels - expected).max() <= 1


def test_16_bit_grey_is_scaled_rather_than_clipped() -> None:
    values = np.array([[0, 128, 257, 32768, 65535]], np.uint16)
    assert decode(encoded(Image.fromarray(values), "PNG"))[0, :, 0].tolist() == [0, 0, 1, 128, 255]
    assert decode(encoded(Image.fromarray(values.astype(np.int32)), "TIFF"))[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_floats_of_0_to_1_are_scaled_and_others_refused() -> None:
    def tiff(*values: float) -> bytes:
        return encoded(Image.fromarray(np.array([values], np.float32)), "TIFF")

    assert decode(tiff(0, 0.5, 1))[0, :, 0].tolist() == [0, 128, 255]
    for values in ((0, 200.0), (-0.5, 1), (float("nan"), 1)):
        with pytest.raises(DataError, match="grey values beyond 0 to 1"):
            decode(tiff(*values))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    turned = Image.fromarray(PHOTO)
    if orientation in TRANSPOSE:
        turned = turned.transpose(undo.get(orientation, TRANSPOSE[orientation]))
    assert np.array_equal(decode(encoded(turned, "PNG", exif=exif)), PHOTO)


def test_unknown_orientations_and_broken_exif_leave_the_image_as_it_is() -> None:
    exif = Image.Exif()
    exif[0x0112] = 99
    assert np.array_equal(decode(encoded(Image.fromarray(PHOTO), "PNG", exif=exif)), PHOTO)
    damaged = encoded(Image.fromarray(PHOTO), "PNG", exif=b"Exif\0\0II*\0\xff\xff")
    assert np.array_equal(decode(damaged), PHOTO)


@pytest.mark.parametrize(("wanted", "got"), [((10, 10), (38, 50)), ((60, 90), (75, 100)), ((301, 1), (300, 400))])
def test_a_jpeg_is_reduced_to_no_less_than_what_is_asked(wanted: tuple[int, int], got: tuple[int, int]) -> None:
    data = encoded(Image.fromarray(PHOTO).resize((400, 300)), "JPEG")
    assert decode(data, wanted).shape == (*got, 3)


def test_a_turned_jpeg_is_reduced_by_its_upright_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (400, 100)), "JPEG", exif=exif)
    assert decode(data, (200, 50)).shape == (200, 50, 3)
    assert check_image(data)[:2] == (400, 100)


PICTURE = Image.fromarray(PHOTO).resize((400, 300))
WHOLE = np.asarray(PICTURE)


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_part_is_that_of_the_whole_image(format: str) -> None:
    data = encoded(PICTURE, format)
    seen = []

    def choose(height: int, width: int) -> Box:
        seen.append((height, width))
        return Box(31, 17, 100, 90)

    assert np.array_equal(decode_crop(data, choose, (80, 80)), decode(data)[31:131, 17:107])
    assert seen == [(300, 400)]


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_part_of_a_jpeg_comes_reduced_where_it_is_still_large_enough(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = PICTURE if orientation == 1 else PICTURE.transpose(Image.Transpose.ROTATE_90)
    data = encoded(stored, "JPEG", exif=exif, quality=95)
    part = decode_crop(data, lambda height, width: Box(100, 200, 160, 120), (40, 30))
    assert part.shape == (40, 30, 3)
    small = np.asarray(Image.fromarray(WHOLE[100:260, 200:320]).resize((30, 40), Image.Resampling.BOX)).astype(int)
    assert np.abs(part - small).mean() < 6


def test_other_formats_come_in_full() -> None:
    assert decode(encoded(Image.fromarray(PHOTO), "PNG"), (2, 2)).shape == PHOTO.shape


@pytest.mark.parametrize("check", [decode, check_image])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM"])
def test_a_truncated_file_is_an_error(format: str, check: object) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), format)
    assert callable(check)
    with pytest.raises(DataError, match="image: "):
        check(data[: len(data) * 2 // 3])


def test_files_that_are_no_images_are_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, data in {
        "empty.jpg": b"",
        "text.jpg": b"hello there, not a picture",
        "eps.jpg": b"%!PS-Adobe-3.0",
    }.items():
        (tmp_path / name).write_bytes(data)
    for name, reason in {
        "folder.jpg": "a folder, not an image",
        "loop.jpg": "Too many levels of symbolic links",
        "pipe.jpg": "not a regular file",
        "empty.jpg": "empty file",
        "text.jpg": f"not an image of a known format ({', '.join(FORMATS)})",
        "eps.jpg": "a PostScript file",
        "missing.jpg": "No such file or directory",
    }.items():
        with pytest.raises(UnreadableError) as caught:
            decode(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {reason}"


@pytest.mark.parametrize("size", [(8001, 8001), (12_000, 12_000), (1 << 30, 1 << 30), (MAX_PIXELS + 1, 1)])
def test_a_decompression_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="pixels; at most 64,000,000 are read"):
            decode(png_header(*size))


def test_a_bomb_inside_a_small_image_is_refused() -> None:
    canvas = bytearray(encoded(Image.new("L", (8, 8)), "GIF"))
    frame = canvas.index(b"\x2c\0\0\0\0\x08\0\x08\0")
    canvas[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(DataError, match=r"damaged image .*4294836225 pixels"):
        decode(bytes(canvas))


def test_what_the_avif_decoder_finds_is_an_error_of_its_own_kind() -> None:
    data = encoded(Image.fromarray(PHOTO), "AVIF")
    for place in (data.index(b"iloc") + 16, len(data) - len(data) // 4):
        with pytest.raises(DataError, match=r"image: damaged image \(Failed to decode"):
            decode(data[:place] + b"\xff\0\xff\0" + data[place + 4 :])


SOUND = [encoded(Image.fromarray(PHOTO), kind) for kind in FORMATS]


@given(st.sampled_from(SOUND), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8))
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_decodes_or_is_an_error_of_one_line(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        pixels: NDArray[np.uint8] = decode(bytes(damaged))
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3
    except DataError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_an_error(data: bytes) -> None:
    try:
        check_image(data)
    except DataError as error:
        assert str(error).startswith("image: ")


def test_a_check_tells_size_and_colour_without_being_fooled_by_the_reduced_scale() -> None:
    grey = Image.fromarray(GRADIENT[..., 0])
    assert check_image(encoded(grey, "JPEG"))[:3] == (30, 40, True)
    assert check_image(encoded(grey.convert("RGB"), "JPEG"))[:3] == (30, 40, True)
    assert check_image(encoded(grey.convert("RGB"), "PNG"))[:3] == (30, 40, True)
    one_pixel = Image.new("RGB", (64, 64), "grey")
    one_pixel.putpixel((33, 33), (128, 128, 129))
    assert check_image(encoded(one_pixel, "PNG"))[:3] == (64, 64, False)
    fine = np.zeros((64, 64, 3), np.uint8)
    fine[::2, ::2, 0] = fine[1::2, 1::2, 1] = 255
    fine[..., 2] = 128
    assert check_image(encoded(Image.fromarray(fine), "JPEG", quality=95, subsampling="4:4:4"))[:3] == (64, 64, False)
