"""ImageNet as it is distributed gives the same images, labels and classes in every mixture of archives and folders."""

import csv
import gzip
import io
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from scipy.io import savemat

from convsmith.data import open_dataset
from convsmith.data.images import StoredImages
from convsmith.data.sources.detect import read_source
from convsmith.data.sources.imagenet.devkit import leaf_synsets
from convsmith.data.sources.imagenet.ilsvrc import is_ilsvrc, read_ilsvrc
from convsmith.data.sources.shards import pack
from convsmith.errors import DataError
from convsmith.weights.imagenet import labels, synsets

# In the order of their WordNet ids; by their ILSVRC2012_ID the order is another, as in the true kit.
WNIDS = ("n01440764", "n01443537", "n02085620")
NAMES = ("tench", "goldfish", "Chihuahua")
IDS = {2: "n01440764", 3: "n01443537", 1: "n02085620"}
TRUTH = (1, 2, 3, 3, 2, 1)
KIT = "ILSVRC2012_devkit_t12"


def jpeg(colour: tuple[int, ...], mode: str = "RGB", kind: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (20, 10), colour).save(stream, kind)
    return stream.getvalue()


def train_images(wnid: str) -> dict[str, bytes]:
    place = WNIDS.index(wnid)
    return {f"{wnid}_{i}.JPEG": jpeg((60 * place, 40 * i, 99)) for i in range(4)}


VAL = {f"ILSVRC2012_val_{i:08}.JPEG": jpeg((0, 30 * i, 200)) for i in range(1, 7)}


def tar(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return stream.getvalue()


def synset_rows() -> list[tuple[int, str, str, int]]:
    leaves = [(number, wnid, "some words", 0) for number, wnid in sorted(IDS.items())]
    return [*leaves, (4, "n00001740", "entity", 3)]


@cache  # MATLAB files begin with the time
def meta(column: bool = False) -> bytes:
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    rows = np.array([(float(n), wnid, words, float(c)) for n, wnid, words, c in synset_rows()], dtype=fields)
    stream = io.BytesIO()
    savemat(stream, {"synsets": rows[:, None] if column else rows}, do_compression=True)
    return stream.getvalue()


def ground_truth() -> bytes:
    return "".join(f"{number}\n" for number in TRUTH).encode()


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def kit_folder(root: Path) -> None:
    write(root / KIT / "data/meta.mat", meta())
    write(root / KIT / "data/ILSVRC2012_validation_ground_truth.txt", ground_truth())


def kit_archive(root: Path) -> None:
    names = {"readme.txt": b"hello", "data/meta.mat": meta(column=True)}
    names["data/ILSVRC2012_validation_ground_truth.txt"] = ground_truth()
    content = tar({f"{KIT}/{name}": content for name, content in names.items()})
    write(root / f"{KIT}.tar.gz", gzip.compress(content, mtime=0))


def train_tar(root: Path) -> None:
    # In the order of nothing, as the true one.
    write(root / "ILSVRC2012_img_train.tar", tar({f"{w}.tar": tar(train_images(w)) for w in reversed(WNIDS)}))


def train_class_tars(root: Path) -> None:
    for wnid in WNIDS:
        write(root / f"{wnid}.tar", tar(train_images(wnid)))


def train_folders(root: Path) -> None:
    for wnid in WNIDS:
        for name, content in train_images(wnid).items():
            write(root / wnid / name, content)


def val_tar(root: Path) -> None:
    write(root / "ILSVRC2012_img_val.tar", tar(dict(reversed(VAL.items()))))


def val_flat(root: Path) -> None:
    for name, content in VAL.items():
        write(root / name, content)


def everything(root: Path) -> list[tuple[str, str, bytes]]:
    dataset = open_dataset(root)
    return [
        (split, dataset.classes[label], image[0, 0].tobytes())
        for split in dataset.splits
        for image, label in dataset.split(split)
    ]


def kaggle(root: Path) -> None:
    train_folders(root / "ILSVRC/Data/CLS-LOC/train")
    val_flat(root / "ILSVRC/Data/CLS-LOC/val")
    write(root / "ILSVRC/Data/CLS-LOC/test/ILSVRC2012_test_00000001.JPEG", jpeg((1, 2, 3)))
    with (root / "LOC_val_solution.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ImageId", "PredictionString"])
        # Kaggle's table is in no order, and an image can have several boxes.
        for number in (3, 1, 2, 6, 5, 4):
            box = f"{IDS[TRUTH[number - 1]]} 1 2 3 4 "
            rows.writerow([f"ILSVRC2012_val_{number:08}", box * number])


LAYOUTS = {
    "archives": lambda root: (train_tar(root), val_tar(root), kit_archive(root)),
    "class tars and loose images": lambda root: (train_class_tars(root), val_flat(root), kit_folder(root)),
    "class tars in train": lambda root: (train_class_tars(root / "train"), val_flat(root / "val"), kit_folder(root)),
    "folders": lambda root: (train_folders(root), val_tar(root), kit_archive(root)),
    "folders in train": lambda root: (train_folders(root / "train"), val_flat(root / "val"), kit_archive(root)),
    "archives in folders": lambda root: (train_tar(root / "train"), val_tar(root / "val"), kit_archive(root)),
    "kaggle": kaggle,
}


