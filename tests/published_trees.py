"""Small data sets in the layouts in which the large ones are published, with the quirks of their real files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

SIDE = 40


def photo(path: Path, seed: int, label: int = 0) -> Path:
    """Writes an image of noise around a colour of its class; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    colour = np.array([(40, 90, 160), (200, 60, 30), (30, 180, 60), (220, 220, 40)][label % 4])
    pixels = (colour + generator.integers(-30, 30, (SIDE, SIDE + 10, 3))).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def text(path: Path, *lines: str, end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\n".join(lines) + end).encode())
    return path


def cells(values: list[str]) -> np.ndarray:
    """A column cell array, as MATLAB has no lists."""
    array = np.empty((len(values), 1), object)
    array[:, 0] = values
    return array


BREEDS = ("n02085620-Chihuahua", "n02085782-Japanese_spaniel", "n02086079-Pekinese")


def dogs(root: Path, train: int = 4, test: int = 2, lists: str = "lists") -> Path:
    files = [
        [f"{breed}/{breed[:9]}_{100 * label + i}.jpg" for i in range(train + test)]
        for label, breed in enumerate(BREEDS)
    ]
    for label, own in enumerate(files):
        for i, file in enumerate(own):
            photo(root / "Images" / file, 100 * label + i, label)
            box = f"<bndbox><xmin>5</xmin><ymin>10</ymin><xmax>{25 + i}</xmax><ymax>35</ymax></bndbox>"
            size = f"<size><width>{SIDE + 10}</width><height>{SIDE}</height><depth>3</depth></size>"
            text(
                root / "Annotation" / file.removesuffix(".jpg"),
                f"<annotation><folder>x</folder>{size}<object><name>dog</name>{box}</object></annotation>",
            )
    (root / lists).mkdir(exist_ok=True, parents=True)
    for name, part in (("train", slice(0, train)), ("test", slice(train, None))):
        listed = [(file, label + 1) for label, own in enumerate(files) for file in own[part]]
        content = {
            "file_list": cells([file for file, _ in listed]),
            "annotation_list": cells([file.removesuffix(".jpg") for file, _ in listed]),
            "labels": np.array([[float(label)] for _, label in listed]),
        }
        savemat(root / lists / f"{name}_list.mat", content)
    return root


def flowers(root: Path, classes: int = 3, each: int = 4) -> Path:
    """Ids and labels count from 1; the ids of a split are in no order."""
    labels = [1 + i % classes for i in range(classes * each)]
    for number, label in enumerate(labels, 1):
        photo(root / f"jpg/image_{number:05}.jpg", number, label)
    savemat(root / "imagelabels.mat", {"labels": np.array([labels], np.uint8)})
    ids = np.arange(1, len(labels) + 1, dtype=np.uint16)
    train, val, test = ids[:classes][::-1], ids[classes : 2 * classes], ids[2 * classes :]
    savemat(root / "setid.mat", {"trnid": train[None], "valid": val[None], "tstid": test[None]})
    return root


PETS = ("Abyssinian", "great_pyrenees", "yorkshire_terrier")


def pets(root: Path, train: int = 3, test: int = 2) -> Path:
    header = ("#Image CLASS-ID SPECIES BREED ID", "#ID: 1:37 Class ids", "#SPECIES: 1:Cat 2:Dog")
    lines: dict[str, list[str]] = {"trainval": [], "test": []}
    for label, breed in enumerate(PETS, 1):
        for i in range(train + test):
            photo(root / f"images/{breed}_{i + 1}.jpg", 10 * label + i, label)
            lines["trainval" if i < train else "test"].append(f"{breed}_{i + 1} {label} {1 + (label > 1)} {label}")
    text(root / "images/Abyssinian_1.mat", "MATLAB 5.0 MAT-file")  # six of these lie among the images
    text(root / "annotations/list.txt", *header, *lines["trainval"], *lines["test"])
    for name, own in lines.items():
        text(root / f"annotations/{name}.txt", *own)
    return root


def caltech101(root: Path, each: int = 5) -> Path:
    for label, name in enumerate(("BACKGROUND_Google", "Faces", "Faces_easy", "water_lilly")):
        for i in range(1, each + 1):
            photo(root / f"101_ObjectCategories/{name}/image_{i:04}.jpg", 10 * label + i, label)
    text(root / "Annotations/Faces_2/annotation_0001.mat", "MATLAB 5.0 MAT-file")
    return root


def caltech256(root: Path, each: int = 5) -> Path:
    names = ("001.ak47", "002.american-flag", "251.airplanes-101", "257.clutter")
    for label, name in enumerate(names):
        for i in range(1, each + 1):
            photo(root / f"256_ObjectCategories/{name}/{name[:3]}_{i:04}.jpg", 10 * label + i, label)
    text(root / "256_ObjectCategories/001.ak47/RENAME2", "#!/bin/sh")
    return root


BIRDS = ("001.Black_footed_Albatross", "002.Laysan_Albatross")


def cub(root: Path, each: int = 6) -> Path:
    files = [f"{bird}/{bird[4:]}_{i:04}_{i}.jpg" for bird in BIRDS for i in range(1, each + 1)]
    for number, file in enumerate(files, 1):
        photo(root / "images" / file, number, number > each)
    labels = [1 + (number > each) for number in range(1, len(files) + 1)]
    rows = range(1, len(files) + 1)
    text(root / "images.txt", *(f"{number} {file}" for number, file in enumerate(files, 1)))
    text(root / "image_class_labels.txt", *(f"{number} {label}" for number, label in zip(rows, labels, strict=True)))
    text(root / "train_test_split.txt", *(f"{number} {int(number % 3 > 0)}" for number in rows))
    text(root / "classes.txt", *(f"{label} {name}" for label, name in enumerate(BIRDS, 1)))
    text(root / "bounding_boxes.txt", *(f"{number} 10.0 5.0 20.0 {20 + number % 3}.0" for number in rows))
    return root


def food(root: Path, train: int = 4, test: int = 2) -> Path:
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for label, name in enumerate(("apple_pie", "beef_tartare")):
        for i in range(train + test):
            photo(root / f"images/{name}/{1000 + i}.jpg", 10 * label + i, label)
            lists["train" if i < train else "test"].append(f"{name}/{1000 + i}")  # without .jpg
    for split, lines in lists.items():
        text(root / f"meta/{split}.txt", *lines)
    text(root / "meta/classes.txt", "apple_pie", "beef_tartare")
    text(root / "meta/labels.txt", "Apple pie", "Beef tartare")
    return root


TINY = ("n01443537", "n02124075", "n12267677")
"""The last is none of ILSVRC 2012's."""


def tiny_imagenet(root: Path, train: int = 3, val: int = 2) -> Path:
    lines = []
    for label, wnid in enumerate(TINY):
        for i in range(train):
            photo(root / f"train/{wnid}/images/{wnid}_{i}.JPEG", 10 * label + i, label)
        text(root / f"train/{wnid}/{wnid}_boxes.txt", *(f"{wnid}_{i}.JPEG\t0\t0\t62\t62" for i in range(train)))
        for i in range(val):
            number = val * label + i
            photo(root / f"val/images/val_{number}.JPEG", 100 + number, label)
            lines.append(f"val_{number}.JPEG\t{wnid}\t0\t32\t44\t62")
    text(root / "val/val_annotations.txt", *lines)
    photo(root / "test/images/test_0.JPEG", 999)
    text(root / "wnids.txt", *TINY[::-1], end="")
    text(root / "words.txt", "n00001740\tentity", "n01443537\tgoldfish, Carassius auratus", "n12267677\tacorn")
    return root


def cifar10(root: Path, each: int = 20) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate((*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")):
        (root / f"{name}.bin").write_bytes(cifar_records(each, number, 1))
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    text(root / "batches.meta.txt", *names, "")
    return root


def cifar_records(count: int, seed: int, label_bytes: int, classes: int = 10) -> bytes:
    """Records of which pixel (row, column) is (row, column, label) in red, green and blue, but for some noise."""
    row, column = np.mgrid[:32, :32]
    records = []
    for i in range(count):
        label = i % classes
        red = row.copy()
        red[16:, 16:] = np.random.default_rng([seed, i]).integers(0, 256, (16, 16))
        planes = np.stack([red, column, np.full((32, 32), 20 * label % 256)]).astype(np.uint8)
        records.append(bytes([label // 5] * (label_bytes - 1) + [label]) + planes.tobytes())
    return b"".join(records)


def cifar100(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "train.bin").write_bytes(cifar_records(40, 1, 2))
    (root / "test.bin").write_bytes(cifar_records(20, 2, 2))
    fine = ("apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle")
    text(root / "fine_label_names.txt", *fine, "")
    text(root / "coarse_label_names.txt", "aquatic_mammals", "fish", "")
    return root


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def emnist(root: Path, name: str = "balanced", each: int = 6, first: int = 0) -> Path:
    """Images whose upper row is white as one reads them, and so whose left column is as they are stored."""
    root.mkdir(parents=True, exist_ok=True)
    classes = 3
    for part, count in (("train", classes * each), ("test", classes * 2)):
        images = np.random.default_rng(len(part)).integers(0, 200, (count, 28, 28), np.uint8)
        images[:, :, 0] = 255
        labels = (np.arange(count) % classes + first).astype(np.uint8)
        (root / f"emnist-{name}-{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (root / f"emnist-{name}-{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    letters = name == "letters"
    lines = [f"{first + i} {65 + i}" + (f" {97 + i}" if letters else "") for i in range(classes)]
    text(root / f"emnist-{name}-mapping.txt", *lines)
    return root


def svhn(root: Path, extra: bool = False) -> Path:
    """y is a column of 1 to 10, which is 0; X has the images along its last dimension."""
    root.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(("train", "test", *(("extra",) if extra else ()))):
        labels = np.array([1 + i % 10 for i in range(30 if name == "train" else 20)], np.uint8)
        images = np.random.default_rng(number).integers(0, 256, (32, 32, 3, len(labels)), np.uint8)
        images[0, :, :, :] = labels  # the first row says which digit it is
        savemat(root / f"{name}_32x32.mat", {"X": images, "y": labels[:, None]})
    return root
