"""What a file is that is not one of the images that are read: the likely kinds, by their first bytes."""

from __future__ import annotations

HEIC_BRANDS = frozenset((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"))

ZEROS = 16
"""Bytes, from which on zeros at the beginning are no format."""

KINDS = (
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "a PostScript file"),
    (b"<svg", "an SVG drawing"),
    (b"<!doctype html", "a web page, saved in place of the image"),
    (b"<html", "a web page, saved in place of the image"),
    (b"<!--", "a web page, saved in place of the image"),
    (b"<?xml", "an XML text, such as a server's error or an SVG drawing"),
    (b'{"', "a JSON text, such as a server's error"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"version https://git-lfs", "a Git LFS pointer; get the images with: git lfs pull"),
)


def kind_of(prefix: bytes) -> str | None:
    """What a file is that begins with these bytes, 32 at best; None if it is nothing that is known."""
    if prefix[4:8] == b"ftyp" and prefix[8:12] in HEIC_BRANDS:
        return "a HEIC image; convert it to JPEG or PNG"
    if len(prefix) >= ZEROS and not any(prefix):
        return "nothing but zeros; it was not written to its end"
    start = prefix.lstrip(b"\xef\xbb\xbf \r\n\t")
    tag = start.lower() if start.startswith(b"<") else start
    return next((kind for first, kind in KINDS if tag.startswith(first)), None)
