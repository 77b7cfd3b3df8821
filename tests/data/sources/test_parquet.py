"""Image sets in Parquet files open as the hub has them, are copied once, and say what is wrong with them."""

import io
import json
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from pyarrow import parquet

from convsmith.data import open_dataset
from convsmith.data.images import StoredImages
from convsmith.data.sources.detect import read_source
from convsmith.data.sources.shards import pack
from convsmith.errors import DataError

CLASSES = ("zebra", "ant", "mole")


def picture(value: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (value % 256, 10, 20)).save(stream, kind)
    return stream.getvalue()


def structs(contents: list[bytes | None]) -> pa.Array:
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array([None if content is None else {"bytes": content, "path": None} for content in contents], struct)


def hub_schema(schema: pa.Schema, label: str = "label", classes: tuple[str, ...] = CLASSES) -> pa.Schema:
    features = {label: {"names": list(classes), "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    return schema.with_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode()})


def write(path: Path, columns: dict[str, object], *, hub: bool = True, label: str = "label", **options) -> Path:
    table = pa.table(columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = hub_schema(table.schema, label) if hub else table.schema
    parquet.write_table(table.cast(schema), path, **options)
    return path


def images(first: int, count: int) -> pa.Array:
    return structs([picture(first + i) for i in range(count)])


def labels(count: int) -> pa.Array:
    return pa.array([i % 3 for i in range(count)], pa.int64())


def hub_set(root: Path) -> Path:
    write(root / "data/train-00000-of-00002.parquet", {"image": images(0, 6), "label": labels(6)}, row_group_size=4)
    write(root / "data/train-00001-of-00002.parquet", {"image": images(50, 6), "label": labels(6)})
    write(root / "data/validation-00000-of-00001.parquet", {"image": images(100, 3), "label": labels(3)})
    write(root / "data/test-00000-of-00001.parquet", {"image": images(150, 3), "label": labels(3)})
    (root / "README.md").write_text("a card")
    return root


def test_the_hubs_layout_opens_with_its_splits_and_its_order_of_classes(tmp_path: Path) -> None:
    dataset = open_dataset(hub_set(tmp_path / "beasts"))
    assert dataset.name == "beasts"
    assert dataset.classes == CLASSES
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 12, "val": 3, "test": 3}
    assert [image[0, 0, 0] for image, _ in dataset.split("val")] == [100, 101, 102]
    assert dataset.split("train").labels.tolist() == [0, 1, 2] * 4
    assert dataset.skipped == ()


def test_images_are_called_after_their_files_and_rows(tmp_path: Path) -> None:
    listing = read_source(hub_set(tmp_path))
    names = [listing.images.name(row) for row in listing.rows["train"]]
    assert names[5:8] == [
        f"{tmp_path}/data/train-00000-of-00002.parquet[5]",
        f"{tmp_path}/data/train-00001-of-00002.parquet[0]",
        f"{tmp_path}/data/train-00001-of-00002.parquet[1]",
    ]


def test_images_are_copied_once_and_again_only_when_a_file_changes(tmp_path: Path, cache: Path) -> None:
    root = hub_set(tmp_path)
    first = read_source(root)
    assert isinstance(first.images, StoredImages)
    (copy,) = (folder for folder in (cache / "images").iterdir() if folder.is_dir())
    stamp = (copy / "images").stat().st_mtime_ns
    read_source(root)
    assert (copy / "images").stat().st_mtime_ns == stamp
    write(root / "data/test-00000-of-00001.parquet", {"image": images(200, 6), "label": labels(6)})
    assert len(read_source(root).rows["test"]) == 6
    assert len([folder for folder in (cache / "images").iterdir() if folder.is_dir()]) == 2


@pytest.mark.parametrize("file", ["images", "index.npz"])
def test_a_damaged_copy_is_made_again(tmp_path: Path, cache: Path, file: str) -> None:
    root = hub_set(tmp_path)
    read_source(root)
    (damaged,) = (cache / "images").glob(f"*/{file}")
    damaged.write_bytes(damaged.read_bytes()[:100])
    images = read_source(root).images
    assert images[0][0, 0].tolist() == [150, 10, 20]


def test_the_fingerprint_does_not_depend_on_where_the_set_and_the_cache_lie(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = open_dataset(hub_set(tmp_path / "one/beasts")).fingerprint
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: elsewhere / name)
    assert open_dataset(hub_set(tmp_path / "two/beasts")).fingerprint == one


@pytest.mark.parametrize(
    "place",
    [
        "{}.parquet",
        "data/{}.parquet",
        "plain_text/{}-00000-of-00001.parquet",
        "default/{}/0000.parquet",
        "{}/0.parquet",
    ],
)
def test_files_lie_where_the_hub_puts_them(tmp_path: Path, place: str) -> None:
    for number, split in enumerate(("train", "validation", "test")):
        write(tmp_path / place.format(split), {"image": images(number * 20, 6), "label": labels(6)})
    rows = read_source(tmp_path).rows
    assert {name: len(members) for name, members in rows.items()} == {"train": 6, "val": 6, "test": 6}


def test_a_single_file_is_a_set(tmp_path: Path) -> None:
    dataset = open_dataset(write(tmp_path / "beasts.parquet", {"image": images(0, 30), "label": labels(30)}))
    assert dataset.name == "beasts"
    assert list(dataset.splits) == ["train", "val", "test"]


def test_a_test_split_alone_can_be_measured_on(tmp_path: Path) -> None:
    path = write(tmp_path / "test-00000-of-00001.parquet", {"image": images(0, 6), "label": labels(6)})
    assert {name: len(split) for name, split in open_dataset(path).splits.items()} == {"test": 6}


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (pa.array(["b", "a"] * 3), ("a", "b")),
        (pa.array([10, 9] * 3), ("9", "10")),
        (pa.array(["b", "a"] * 3).dictionary_encode(), ("a", "b")),
        (pa.array([1, 0] * 3, pa.uint8()), ("0", "1")),
    ],
)
def test_labels_are_names_or_integers(tmp_path: Path, values: pa.Array, classes: tuple[str, ...]) -> None:
    path = write(tmp_path / "set.parquet", {"image": images(0, 6), "label": values}, hub=False)
    listing = read_source(path)
    assert listing.classes == classes
    assert listing.labels.tolist() == [1, 0] * 3