@pytest.fixture(scope="module")
def expected() -> list[tuple[str, str, bytes]]:
    decoded = lambda content: np.array(Image.open(io.BytesIO(content)).convert("RGB"))[0, 0].tobytes()  # noqa: E731
    train = [("train", NAMES[i], decoded(c)) for i, w in enumerate(WNIDS) for c in train_images(w).values()]
    name = dict(zip(WNIDS, NAMES, strict=True))
    return train + [("val", name[IDS[t]], decoded(c)) for t, c in zip(TRUTH, VAL.values(), strict=True)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same(layout: str, tmp_path: Path, expected: list[tuple[str, str, bytes]]) -> None:
    LAYOUTS[layout](tmp_path / "imagenet")
    assert everything(tmp_path / "imagenet") == expected


def test_classes_are_called_as_published_classifiers_call_them(tmp_path: Path) -> None:
    LAYOUTS["archives"](tmp_path)
    assert read_source(tmp_path).classes == NAMES
    known = {synset.wordnet_id: name for synset, name in zip(synsets(), labels(), strict=True)}
    assert tuple(known[wnid] for wnid in WNIDS) == NAMES


def test_images_are_read_in_place_and_named_by_their_archives(tmp_path: Path) -> None:
    LAYOUTS["archives"](tmp_path)
    before = sorted(tmp_path.rglob("*"))
    images = read_source(tmp_path).images
    assert isinstance(images, StoredImages)
    assert images.name(0) == f"{tmp_path}/ILSVRC2012_img_train.tar/n01440764.tar/n01440764_0.JPEG"
    assert images.source(0) == train_images("n01440764")["n01440764_0.JPEG"]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_mixture_of_archives_and_files_can_be_packed(tmp_path: Path, expected: list[tuple[str, str, bytes]]) -> None:
    LAYOUTS["folders"](tmp_path / "in")
    pack(read_source(tmp_path / "in"), tmp_path / "shards")
    assert everything(tmp_path / "shards") == expected


def test_png_and_cmyk_under_the_name_of_jpeg_are_images(tmp_path: Path) -> None:
    odd = {"n01440764_9.JPEG": jpeg((9, 8, 7), kind="PNG"), "n01440764_8.JPEG": jpeg((255, 0, 0, 0), "CMYK")}
    classes = {w: train_images(w) for w in WNIDS[:2]}
    classes["n01440764"] |= odd
    write(tmp_path / "ILSVRC2012_img_train.tar", tar({f"{w}.tar": tar(c) for w, c in classes.items()}))
    images = read_source(tmp_path).images
    assert [images[row].shape for row in range(len(images))] == [(10, 20, 3)] * 10
    assert images[5][0, 0].tolist() == [9, 8, 7]


def test_val_alone_is_a_set_to_measure_on(tmp_path: Path) -> None:
    val_tar(tmp_path)
    kit_archive(tmp_path)
    dataset = open_dataset(tmp_path)
    assert {name: len(split) for name, split in dataset.splits.items()} == {"val": 6}
    with pytest.raises(DataError, match="has no split 'train'; it has: val"):
        dataset.split("train")


def test_a_part_of_train_keeps_the_part_of_val_that_it_knows(tmp_path: Path) -> None:
    train_folders(tmp_path / "train")
    for file in (tmp_path / "train/n01443537").iterdir():
        file.unlink()
    (tmp_path / "train/n01443537").rmdir()
    val_flat(tmp_path / "val")
    kit_folder(tmp_path)
    listing = read_source(tmp_path)
    assert listing.classes == ("tench", "Chihuahua")
    assert len(listing.rows["val"]) == 4
    assert "2 images of 1 classes that train does not have" in str(listing.findings[0])


def test_val_without_labels_is_left_out_beside_train_and_refused_alone(tmp_path: Path) -> None:
    val_tar(tmp_path)
    with pytest.raises(DataError, match=rf"no labels for it; put the development kit, {KIT}.tar.gz, beside it"):
        read_source(tmp_path)
    train_tar(tmp_path)
    listing = read_source(tmp_path)
    assert list(listing.rows) == ["train"]
    assert "no labels for it" in listing.findings[0].reason


def test_test_images_have_no_labels(tmp_path: Path) -> None:
    train_tar(tmp_path)
    write(tmp_path / "ILSVRC2012_img_test.tar", tar({"ILSVRC2012_test_00000001.JPEG": b""}))
    (finding,) = read_source(tmp_path).findings
    assert str(finding) == f"{tmp_path}/ILSVRC2012_img_test.tar: the test images' labels are not published; not used"


def test_what_is_there_twice_is_used_once_and_told(tmp_path: Path) -> None:
    train_tar(tmp_path)
    train_folders(tmp_path / "train")
    listing = read_source(tmp_path)
    assert len(listing.labels) == 12
    assert str(listing.findings[0]) == f"{tmp_path}/train: {tmp_path}/ILSVRC2012_img_train.tar is used in its place"


def test_plain_class_folders_are_no_ilsvrc(tmp_path: Path) -> None:
    train_folders(tmp_path / "a/train")
    train_folders(tmp_path / "a/val")
    write(tmp_path / "b/cat/ILSVRC2012_val_00000001.JPEG", b"")
    write(tmp_path / "b/dog/1.jpg", b"")
    write(tmp_path / "b/ILSVRC2012_val_00000001.JPEG", b"")
    write(tmp_path / "c/train-000.tar", tar({}))
    assert [is_ilsvrc(tmp_path / name) for name in "abc"] == [False] * 3
    assert read_source(tmp_path / "a").classes == WNIDS


def test_links_in_archives_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "secret.jpg", jpeg((1, 1, 1)))
    stream = io.BytesIO(tar(VAL))
    with tarfile.open(fileobj=stream, mode="a") as archive:
        link = tarfile.TarInfo("ILSVRC2012_val_00000001.JPEG")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.jpg")
        archive.addfile(link)
    write(tmp_path / "set/ILSVRC2012_img_val.tar", stream.getvalue())
    kit_folder(tmp_path / "set")
    assert len(read_source(tmp_path / "set").labels) == 6


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            lambda content: content[:-10_300],
            r"ILSVRC2012_img_train.tar/n01440764.tar is damaged|img_train.tar is damaged",
        ),
        (lambda content: content[:4000], "is damaged: it ends within n02085620.tar"),
        (lambda content: b"", r"ILSVRC2012_img_train.tar is damaged: empty file"),
        (lambda content: b"x" * 20_000, "ILSVRC2012_img_train.tar is damaged: .*header"),
        (lambda content: content[:-10_240] + b"x" * 10_240, "ILSVRC2012_img_train.tar is damaged"),
    ],
)
def test_a_damaged_archive_is_named(damage, complaint: str, tmp_path: Path) -> None:
    train_tar(tmp_path)
    path = tmp_path / "ILSVRC2012_img_train.tar"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=complaint):
        read_source(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("meta.mat", b"no matlab", "meta.mat cannot be read as the kit's synsets"),
        ("meta.mat", b"", "meta.mat cannot be read as the kit's synsets"),
        ("ILSVRC2012_validation_ground_truth.txt", b"1\n2\nx\n", "line 3 is 'x', which is not a class in meta.mat"),
        ("ILSVRC2012_validation_ground_truth.txt", b"1\n4\n", "line 2 is '4', which is not a class in meta.mat"),
        ("ILSVRC2012_validation_ground_truth.txt", b"1" * 9_000_000, "is longer than 8,388,608 bytes"),
    ],
)
def test_a_damaged_kit_is_named(tmp_path: Path, file: str, content: bytes, complaint: str) -> None:
    val_tar(tmp_path)
    kit_folder(tmp_path)
    write(tmp_path / KIT / "data" / file, content)
    with pytest.raises(DataError, match=complaint) as caught:
        read_source(tmp_path)
    assert "\n" not in str(caught.value)


