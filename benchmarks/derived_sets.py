"""Data sets of several kinds, made from what is at hand: fonts of this machine, and scikit-image's photographs.

What is tested on was never trained on: other faces of letters, other parts of a texture, other photographs.
"""

from __future__ import annotations

import io
import string
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from convsmith import Dataset, open_dataset

PHOTOGRAPHS = ("astronaut", "coffee", "rocket", "chelsea", "hubble_deep_field", "immunohistochemistry")
TEXTURES = ("brick", "grass", "gravel", "moon", "coins", "page")
TILES = 240
"""Of a class in training; a quarter as many in the test split."""


def _noisy(tile: Image.Image, generator: np.random.Generator) -> Image.Image:
    noise = generator.normal(0, generator.uniform(6, 18), (*tile.size, 3))
    return Image.fromarray(np.clip(np.asarray(tile) + noise, 0, 255).astype(np.uint8))


def _compressed(tile: Image.Image, generator: np.random.Generator) -> Image.Image:
    written = io.BytesIO()
    tile.save(written, "JPEG", quality=int(generator.integers(5, 25)))
    return Image.open(written).convert("RGB")


def _coarse(tile: Image.Image, generator: np.random.Generator) -> Image.Image:
    side = int(tile.width * generator.uniform(0.3, 0.6))
    return tile.resize((side, side), Image.Resampling.BOX).resize(tile.size, Image.Resampling.NEAREST)


DAMAGES: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "as it was": lambda tile, generator: tile,
    "blurred": lambda tile, generator: tile.filter(ImageFilter.GaussianBlur(generator.uniform(0.8, 2.0))),
    "noisy": _noisy,
    "compressed": _compressed,
    "coarse": _coarse,
}
"""What may be done to a tile, of a strength that is drawn. Single pixels tell, not what the picture shows."""

LETTERS = string.ascii_uppercase
GLYPH_SIDE = 32