@pytest.mark.parametrize(
    "columns",
    [
        {"photo": images(0, 6), "label": labels(6)},
        {"image": pa.array([picture(i) for i in range(6)]), "label": labels(6)},
        {"img": pa.array([picture(i) for i in range(6)], pa.large_binary()), "label": labels(6)},
        {"mask": images(9, 6), "img": images(0, 6), "label": labels(6)},
        {"path": ["x.png"] * 6, "image": pa.array([picture(i) for i in range(6)]), "label": labels(6)},
    ],
)
def test_the_images_are_found_by_their_type(tmp_path: Path, columns: dict[str, object]) -> None:
    listing = read_source(write(tmp_path / "set.parquet", columns, hub=False))
    assert [listing.images[row][0, 0, 0] for row in range(6)] == list(range(6))


def test_the_label_may_have_any_name_if_the_schema_declares_it(tmp_path: Path) -> None:
    columns = {"image": images(0, 6), "id": labels(6), "beast": labels(6)}
    assert read_source(write(tmp_path / "set.parquet", columns, label="beast")).classes == CLASSES


def test_a_manifest_stays_a_manifest_whatever_bytes_it_has(tmp_path: Path) -> None:
    columns = {"path": ["b.png", "a.png"], "label": ["x", "y"], "pixels": [b"1", b"2"]}
    listing = read_source(write(tmp_path / "table.parquet", columns, hub=False))
    assert listing.images.name(0) == str(tmp_path / "a.png")