def test_images_beyond_the_ground_truth_are_told(tmp_path: Path) -> None:
    val_flat(tmp_path)
    kit_folder(tmp_path)
    write(tmp_path / KIT / "data/ILSVRC2012_validation_ground_truth.txt", b"1\n2\n3\n1\n2\n")
    listing = read_source(tmp_path)
    assert len(listing.labels) == 5
    assert "ILSVRC2012_val_00000006.JPEG: the labels have no line for it" in str(listing.findings[0])


@pytest.mark.parametrize("column", [False, True])
def test_synsets_are_a_row_or_a_column(column: bool) -> None:
    assert leaf_synsets(meta(column), Path("meta.mat")) == IDS


def test_a_kit_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    val_tar(tmp_path)
    write(tmp_path / f"{KIT}.tar.gz", gzip.compress(bytes(70 << 20)))
    with pytest.raises(DataError, match="is damaged: it unpacks to more than 67,108,864 bytes"):
        read_source(tmp_path)


def damaged(content: bytes, data: st.DataObject) -> bytes:
    changed = bytearray(content)
    del changed[data.draw(st.integers(1, len(changed))) :]
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed)


@settings(max_examples=150)
@given(st.data())
def test_damage_never_gets_beyond_our_errors(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.mktemp("imagenet")
    LAYOUTS["archives"](root)
    path = data.draw(st.sampled_from(sorted(root.iterdir())))
    path.write_bytes(damaged(path.read_bytes(), data))
    try:
        listing = read_ilsvrc(root)
        for index in range(len(listing.images)):
            listing.images[index]
    except DataError as error:
        assert str(root) in str(error)
        assert "\n" not in str(error)


@settings(max_examples=150)
@given(st.data())
def test_damaged_synsets_are_an_answer_or_an_error(data: st.DataObject) -> None:
    try:
        leaf_synsets(damaged(meta(), data), Path("kit/meta.mat"))
    except DataError as error:
        assert str(error).startswith("kit/meta.mat")