def glyphs(seed: int) -> Dataset:
    """Capital letters in grey, in the faces of this machine's fonts, a third of which only the test split has."""
    generator = np.random.default_rng(seed)
    faces = _faces()
    generator.shuffle(faces)
    held = faces[: max(1, len(faces) // 3)]
    train = [_glyphs(generator, face, 4) for face in faces[len(held) :]]
    test = [_glyphs(generator, face, 2) for face in held]
    return _dataset(train, test, tuple(LETTERS), "glyphs", seed)


def textures(seed: int) -> Dataset:
    """Tiles of 16x16 of six textures in grey, the test's from the lower third of each picture."""
    generator = np.random.default_rng(seed)
    pictures = [np.asarray(getattr(skimage.data, name)()) for name in TEXTURES]
    parts = [_tiles(generator, picture[: 2 * len(picture) // 3], TILES, 16) for picture in pictures]
    tests = [_tiles(generator, picture[2 * len(picture) // 3 :], TILES // 4, 16) for picture in pictures]
    return _labelled(parts, tests, TEXTURES, "textures", seed)


def damaged(seed: int) -> Dataset:
    """Tiles of 48x48 of photographs in colour: what was done to them; the test's are of other photographs."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(PHOTOGRAPHS)).tolist()

    def of(chosen: list[int], count: int) -> list[list[NDArray[np.uint8]]]:
        return [
            [
                np.asarray(damage(Image.fromarray(tile), generator))
                for at in chosen
                for tile in _tiles(generator, _photo(PHOTOGRAPHS[at]), count // len(chosen), 48)
            ]
            for damage in DAMAGES.values()
        ]

    return _labelled(of(order[2:], TILES), of(order[:2], TILES // 4), tuple(DAMAGES), "damaged", seed)


def photographs(seed: int) -> Dataset:
    """Tiles of 64x64 in colour: of which photograph; the test's are of the right third of each."""
    generator = np.random.default_rng(seed)
    pictures = [_photo(name) for name in PHOTOGRAPHS]
    parts = [_tiles(generator, picture[:, : 2 * picture.shape[1] // 3], TILES, 64) for picture in pictures]
    tests = [_tiles(generator, picture[:, 2 * picture.shape[1] // 3 :], TILES // 4, 64) for picture in pictures]
    return _labelled(parts, tests, PHOTOGRAPHS, "photographs", seed)


SETS: dict[str, Callable[[int], Dataset]] = {
    "glyphs": glyphs,
    "textures": textures,
    "damaged": damaged,
    "photographs": photographs,
    "digits": lambda seed: open_dataset("digits", seed=seed),
    "fashion-mini": lambda seed: open_dataset("fashion-mini", seed=seed),
}
"""What is made for a seed, by name. A path to the emoji set (`scripts/fetch_emoji.py`) may stand beside them."""


def set_named(name: str, seed: int) -> Dataset:
    return SETS[name](seed) if name in SETS else open_dataset(name, seed=seed)


def _faces() -> list[str]:
    listed = subprocess.run(["fc-list", "--format", "%{file}\n"], capture_output=True, text=True, check=True).stdout
    files = sorted({line for line in listed.splitlines() if Path(line).suffix in (".ttf", ".otf")})
    return [file for file in files if _has_letters(file)]


def _has_letters(file: str) -> bool:
    font = ImageFont.truetype(file, 20)
    drawn = {np.asarray(_drawn(font, letter)).tobytes() for letter in "AGMQ"}
    return len(drawn) == 4


def _glyphs(generator: np.random.Generator, face: str, each: int) -> Iterator[tuple[NDArray[np.uint8], int]]:
    for label, letter in enumerate(LETTERS):
        for _ in range(each):
            yield (
                np.asarray(_drawn(ImageFont.truetype(face, int(generator.integers(16, 26))), letter, generator)),
                label,
            )


def _drawn(font: ImageFont.FreeTypeFont, letter: str, generator: np.random.Generator | None = None) -> Image.Image:
    image = Image.new("L", (GLYPH_SIDE, GLYPH_SIDE), 0)
    at = (
        (GLYPH_SIDE // 2,) * 2
        if generator is None
        else tuple((GLYPH_SIDE // 2 + generator.integers(-3, 4, 2)).tolist())
    )
    ImageDraw.Draw(image).text(at, letter, fill=255, font=font, anchor="mm")
    return image if generator is None else image.rotate(float(generator.uniform(-12, 12)))


def _photo(name: str) -> NDArray[np.uint8]:
    return np.asarray(getattr(skimage.data, name)())[..., :3]


def _tiles(
    generator: np.random.Generator, picture: NDArray[np.uint8], count: int, side: int, cut: int | None = None
) -> list[NDArray[np.uint8]]:
    """Squares of `cut` pixels (`side` if none are given), at `side` pixels."""
    cut = cut or side
    tiles = []
    for _ in range(count):
        top, left = (int(generator.integers(0, length - cut + 1)) for length in picture.shape[:2])
        tile = Image.fromarray(picture[top : top + cut, left : left + cut])
        tiles.append(np.asarray(tile.resize((side, side), Image.Resampling.BOX)))
    return tiles


def _labelled(
    train: list[list[NDArray[np.uint8]]],
    test: list[list[NDArray[np.uint8]]],
    classes: tuple[str, ...],
    name: str,
    seed: int,
) -> Dataset:
    def pairs(parts: list[list[NDArray[np.uint8]]]) -> list[list[tuple[NDArray[np.uint8], int]]]:
        return [[(tile, label) for tile in tiles] for label, tiles in enumerate(parts)]

    return _dataset(pairs(train), pairs(test), classes, name, seed)


def _dataset(train: object, test: object, classes: tuple[str, ...], name: str, seed: int) -> Dataset:
    (images, labels), tested = _stacked(train), _stacked(test)
    return Dataset.from_arrays(images, labels, classes, splits={"test": tested, "val": 0.1}, name=name, seed=seed)


def _stacked(parts: object) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    pairs = [pair for part in parts for pair in part]  # type: ignore[attr-defined]
    return np.stack([image for image, _ in pairs]), np.array([label for _, label in pairs])
