"""What is meant by files, folders and shards on a command line."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pictures import picture
from PIL import Image
from pyarrow import parquet

from convsmith.data.sources.folder import read_folder
from convsmith.data.sources.shards import pack
from convsmith.data.unlabelled import GatheredImages, gather
from convsmith.errors import DataError


def names(images: GatheredImages) -> list[str]:
    return [images.name(row) for row in range(len(images))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name in ("b.png", "a.JPG", "sub/deep/z.webp", "sub/c.tiff", ".hidden.png", ".cache/d.png"):
        picture(root / name)
    (root / "notes.txt").write_text("no image")
    return root


def test_of_a_folder_every_image_below_counts_by_name(folder: Path) -> None:
    wanted = ["a.JPG", "b.png", "sub/c.tiff", "sub/deep/z.webp"]
    assert names(gather([folder])) == [str(folder / name) for name in wanted]


def test_a_link_to_a_folder_is_told_and_not_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "again").symlink_to(folder)
    images = gather([folder])
    assert len(images) == 4
    assert [str(finding) for finding in images.findings] == [
        f"{folder / 'again'}: a link to a folder; not followed",
        f"{folder}: 1 file is not an image and was passed over (1 .txt)",
    ]


def test_the_order_is_that_of_the_sources(folder: Path, tmp_path: Path) -> None:
    first, last = picture(tmp_path / "x.png"), picture(tmp_path / "a.png")
    given = names(gather([first, last, folder, Path("missing.png")]))
    assert given[:2] == [str(first), str(last)]
    assert given[2:6] == names(gather([folder]))
    assert given[6:] == ["missing.png"]


def test_shards_hold_their_images_with_and_without_labels(tmp_path: Path) -> None:
    for number in range(6):
        picture(tmp_path / "data" / "ab"[number % 2] / f"{number}.png", (number, 0, 0))
    listing = read_folder(tmp_path / "data")
    pack(listing, tmp_path / "shards", shard_bytes=3000)
    shards = sorted((tmp_path / "shards").glob("*.tar"))
    assert len(shards) > 1
    together, apart = gather([tmp_path / "shards"]), gather(shards)
    assert names(together) == names(apart)
    assert names(together)[0] == f"{shards[0]}/000000000.png"
    for row in range(6):
        assert np.array_equal(together[row], listing.images[row])
        assert np.array_equal(apart[row], listing.images[row])


def test_an_image_of_a_shard_needs_no_label(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bare.tar", "w") as archive:
        archive.add(picture(tmp_path / "one.png"), "one.png")
        archive.add(picture(tmp_path / "two.png"), "folder/two.png")
    wanted = [f"{tmp_path}/bare.tar/{name}" for name in ("one.png", "folder/two.png")]
    assert names(gather([tmp_path / "bare.tar"])) == wanted


@pytest.mark.parametrize(("start", "stop"), [(0, 7), (0, 1), (1, 4), (2, 6), (3, 7), (6, 7)])
def test_a_part_has_the_images_of_its_rows(folder: Path, tmp_path: Path, start: int, stop: int) -> None:
    images = gather([picture(tmp_path / "x.png"), folder, picture(tmp_path / "y.png"), picture(tmp_path / "z.png")])
    assert names(images.between(start, stop)) == names(images)[start:stop]


def test_absolute_images_are_the_same_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    images = gather([Path("photos"), Path("photos/b.png")])
    assert names(images)[0] == "photos/a.JPG"
    assert names(images.absolute()) == [str(folder.parent / name) for name in names(images)]


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match=f"{tmp_path} holds no images .JPEG, PNG"):
        gather([tmp_path])


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    (tmp_path / "data/a").mkdir(parents=True)
    noise.save(tmp_path / "data/a/0.png")
    pack(read_folder(tmp_path / "data"), tmp_path / "shards")
    shard = next((tmp_path / "shards").glob("*.tar"))
    shard.write_bytes(shard.read_bytes()[:2000])
    with pytest.raises(DataError, match=shard.name):
        gather([shard])
    with pytest.raises(DataError, match=shard.name):
        gather([tmp_path / "shards"])


def test_files_of_many_images_are_taken_as_in_training(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=pixels, labels=np.arange(6) % 2)
    names = [picture(tmp_path / f"photos/{number}.png", (number, 0, 0)).name for number in range(6)]
    rows = "".join(f"photos/{name},{number % 2}\n" for number, name in enumerate(names))
    (tmp_path / "table.csv").write_text("path,class\n" + rows)
    content = [(tmp_path / "photos" / name).read_bytes() for name in names]
    (tmp_path / "hub/data").mkdir(parents=True)
    parquet.write_table(
        pa.table({"image": content, "label": [0, 1] * 3}), tmp_path / "hub/data/train-00000-of-00001.parquet"
    )
    images = gather([tmp_path / "set.npz", tmp_path / "table.csv", tmp_path / "hub"])
    assert len(images) == 18
    assert np.array_equal(images[4], pixels[4])
    assert [images[row][0, 0, 0] for row in range(6, 18)] == [*range(6), *range(6)]
    assert len(images.between(4, 14).absolute()) == 10


def test_an_address_is_called_one() -> None:
    with pytest.raises(DataError, match=r"https://example\.org/cat\.jpg is an address; download the image"):
        gather([Path("https://example.org/cat.jpg")])
