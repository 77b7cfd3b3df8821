"""PNG files without what is not needed for their pixels."""

from __future__ import annotations

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LEFT_OUT = frozenset((b"tEXt", b"zTXt", b"iTXt", b"iCCP"))
"""Texts and colour profiles. Pillow refuses an image for one that is damaged or unpacks to more than a megabyte."""


def without_texts(content: bytes) -> bytes | None:
    """The bytes of a PNG without texts and colour profiles; None if it is no PNG or has none."""
    if not content.startswith(SIGNATURE):
        return None
    kept, at = [SIGNATURE], len(SIGNATURE)
    while at + 12 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4])
        if content[at + 4 : at + 8] not in LEFT_OUT:
            kept.append(content[at:end])
        at = end
    reduced = b"".join(kept)
    return None if len(reduced) >= min(at, len(content)) else reduced
