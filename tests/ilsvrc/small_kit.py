"""ILSVRC 2012 in its real file formats, of 20 synsets: kit, validation images, and a model of these classes."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

import convsmith
from convsmith.model import Header, Model
from convsmith.network import Preprocess
from convsmith.weights.imagenet import synsets

WORDNET_IDS = tuple(synset.wordnet_id for synset in synsets())[::50]
NUMBERS = np.random.default_rng(0).permutation(len(WORDNET_IDS)) + 1
"""The ILSVRC2012_ID of each: in no order, as in the true kit."""

IMAGES = 40
TRUTH = np.random.default_rng(1).integers(1, len(WORDNET_IDS) + 1, IMAGES)


def meta(year: str = "2012") -> bytes:
    fields = [(f"ILSVRC{year}_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    leaves = [(float(n), wordnet_id, "words", 0.0) for n, wordnet_id in zip(NUMBERS, WORDNET_IDS, strict=True)]
    stream = io.BytesIO()
    savemat(stream, {"synsets": np.array([*leaves, (21.0, "n00001740", "entity", 20.0)], dtype=fields)})
    return stream.getvalue()


def write_kit(root: Path, year: str = "2012") -> Path:
    """The kit's folder below `root`."""
    data = root / f"ILSVRC{year}_devkit_t12" / "data"
    data.mkdir(parents=True)
    (data / "meta.mat").write_bytes(meta(year))
    truth = "".join(f"{number}\n" for number in TRUTH)
    (data / f"ILSVRC{year}_validation_ground_truth.txt").write_text(truth)
    return data.parent


def jpeg(number: int, size: tuple[int, int] = (37, 53)) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def write_images(root: Path, kind: str = "val") -> Path:
    folder = root / kind
    folder.mkdir(parents=True)
    for number in range(1, IMAGES + 1):
        (folder / f"ILSVRC2012_{kind}_{number:08d}.JPEG").write_bytes(jpeg(number))
    return folder


def write_tar(root: Path) -> Path:
    path = root / "ILSVRC2012_img_val.tar"
    with tarfile.open(path, "w") as archive:
        for number in reversed(range(1, IMAGES + 1)):
            content = jpeg(number)
            header = tarfile.TarInfo(f"ILSVRC2012_val_{number:08d}.JPEG")
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


def model(seed: int = 3, classes: tuple[str, ...] = WORDNET_IDS) -> Model:
    net = convsmith.create("lenet5", classes=len(classes), input=(3, 32, 32))
    header = Header(net, classes, Preprocess(3, (32, 32), 36, (0.5,) * 3, (0.2,) * 3))
    return header.with_weights(convsmith.build(net, seed).state_dict())
