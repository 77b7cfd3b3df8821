"""ImageNet's archives and the hub's Parquet files at the command line, from the check to the measurement."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from command import QUICK, Command
from PIL import Image
from pyarrow import parquet
from scipy.io import savemat

import convsmith as library
from convsmith.weights import Model, save_model

WNIDS = ("n01440764", "n01443537")
KIT = "ILSVRC2012_devkit_t12"


def photo(value: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(value).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def tar(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def val(tmp_path: Path) -> Path:
    """ImageNet's validation images and development kit, of two classes."""
    root = tmp_path / "imagenet"
    root.mkdir()
    images = {f"ILSVRC2012_val_{number:08}.JPEG": photo(number) for number in range(1, 5)}
    (root / "ILSVRC2012_img_val.tar").write_bytes(tar(images))
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")]
    meta = io.BytesIO()
    savemat(meta, {"synsets": np.array([(1.0, WNIDS[1], 0.0), (2.0, WNIDS[0], 0.0)], kinds)})
    kit = {"meta.mat": meta.getvalue(), "ILSVRC2012_validation_ground_truth.txt": b"1\n2\n1\n1\n"}
    content = tar({f"{KIT}/data/{name}": part for name, part in kit.items()})
    (root / f"{KIT}.tar.gz").write_bytes(gzip.compress(content))
    return root


@pytest.fixture
def imagenet(val: Path) -> Path:
    train = {f"{w}.tar": tar({f"{w}_{i}.JPEG": photo(10 + i) for i in range(3)}) for w in WNIDS}
    (val / "ILSVRC2012_img_train.tar").write_bytes(tar(train))
    return val


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {"img": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["tench", "goldfish"]}}
    for split in ("train", "test"):
        images = pa.array([{"bytes": photo(i), "path": None} for i in range(6)], struct)
        table = pa.table({"img": images, "label": pa.array([0, 1] * 3, pa.int64())})
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        (tmp_path / "hub/data").mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, tmp_path / f"hub/data/{split}-00000-of-00001.parquet")
    return tmp_path / "hub"


def counts(text: str) -> dict[str, dict[str, int]]:
    return json.loads(text)["images"]


def test_imagenets_archives_are_inspected(convsmith: Command, imagenet: Path) -> None:
    outcome = convsmith("inspect", imagenet, "--json")
    assert outcome.code == 0, outcome.err
    assert counts(outcome.out) == {"train": {"tench": 3, "goldfish": 3}, "val": {"tench": 1, "goldfish": 3}}


def test_the_hubs_files_are_inspected(convsmith: Command, hub: Path) -> None:
    outcome = convsmith("inspect", hub, "--json")
    assert outcome.code == 0, outcome.err
    assert counts(outcome.out)["test"] == {"tench": 3, "goldfish": 3}
    assert sum(map(sum, (split.values() for split in counts(outcome.out).values()))) == 12


def test_a_published_classifier_is_measured_on_val_alone(convsmith: Command, val: Path, tmp_path: Path) -> None:
    from convsmith.weights.imagenet import labels

    net = library.create("lenet5", classes=1000, input=(3, 32, 32))
    preprocess = library.Preprocess(3, (32, 32), 32, (0.5,) * 3, (0.5,) * 3)
    save_model(Model(net, library.build(net).state_dict(), labels(), preprocess), tmp_path / "m.safetensors")
    outcome = convsmith("evaluate", tmp_path / "m.safetensors", val, "--split", "val", "--json")
    assert outcome.code == 0, outcome.err
    measured = json.loads(outcome.out)
    assert {name: row["images"] for name, row in measured["classes"].items() if row["images"]} == {
        "tench": 1,
        "goldfish": 3,
    }


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("fit", *QUICK, "--out", "never"), "imagenet has no split 'train'; it has: val"),
        (("inspect", "--strict"), "ILSVRC2012_img_train.tar/n01440764.tar is damaged: invalid header"),
    ],
)
def test_what_cannot_be_used_is_one_line(convsmith: Command, val: Path, words: tuple[str, ...], complaint: str) -> None:
    if "inspect" in words:
        (val / "ILSVRC2012_img_train.tar").write_bytes(tar({"n01440764.tar": b"junk" * 300}))
    outcome = convsmith(*words, val)
    assert outcome.code == 1
    assert complaint in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
