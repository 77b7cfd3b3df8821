import numpy as np
import pytest
from numpy.typing import NDArray

from convsmith.data import Dataset, open_dataset
from convsmith.data.checks.exchange import ChangeName, exchanged_classes

SEEDS = {"left": 1, "right": 2, "up": 3, "down": 4}


def arrows(count: int, direction: str, colour: int = 255) -> list[NDArray[np.uint8]]:
    """Triangles that point somewhere, at different places and sizes, on noise."""
    made, generator = [], np.random.default_rng(SEEDS[direction])
    for _ in range(count):
        image = generator.integers(0, 80, (32, 32), dtype=np.uint8)
        size, top, left = generator.integers(10, 15), generator.integers(2, 7), generator.integers(2, 7)
        for step in range(size):
            half = step // 2
            middle = top + size // 2
            image[middle - half : middle + half + 1, left + step] = colour
        turned = {"left": image, "right": image[:, ::-1], "up": image.T, "down": image.T[::-1]}[direction]
        made.append(np.ascontiguousarray(turned))
    return made


def data_set(**classes: list[NDArray[np.uint8]]) -> Dataset:
    images = [image for members in classes.values() for image in members]
    labels = [name for name, members in classes.items() for _ in members]
    return Dataset.from_arrays(images, labels)


def test_classes_that_are_each_others_mirror_images_are_found() -> None:
    found = exchanged_classes(data_set(a=arrows(40, "left"), b=arrows(40, "right"), c=arrows(40, "up")), "mirror")
    assert found is not None
    assert {found.one, found.other} == {"a", "b"}
    assert found.changed > 0.8
    assert found.as_they_are < 0.2
    assert str(found).startswith("mirroring exchanges 'a' and 'b': ")


@pytest.mark.parametrize("names", [("up", "down"), ("left", "up"), ("right", "down")])
def test_classes_that_mirroring_keeps_or_takes_nowhere_are_not(names: tuple[str, str]) -> None:
    assert exchanged_classes(data_set(**{name: arrows(40, name) for name in names}), "mirror") is None


@pytest.mark.parametrize("names", [("up", "down", "left"), ("up", "right", "down"), ("left", "up", "right", "down")])
def test_classes_that_turning_exchanges_are_found(names: tuple[str, ...]) -> None:
    found = exchanged_classes(data_set(**{name: arrows(40, name) for name in names}), "turn")
    assert found is not None
    assert str(found).startswith(f"turning exchanges {found.one!r} and {found.other!r}: ")


def grey(count: int, level: int, seed: int) -> list[NDArray[np.uint8]]:
    noise = np.random.default_rng(seed).normal(level, 25, (count, 32, 32, 3))
    return list(noise.clip(0, 255).astype(np.uint8))


def test_classes_that_brightness_tells_apart_are_exchanged_by_changes_of_colour() -> None:
    found = exchanged_classes(data_set(a=grey(40, 60, 0), b=grey(40, 180, 1)), "colour")
    assert found is not None
    assert str(found).startswith("changing colours exchanges 'a' and 'b': ")
    assert "of the recoloured images" in str(found)


def test_shapes_may_have_any_colour() -> None:
    left, right = ([*arrows(30, side), *arrows(30, side, 160)] for side in ("left", "right"))
    assert exchanged_classes(data_set(a=left, b=right), "colour") is None


@pytest.mark.parametrize("change", ["mirror", "turn", "colour"])
def test_noise_tells_nothing(change: ChangeName) -> None:
    noise = list(np.random.default_rng(0).integers(0, 256, (80, 20, 20), dtype=np.uint8))
    assert exchanged_classes(data_set(a=noise[:40], b=noise[40:]), change) is None


@pytest.mark.parametrize("change", ["mirror", "turn", "colour"])
def test_few_images_say_nothing(change: ChangeName) -> None:
    assert exchanged_classes(data_set(a=arrows(4, "left"), b=arrows(4, "right")), change) is None


@pytest.mark.parametrize("change", ["mirror", "turn", "colour"])
def test_clothes_may_be_changed(change: ChangeName) -> None:
    assert exchanged_classes(open_dataset("fashion-mini"), change) is None
