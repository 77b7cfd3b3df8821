"""Files with a flaw that costs no pixel are used, and the flaw is told; files that lack pixels are not."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convsmith.data import open_dataset
from convsmith.data.decode.check import NO_END_MARK, TEXTS_IGNORED, check_image
from convsmith.data.decode.image import Box, decode, decode_crop
from convsmith.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def encoded(format: str, **options: object) -> bytes:
    stream = BytesIO()
    Image.fromarray(PIXELS).save(stream, format, **options)
    return stream.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_end_mark_has_all_its_pixels(missing: int, progressive: bool) -> None:
    whole = encoded("JPEG", progressive=progressive)
    assert np.array_equal(decode(whole[:-missing]), decode(whole))
    assert check_image(whole[:-missing]).note == NO_END_MARK
    assert check_image(whole).note == ""
    part = decode_crop(whole[:-missing], lambda height, width: Box(3, 4, 20, 20), (20, 20))
    assert np.array_equal(part, decode(whole)[3:23, 4:24])


@pytest.mark.parametrize("missing", [3, 10, 500])
def test_a_jpeg_that_lacks_pixels_is_still_refused(missing: int) -> None:
    with pytest.raises(DataError):
        check_image(encoded("JPEG")[:-missing])
    with pytest.raises(DataError):
        decode(encoded("JPEG")[:-missing])


def test_a_thumbnail_with_an_end_mark_of_its_own_deceives_nobody() -> None:
    exif = b"Exif\0\0MM\0*" + bytes(20) + b"\xff\xd8\xff\xd9" + bytes(8)
    whole = encoded("JPEG", exif=exif)
    assert check_image(whole[:-2]).note == NO_END_MARK


def test_bytes_after_the_end_mark_do_not_matter() -> None:
    assert check_image(encoded("JPEG") + bytes(3000)).note == ""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


LONG = zlib.compress(bytes(3_000_000))


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"Comment\0\0" + LONG),
        chunk(b"iCCP", b"profile\0\0" + LONG),
        chunk(b"iTXt", b"XML\0\1\0\0\0" + LONG),
        chunk(b"tEXt", b"Comment\0hello")[:-1] + b"?",
    ],
    ids=["text", "profile", "unicode", "checksum"],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_texts_and_profiles_of_a_png_do_not_cost_its_pixels(extra: bytes, place: str, tmp_path: Path) -> None:
    whole = encoded("PNG")
    at = 33 if place == "before" else whole.index(b"IEND") - 4
    data = whole[:at] + extra + whole[at:]
    assert np.array_equal(decode(data), PIXELS)
    (tmp_path / "x.png").write_bytes(data)
    assert np.array_equal(decode(tmp_path / "x.png"), PIXELS)
    assert np.array_equal(decode_crop(data, lambda height, width: Box(1, 2, 10, 10), (10, 10)), PIXELS[1:11, 2:12])
    assert check_image(data)[:2] == (40, 50)
    assert check_image(data).note in ("", TEXTS_IGNORED)


def test_a_png_with_texts_that_lacks_pixels_is_still_refused() -> None:
    whole = encoded("PNG")
    data = whole[:33] + chunk(b"zTXt", b"Comment\0\0" + LONG) + whole[33 : len(whole) // 2]
    with pytest.raises(DataError):
        decode(data)


def test_the_flaw_is_told_and_the_image_is_used(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(4):
            pixels = np.random.default_rng([number, *label.encode()]).integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.jpg")
    (tmp_path / "a/0.jpg").write_bytes((tmp_path / "a/0.jpg").read_bytes()[:-2])
    for _ in range(2):  # the second time from the cache
        dataset = open_dataset(tmp_path, strict=True)
        assert sum(map(len, dataset.splits.values())) == 8
        assert [str(note) for note in dataset.notes] == [f"{tmp_path / 'a/0.jpg'}: {NO_END_MARK}"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(40), "a HEIC image; convert it to JPEG or PNG"),
        (b"\xff\x0a" + bytes(40), "a JPEG XL image"),
        (b"8BPS\0\1" + bytes(40), "a Photoshop file"),
        (b"<!DOCTYPE html><html>404", "a web page, saved in place of the image"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer; get the images with: git lfs pull"),
        (b"PK\3\4" + bytes(40), "a ZIP archive; unpack it first"),
        (b'\xef\xbb\xbf  <svg xmlns="">', "an SVG drawing"),
    ],
)
def test_what_a_file_is_instead_of_an_image_is_said(content: bytes, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        check_image(content)
    assert str(caught.value) == f"image: {reason}"