def test_class_folders_beside_a_parquet_file_stay_class_folders(tmp_path: Path) -> None:
    for label in ("ant", "mole"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(picture(1))
    write(tmp_path / "train.parquet", {"image": images(0, 6), "label": labels(6)})
    assert read_source(tmp_path).classes == ("ant", "mole")


def test_rows_without_image_or_label_are_left_out_and_told(tmp_path: Path) -> None:
    contents = [picture(0), None, picture(2), b"", picture(4), picture(5), picture(6)]
    values = pa.array([0, 1, None, 0, 1, -1, 2], pa.int64())
    listing = read_source(write(tmp_path / "set.parquet", {"image": structs(contents), "label": values}))
    assert listing.labels.tolist() == [0, 1, 2]
    assert [str(finding) for finding in listing.findings] == [
        f"{tmp_path}/set.parquet[1]: no image; not used",
        f"{tmp_path}/set.parquet[2]: no label; not used",
        f"{tmp_path}/set.parquet[3]: no image; not used",
        f"{tmp_path}/set.parquet[5]: no label; not used",
    ]
    assert [str(f) for f in read_source(tmp_path / "set.parquet").findings] == [str(f) for f in listing.findings]


def test_a_split_without_labels_is_left_out_and_told(tmp_path: Path) -> None:
    root = hub_set(tmp_path)
    path = root / "data/test-00000-of-00001.parquet"
    write(path, {"image": images(0, 3), "label": pa.array([-1] * 3, pa.int64())})
    listing = read_source(root)
    assert list(listing.rows) == ["train", "val"]
    assert [str(finding) for finding in listing.findings] == [f"{path}: no labels for its 3 images; not used"]


def test_a_file_of_another_split_is_left_out_and_told(tmp_path: Path) -> None:
    root = hub_set(tmp_path)
    write(root / "data/extra-00000-of-00001.parquet", {"image": images(0, 3), "label": labels(3)})
    listing = read_source(root)
    assert len(listing.labels) == 18
    assert "extra-00000-of-00001.parquet: its name does not say its split" in str(listing.findings[0])


def test_classes_without_images_are_left_out_and_told(tmp_path: Path) -> None:
    values = pa.array([2, 0] * 3, pa.int64())
    listing = read_source(write(tmp_path / "set.parquet", {"image": images(0, 6), "label": values}))
    assert listing.classes == ("zebra", "mole")
    assert listing.labels.tolist() == [1, 0] * 3
    assert "the classes ant have no images; not used" in str(listing.findings[0])


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        (
            {"image": images(0, 3), "kind": labels(3)},
            "has no column of labels, called label or class; its columns: image, kind",
        ),
        (
            {"image": images(0, 3), "label": [0.5, 1.5, 2.5]},
            "column label is of type double; expected one integer or one name",
        ),
        ({"image": images(0, 3), "label": [[1], [2], [3]]}, "column label is of type list"),
        ({"image": images(0, 3), "label": pa.array([0, 1, 3], pa.int64())}, "label 3 is outside its 3 classes"),
        ({"image": images(0, 3), "label": pa.array([-1, -1, -1], pa.int64())}, "has no image with a label"),
        ({"image": images(0, 0), "label": labels(0)}, "has no image with a label"),
        ({"image": images(0, 3), "label": ["x" * 2000, "y", "z"]}, "has a text of 2,000 characters"),
        ({"image": images(0, 3), "label": ["a\nb", "y", "z"]}, "cannot be a class"),
    ],
)
def test_a_set_that_is_wrong_says_where(tmp_path: Path, columns: dict[str, object], complaint: str) -> None:
    path = tmp_path / "set.parquet"
    if "label" in columns:
        write(path, columns)
    else:
        write(path, columns, hub=False)
    with pytest.raises(DataError, match=complaint) as caught:
        read_source(path)
    assert str(path) in str(caught.value)


