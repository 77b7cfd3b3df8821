"""Shards hold what was packed, foreign ones open where they are unambiguous, and damaged ones are named."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from convsmith.data import open_dataset
from convsmith.data.images import StoredImages
from convsmith.data.sources.folder import read_folder
from convsmith.data.sources.shards import INDEX, is_shards, pack, read_shards, read_unlabelled, verify_shards
from convsmith.errors import ConvsmithError, DataError, UsageError


def png(value: int, side: int = 9) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (value, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


@pytest.fixture
def sound_folder(photo_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photo_folder, tmp_path / "photos", ignore=shutil.ignore_patterns("truncated.jpg")))


@pytest.fixture
def shards(sound_folder: Path, tmp_path: Path) -> Path:
    pack(read_folder(sound_folder), tmp_path / "shards", shard_bytes=200_000)
    return tmp_path / "shards"


def test_files_that_are_no_images_are_not_packed(photo_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"photos0: 1 file is not a usable image: .*truncated.jpg: damaged image"):
        pack(read_folder(photo_folder), tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def test_shards_are_the_data_set_that_was_packed(shards: Path, sound_folder: Path) -> None:
    packed, folder = open_dataset(shards), open_dataset(sound_folder)
    assert len(list(shards.glob("*.tar"))) > 2
    assert packed.classes == folder.classes
    for name, split in folder.splits.items():
        assert np.array_equal(packed.split(name).labels, split.labels)
        for (ours, _), (theirs, _) in zip(packed.split(name), split, strict=True):
            assert np.array_equal(ours, theirs)
    first = packed.split("train").images
    assert isinstance(first, StoredImages)
    assert first.name(0).startswith(f"{shards}/train-000000.tar/")
    assert verify_shards(shards) == len(list(shards.glob("*.tar")))


def test_the_same_images_give_the_same_bytes(shards: Path, sound_folder: Path, tmp_path: Path) -> None:
    pack(read_folder(sound_folder), tmp_path / "again", shard_bytes=200_000)
    assert (shards / INDEX).read_bytes() == (tmp_path / "again" / INDEX).read_bytes()


def test_images_in_memory_become_files(tmp_path: Path) -> None:
    source = tmp_path / "few.npz"
    generator = np.random.default_rng(0)
    np.savez(source, images=generator.integers(0, 256, (40, 8, 8), np.uint8), labels=np.arange(40) % 2)
    from convsmith.data.sources.detect import read_source

    pack(read_source(source), tmp_path / "shards")
    ours, theirs = open_dataset(tmp_path / "shards").split("train"), open_dataset(source).split("train")
    assert np.array_equal(ours.images.array, theirs.images.array)
    assert np.array_equal(ours.labels, theirs.labels)


def test_a_changed_byte_is_found_by_its_checksum(shards: Path) -> None:
    shard = sorted(shards.glob("*.tar"))[1]
    content = bytearray(shard.read_bytes())
    content[700] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match=f"{shard.name} is damaged: its SHA-256 is not that of {INDEX}"):
        verify_shards(shards)


def test_missing_and_shortened_shards_are_named(shards: Path) -> None:
    first, second, *_ = sorted(shards.glob("*.tar"))
    second.write_bytes(second.read_bytes()[:-512])
    with pytest.raises(DataError, match=f"{second.name} has .* bytes; index.json says"):
        read_shards(shards)
    first.unlink()
    with pytest.raises(DataError, match=f"{first.name} is missing; index.json lists it"):
        read_shards(shards)


def test_foreign_shards_open_by_their_names(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("val", 100)):
        members = {}
        for i in range(6):
            members |= {f"s/{i:03}.png": png(first + i), f"s/{i:03}.cls": b"cat" if i % 2 else b"dog\n"}
            members[f"s/{i:03}.json"] = b"{}"
        write_tar(tmp_path / f"{split}-000.tar", members)
    listing = read_shards(tmp_path)
    assert listing.classes == ("cat", "dog")
    assert {name: len(rows) for name, rows in listing.rows.items()} == {"train": 6, "val": 6}
    assert listing.images[6][0, 0].tolist() == [100, 0, 0]


def test_incomplete_samples_are_left_out_and_told(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"1.png": png(1), "1.cls": b"x", "2.png": png(2), "3.cls": b"y"})
    listing = read_shards(tmp_path)
    assert len(listing.images) == 1
    assert [finding.reason for finding in listing.findings] == [
        "has no label; not used",
        "has no image; not used",
    ]


def test_names_that_lead_outside_are_only_names(tmp_path: Path) -> None:
    write_tar(tmp_path / "in/a.tar", {"../../out.png": png(7), "../../out.cls": b"x", "/b.png": png(8), "/b.cls": b"y"})
    listing = read_shards(tmp_path / "in")
    assert [image[0, 0, 0] for image in (listing.images[0], listing.images[1])] == [7, 8]
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]


def test_a_container_that_shrinks_while_training_is_an_unreadable_image(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"1.png": png(1), "1.cls": b"x"})
    listing = read_shards(tmp_path)
    path.write_bytes(path.read_bytes()[:520])
    with pytest.raises(DataError, match=r"a\.tar/1\.png: the file that it lies in ends before it"):
        listing.images[0]


@pytest.mark.parametrize(
    "index",
    [
        "{",
        "[]",
        '{"format": "other", "classes": [], "shards": []}',
        '{"format": "convsmith shards 1", "classes": ["a", "a"], "shards": []}',
        '{"format": "convsmith shards 1", "classes": ["a"], "shards": [{"file": "../x.tar", "split": "train", '
        '"images": 1, "bytes": 1, "sha256": ""}]}',
    ],
)
def test_a_damaged_index_is_named(tmp_path: Path, index: str) -> None:
    (tmp_path / INDEX).write_text(index)
    with pytest.raises(DataError, match=rf"{INDEX} is damaged"):
        read_shards(tmp_path)


def test_a_label_that_the_index_lacks_is_refused(shards: Path) -> None:
    index = json.loads((shards / INDEX).read_text())
    index["classes"] = index["classes"][:2]
    (shards / INDEX).write_text(json.dumps(index))
    with pytest.raises(DataError, match="the index has 2"):
        read_shards(shards)


def test_shards_are_written_to_a_new_folder(shards: Path, photo_folder: Path) -> None:
    with pytest.raises(UsageError, match="is there already"):
        pack(read_folder(photo_folder), shards)


def test_dots_in_names_are_part_of_them(tmp_path: Path) -> None:
    members = {}
    for number, name in enumerate(("my.photo.1", "my.photo.2", "v1.0", "dir.with.dots/x", "plain")):
        members |= {f"{name}.jpg": png(number), f"{name}.cls": b"ab"[number % 2 : number % 2 + 1]}
    write_tar(tmp_path / "a.tar", members)
    listing = read_shards(tmp_path)
    assert [listing.images[row][0, 0, 0] for row in range(5)] == [0, 1, 2, 3, 4]
    assert listing.labels.tolist() == [0, 1, 0, 1, 0]
    assert listing.findings == ()


def test_an_image_with_a_word_before_its_suffix_belongs_to_its_sample(tmp_path: Path) -> None:
    members = {"1.input.png": png(1), "1.cls": b"x", "2.png": png(2), "2.mask.png": png(9), "2.cls": b"y"}
    listing = read_shards(write_tar(tmp_path / "a.tar", members).parent)
    assert [listing.images[row][0, 0, 0] for row in range(2)] == [1, 2]
    assert listing.findings == ()


@pytest.mark.parametrize(
    "names",
    [
        ("train-000.tar", "test-000.tar"),
        ("pets-train-000.tar", "pets-test-000.tar"),
        ("000.train.tar", "000.test.tar"),
        ("Pets_TRAIN.tar", "Pets_Testing.tar"),
        ("train/000.tar", "test/000.tar"),
        ("training/a.tar", "holdout/a.tar"),
    ],
)
def test_the_split_stands_anywhere_in_a_shards_name(tmp_path: Path, names: tuple[str, str]) -> None:
    for number, name in enumerate(names):
        write_tar(tmp_path / name, {"1.png": png(number), "1.cls": b"x", "2.png": png(number), "2.cls": b"y"})
    assert is_shards(tmp_path)
    listing = read_shards(tmp_path)
    assert {split: len(rows) for split, rows in listing.rows.items()} == {"train": 2, "test": 2}
    assert [listing.images[row][0, 0, 0] for row in listing.rows["test"]] == [1, 1]
    assert len(read_unlabelled(tmp_path)) == 4


@pytest.mark.parametrize("leftover", [".cache/x", "__MACOSX/._a.tar", "@eaDir/a.tar", ".a.tar", "Thumbs.db"])
def test_what_tools_leave_behind_does_not_change_what_shards_are(tmp_path: Path, leftover: str) -> None:
    write_tar(tmp_path / "a.tar", {"1.png": png(1), "1.cls": b"x", "._1.png": b"apple"})
    (tmp_path / leftover).parent.mkdir(exist_ok=True)
    (tmp_path / leftover).write_bytes(b"x")
    assert is_shards(tmp_path)
    assert len(read_shards(tmp_path).images) == 1


def test_an_image_without_a_suffix_is_packed_as_what_it_is(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"data/{number}").mkdir(parents=True)
        (tmp_path / f"data/{number}/x").write_bytes(png(number))
    pack(read_folder(tmp_path / "data"), tmp_path / "shards")
    listing = read_shards(tmp_path / "shards")
    assert [listing.images.name(row).rpartition(".")[2] for row in range(2)] == ["png", "png"]


WHOLE = {"1.png": png(1), "1.cls": b"x", "2.png": png(2), "2.cls": b"y"}


@given(st.data())
def test_damage_never_gets_beyond_our_errors(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = write_tar(tmp_path_factory.mktemp("tar") / "a.tar", WHOLE)
    content = bytearray(path.read_bytes())
    del content[data.draw(st.integers(1, len(content))) :]
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        listing = read_shards(path.parent)
        for index in range(len(listing.images)):
            listing.images[index]
    except ConvsmithError as error:
        assert "a.tar" in str(error) or str(path.parent) in str(error)
