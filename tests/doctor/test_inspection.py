"""The doctor on copies of real sets with planted faults, and on data that nothing could be trained on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFilter, ImageOps

from convsmith import Dataset, inspect, open_dataset
from convsmith.doctor.inspection import Inspection
from convsmith.errors import DataError, UnknownNameError


def named(inspection: Inspection, code: str) -> set[str]:
    """The files of an issue, or the classes."""
    issue = inspection.issue(code)
    return set() if issue is None else {Path(example.name).name for example in issue.examples}


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real pictures of three kinds of clothes, train and test, with faults of every kind; to be read only."""
    root = tmp_path_factory.mktemp("clothes")
    dataset = open_dataset("fashion-mini")
    split, kept = dataset.split("train"), (1, 5, 8)  # trousers, sandals, bags
    for label in kept:
        rows = np.flatnonzero(split.labels == label)[:100].tolist()
        for number, row in enumerate(rows):
            part = "train" if number < 80 else "test"
            save(split.images[row][..., 0], root / part / dataset.classes[label] / f"{label}-{number:03}.png")
    return spoiled(root)


def save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def spoiled(root: Path) -> Path:
    train, test = root / "train", root / "test"
    shutil.copy(train / "Trouser/1-000.png", test / "Trouser/leak.png")
    shutil.copy(train / "Bag/8-001.png", train / "Bag/again.png")
    shutil.copy(train / "Sandal/5-002.png", train / "Bag/contradicts.png")
    Image.open(train / "Bag/8-003.png").resize((42, 42), Image.Resampling.BICUBIC).save(test / "Bag/resized.png")
    Image.open(train / "Sandal/5-004.png").save(test / "Sandal/recompressed.jpg", quality=60)
    Image.open(train / "Trouser/1-005.png").save(train / "Trouser/same-pixels.bmp")
    (train / "Sandal/5-010.png").rename(train / "Trouser/5-010.png")
    (train / "Sandal/5-011.png").rename(train / "Bag/5-011.png")
    whole = (train / "Bag/8-012.png").read_bytes()
    (train / "Bag/8-012.png").write_bytes(whole[: len(whole) // 2])
    (train / "Bag/8-013.png").write_bytes(b"no image")
    shutil.rmtree(test / "Sandal")
    return root


@pytest.fixture(scope="module")
def inspected(clothes: Path) -> Inspection:
    return inspect(clothes)


FAULTS = {
    "unreadable": {"8-012.png", "8-013.png"},
    "missing-class": {"Sandal"},
    "leak": {"1-000.png"},
    "near-leak": {"8-003.png"},
    "contradiction": {"5-002.png", "contradicts.png"},
    "duplicate": {"again.png", "same-pixels.bmp"},
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else_of_its_kind(inspected: Inspection, code: str) -> None:
    assert named(inspected, code) == FAULTS[code]


def test_images_in_the_folder_of_another_class_are_called_mislabelled(inspected: Inspection) -> None:
    assert {"5-010.png", "5-011.png"} <= named(inspected, "wrong-label")


def test_a_wrong_label_comes_with_the_class_that_it_looks_like(inspected: Inspection) -> None:
    issue = inspected.issue("wrong-label")
    assert issue is not None
    (said,) = [example.detail for example in issue.examples if example.name.endswith("5-010.png")]
    assert said.startswith("Trouser (")
    assert said.endswith("looks like Sandal")


def test_errors_come_first(inspected: Inspection) -> None:
    severities = [issue.severity for issue in inspected.issues]
    assert severities == sorted(severities, key=("error", "warning", "note").index)


def test_every_issue_says_why_it_matters_and_what_to_do(inspected: Inspection) -> None:
    assert all(issue.what and issue.why and issue.fix for issue in inspected.issues)


def test_the_json_is_strict_and_has_every_file(inspected: Inspection) -> None:
    said = json.loads(json.dumps(inspected.to_json(), allow_nan=False))
    leak = next(issue for issue in said["issues"] if issue["code"] == "leak")
    assert Path(leak["examples"][0]["name"]).name == "1-000.png"
    assert said["images"]["train"]["Sandal"] == 78


def test_the_text_names_the_worst_files_and_counts_the_others(inspected: Inspection) -> None:
    text = str(inspected)
    assert "error: 1 image is pixel for pixel in another split too [leak]" in text
    assert len(text.splitlines()) < 120


def test_a_data_set_value_is_inspected_as_its_path_is(clothes: Path, tmp_path: Path) -> None:
    shutil.copytree(clothes / "train", tmp_path / "train")
    by_path = inspect(tmp_path / "train")
    by_value = inspect(open_dataset(tmp_path / "train"))
    assert by_value.summary == by_path.summary
    assert named(by_value, "duplicate") == named(by_path, "duplicate") == FAULTS["duplicate"]


def test_the_same_data_and_seed_give_the_same_findings(clothes: Path, inspected: Inspection) -> None:
    assert inspect(clothes).to_json() == inspected.to_json()


def test_arrays_are_inspected() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    images[7] = images[3]
    found = inspect(Dataset.from_arrays(images, np.arange(40) % 2))
    assert sum(len(issue.examples) for issue in found.issues if issue.code in ("duplicate", "leak")) == 1


def photographs(root: Path) -> Path:
    for number, colour in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255))):
        save(
            np.full((40, 50, 3), colour, np.uint8) * (np.arange(50) > 25)[:, None].astype(np.uint8),
            root / f"{number}.png",
        )
    return root