def test_files_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    root = hub_set(tmp_path)
    write(root / "data/test-00000-of-00001.parquet", {"image": images(0, 3), "label": ["a", "b", "c"]}, hub=False)
    with pytest.raises(
        DataError, match=r"train-00000-of-00002.parquet does not have the columns and classes of .*test-00000"
    ):
        read_source(root)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / "images").write_text("in the way")
    with pytest.raises(
        DataError, match=r"images cannot be written: File exists; the images of .* have to be copied there once"
    ):
        read_source(hub_set(tmp_path))


def test_a_copy_that_the_disk_has_no_room_for_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with pytest.raises(DataError, match="has 10 bytes free; a copy of the images takes about"):
        read_source(hub_set(tmp_path))


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    root = hub_set(tmp_path)
    path = root / "data/train-00001-of-00002.parquet"
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path.name} cannot be read as Parquet"):
        read_source(root)
    assert [entry for entry in (cache / "images").iterdir() if not entry.name.startswith(".")] == []


def test_what_a_stopped_process_left_is_cleared(tmp_path: Path, cache: Path) -> None:
    root = hub_set(tmp_path)
    read_source(root)
    (copy,) = (folder for folder in (cache / "images").iterdir() if folder.is_dir())
    copy.rename(copy.with_name(f"{copy.name}.partial"))
    assert len(read_source(root).labels) == 18
    assert [folder for folder in (cache / "images").iterdir() if folder.is_dir()] == [copy]


def test_two_that_open_at_once_make_one_copy(tmp_path: Path, cache: Path) -> None:
    root = hub_set(tmp_path)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(read_source(root).labels))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [18] * 4
    assert len([entry for entry in (cache / "images").iterdir() if entry.is_dir()]) == 1


def test_progress_is_told_while_copying(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    small = picture(1)
    write(tmp_path / "set.parquet", {"image": structs([small] * 2500), "label": labels(2500)})
    read_source(tmp_path / "set.parquet", lambda done, total: told.append((done, total)))
    assert told == [(1000, 2500), (2000, 2500), (2500, 2500)]


def test_an_image_set_can_be_packed(tmp_path: Path) -> None:
    listing = read_source(hub_set(tmp_path / "in"))
    pack(listing, tmp_path / "shards")
    packed = read_source(tmp_path / "shards")
    assert packed.classes == CLASSES
    assert np.array_equal(packed.images[0], listing.images[int(listing.rows["train"][0])])


@settings(max_examples=200)
@given(st.data())
def test_damage_never_gets_beyond_our_errors(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("set")
    path = write(folder / "train.parquet", {"image": images(0, 6), "label": labels(6)})
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(1, len(content))) :]
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        listing = read_source(folder)
        for index in range(len(listing.images)):
            listing.images[index]
    except DataError as error:
        assert str(folder) in str(error)
        assert "\n" not in str(error)


def test_rows_with_paths_instead_of_bytes_are_read_from_their_files(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / f"images/{number}.png").write_bytes(picture(number))
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": None, "path": f"images/{number}.png"} for number in range(6)]
    rows += [{"bytes": picture(9), "path": "gone.png"}, {"bytes": None, "path": "gone.png"}]
    parquet.write_table(
        pa.table({"image": pa.array(rows, struct), "label": [number % 2 for number in range(8)]}),
        tmp_path / "train.parquet",
    )
    listing = read_source(tmp_path / "train.parquet")
    assert [listing.images[row][0, 0, 0] for row in range(7)] == [0, 1, 2, 3, 4, 5, 9]
    assert [str(finding) for finding in listing.findings] == [f"{tmp_path}/train.parquet[7]: no image; not used"]


@pytest.mark.parametrize("name", ["image", "file_name", "Path"])
def test_a_column_of_paths_is_a_manifest(tmp_path: Path, name: str) -> None:
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    table = pa.table({name: [f"{number}.png" for number in range(4)], "label": ["a", "b"] * 2, "score": [0.5] * 4})
    parquet.write_table(table, tmp_path / "t.parquet")
    listing = read_source(tmp_path / "t.parquet")
    assert listing.classes == ("a", "b")
    assert [listing.images[row][0, 0, 0] for row in range(4)] == [0, 1, 2, 3]
