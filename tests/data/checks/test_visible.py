"""Images that show nothing as they are usually decoded are decoded otherwise, and that is said."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from convsmith.data import Dataset, open_dataset
from convsmith.data.decode.decoding import Decoding
from convsmith.data.unlabelled import gather
from convsmith.errors import DataError, UsageError


def shapes(root: Path, colour: int, count: int = 8) -> Path:
    """Discs and boxes of one grey level on a transparent ground of the same grey."""
    for label, draw in (("box", ImageDraw.ImageDraw.rectangle), ("disc", ImageDraw.ImageDraw.ellipse)):
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image = Image.new("RGBA", (20, 20), (colour,) * 3 + (0,))
            draw(ImageDraw.Draw(image), (2 + number % 4, 3, 15, 16), fill=(colour,) * 3 + (255,))
            image.save(root / label / f"{colour}-{number}.png")
    return root


@pytest.mark.parametrize(("colour", "ground"), [(255, 0), (254, 255), (0, 255), (128, 255)])
def test_white_shapes_on_a_transparent_ground_are_put_on_black(tmp_path: Path, colour: int, ground: int) -> None:
    dataset = open_dataset(shapes(tmp_path, colour))
    assert dataset.decoding == Decoding(ground)
    assert all(image.min() < image.max() for split in dataset.splits.values() for image, _ in split)
    assert [note.reason for note in dataset.notes] == (
        ["16 images show nothing on white, so transparent images are put on black"] if ground == 0 else []
    )


def test_white_and_black_shapes_together_are_put_on_grey(tmp_path: Path) -> None:
    dataset = open_dataset(shapes(shapes(tmp_path, 255), 0))
    assert dataset.decoding.ground == 128
    assert all(image.min() < image.max() for split in dataset.splits.values() for image, _ in split)


def test_a_few_empty_images_do_not_change_the_ground_of_all(tmp_path: Path) -> None:
    shapes(shapes(tmp_path, 0, 20), 255, 1)
    assert open_dataset(tmp_path).decoding == Decoding()


def test_a_model_is_shown_images_in_the_decoding_that_it_was_trained_with(tmp_path: Path) -> None:
    root = shapes(tmp_path, 0)
    assert open_dataset(root, decoding=Decoding(ground=90)).decoding.ground == 90
    images = gather([root / "box"], Decoding(ground=200))
    assert images[0].max() == 200


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_few_bits_in_16_bit_files_are_stretched(tmp_path: Path, bits: int) -> None:
    generator = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(6):
            values = generator.integers(0, 1 << bits, (9, 9), dtype=np.uint16)
            values[0, 0] = (1 << bits) - 1
            Image.fromarray(values).save(tmp_path / label / f"{number}.png")
    dataset = open_dataset(tmp_path)
    assert dataset.decoding == Decoding(bits=bits)
    images = np.concatenate([image for split in dataset.splits.values() for image, _ in split])
    assert images.max() == 255
    assert images.std() > 60
    assert f"({bits} bits) becomes 0 to 255" in str(dataset.notes[0])


def test_full_16_bit_files_are_left_as_they_are(tmp_path: Path) -> None:
    for label, peak in (("a", 65535), ("b", 300)):
        (tmp_path / label).mkdir()
        for number in range(4):
            Image.fromarray(np.linspace(0, peak - number, 81).astype(np.uint16).reshape(9, 9)).save(
                tmp_path / label / f"{number}.png"
            )
    assert open_dataset(tmp_path).decoding == Decoding()


@pytest.mark.parametrize("source", ["files", "array", "list"])
def test_pixels_that_are_all_the_same_are_refused(tmp_path: Path, source: str) -> None:
    images = [np.full((6, 6 + (number % 2) * (source == "list"), 3), 7, np.uint8) for number in range(8)]
    given = np.stack(images) if source == "array" else images
    if source == "files":
        for number, image in enumerate(images):
            (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
            Image.fromarray(image).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    with pytest.raises(DataError, match="every pixel of every image is #070707; there is nothing to learn from"):
        _ = open_dataset(tmp_path) if source == "files" else Dataset.from_arrays(given, np.arange(8) % 2)


def test_a_decoding_is_checked() -> None:
    with pytest.raises(UsageError, match=r"ground: must be .* not 300"):
        Decoding(ground=300)
    with pytest.raises(UsageError, match=r"bits: must be .* not 4"):
        Decoding(bits=4)
