"""Settings of every test run, and the photographs that several tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage
import sklearn
from hypothesis import settings
from PIL import Image

# The first example of a test imports or compiles what it needs, so a time limit for single examples says nothing.
# A change is judged by the same examples everywhere; `pytest --hypothesis-profile=explore` looks for new ones.
settings.register_profile("convsmith", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=5000)
settings.load_profile("convsmith")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the tests' own: what the person at this machine has in theirs changes no test, and no test theirs."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


PHOTOS = {
    "cat": Path(skimage.__file__).parent / "data/chelsea.png",
    "coffee": Path(skimage.__file__).parent / "data/coffee.png",
    "flower": Path(sklearn.__file__).parent / "datasets/images/flower.jpg",
    "palace": Path(sklearn.__file__).parent / "datasets/images/china.jpg",
    "woman": Path(skimage.__file__).parent / "data/astronaut.png",
}
CROPS = 30


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of real photographs, to be read only: 5 classes of 30 JPEG crops each, of 64 to 128 pixels a side, and
    in `cat` six of the kinds that people's folders hold: grey.png, palette.png, rgba.png, cmyk.jpg, rotated.jpg (by
    EXIF) and truncated.jpg, which is the only one that cannot be used."""
    root = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for label, source in PHOTOS.items():
        (root / label).mkdir()
        photo = Image.open(source).convert("RGB")
        for number in range(CROPS):
            width, height = generator.integers(64, 129, 2).tolist()
            left, top = int(generator.integers(photo.width - width)), int(generator.integers(photo.height - height))
            crop = photo.crop((left, top, left + width, top + height))
            crop.save(root / label / f"{number:02}.jpg", quality=90)
    _save_odd_kinds(Image.open(root / "cat/00.jpg"), root / "cat")
    return root


def _save_odd_kinds(image: Image.Image, folder: Path) -> None:
    image.convert("L").save(folder / "grey.png")
    image.quantize(64).save(folder / "palette.png")
    with_alpha = image.copy()
    with_alpha.putalpha(Image.linear_gradient("L").resize(image.size))
    with_alpha.save(folder / "rgba.png")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(folder / "rotated.jpg", exif=exif)
    whole = (folder / "00.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