def test_images_without_labels_are_inspected_as_far_as_that_goes(tmp_path: Path) -> None:
    shutil.copy(photographs(tmp_path) / "0.png", tmp_path / "copy.png")
    found = inspect(tmp_path)
    assert found.issue("no-labels") is not None
    assert named(found, "duplicate") == {"copy.png"}
    assert "no labels" in str(found).splitlines()[0]


def test_pillows_images_are_inspected() -> None:
    image = Image.linear_gradient("L").resize((40, 40))
    assert named(inspect([image, image]), "duplicate")


def test_one_class_is_an_error_and_still_inspected(tmp_path: Path) -> None:
    photographs(tmp_path / "cat")
    found = inspect(tmp_path)
    assert found.issue("one-class") is not None
    assert found.summary.images["train"] == {"cat": 3}


def test_two_images_are_enough_to_be_inspected(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        save(np.random.default_rng(len(name)).integers(0, 256, (20, 20, 3), np.uint8), tmp_path / name / f"{name}.png")
    found = inspect(tmp_path)
    issue = found.issue("no-splits")
    assert issue is not None
    assert "it needs 3" in issue.what


def test_images_that_are_all_alike_are_said_to_be(tmp_path: Path) -> None:
    for number in range(12):
        save(np.full((20, 20, 3), 90, np.uint8), tmp_path / ("cat", "dog")[number % 2] / f"{number}.png")
    found = inspect(tmp_path)
    issue = found.issue("constant")
    assert issue is not None
    assert issue.count == 12


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_where_no_file_can_be_read_the_first_is_named(tmp_path: Path, content: bytes) -> None:
    for name in ("cat/1.png", "dog/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"none of its 2 files is a usable image; the first is .*1\.png"):
        inspect(tmp_path)


def test_an_empty_folder_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no"):
        inspect(tmp_path)
    with pytest.raises(UnknownNameError):
        inspect("no-such-set")


def test_made_splits_and_their_seed_are_said(tmp_path: Path) -> None:
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), np.uint8)
        save(pixels, tmp_path / ("cat", "dog")[number % 2] / f"{number}.png")
    assert "splits: val and test made here out of train, by seed 3" in str(inspect(tmp_path, seed=3))


def vignette(image: Image.Image) -> Image.Image:
    """Bright in the middle: cleanvision's measure of blur counts what is bright at the edge as sharp."""
    return ImageOps.invert(Image.radial_gradient("L")).resize(image.size).convert("RGB")


ODD: dict[str, Callable[[Image.Image], Image.Image]] = {
    "dark": lambda image: image.point(lambda value: value // 12),
    "odd-mode": lambda image: image.convert("CMYK"),
    "odd-aspect": lambda image: image.crop((0, 0, 20, image.height)),
    "tiny": lambda image: image.resize((12, 12)),
    "grey": lambda image: image.convert("L"),
    "constant": lambda image: Image.new("RGB", image.size, (9, 99, 9)),
    "blurred": lambda image: ImageChops.multiply(image.filter(ImageFilter.GaussianBlur(15)), vignette(image)),
}


@pytest.fixture(scope="module")
def odd_photographs(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Inspection:
    """Sound photographs and one of each oddity."""
    root = tmp_path_factory.mktemp("odd")
    for file in [*photo_folder.glob("coffee/??.jpg"), *photo_folder.glob("palace/??.jpg")]:
        target = root / file.relative_to(photo_folder)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(file, target)
    image = Image.open(photo_folder / "coffee/00.jpg")
    for code, change in ODD.items():
        change(image).save(root / "coffee" / f"{code}.{'jpg' if code == 'odd-mode' else 'png'}")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(root / "coffee/rotated.jpg", exif=exif)
    return inspect(root)


@pytest.mark.parametrize("code", [*ODD, "rotated"])
def test_an_odd_photograph_is_noted(odd_photographs: Inspection, code: str) -> None:
    assert any(name.startswith(code) for name in named(odd_photographs, code))
