from pathlib import Path

import pytest
from pictures import class_folders, picture

from convsmith.data.sources.folder import read_folder
from convsmith.errors import DataError


def names(listing) -> list[str]:
    return [str(listing.images.path(row).relative_to(listing.images.root)) for row in range(len(listing.labels))]


def test_folders_are_classes_and_files_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    class_folders(tmp_path, {"b": 2, "a": 1})
    picture(tmp_path / "b/nested/deep/x.png")
    listing = read_folder(tmp_path)
    assert listing.classes == ("a", "b")
    assert names(listing) == ["a/000.png", "b/000.png", "b/001.png", "b/nested/deep/x.png"]
    assert listing.labels.tolist() == [0, 1, 1, 1]
    assert listing.rows.keys() == {"train"}


def test_classes_that_are_numbers_are_in_their_order(tmp_path: Path) -> None:
    assert read_folder(class_folders(tmp_path, {"10": 1, "9": 1, "1": 1})).classes == ("1", "9", "10")


def test_odd_names_are_kept(tmp_path: Path) -> None:
    class_folders(tmp_path, {"Blüte 花": 1, "it's; a \\test": 1, "100%": 1}, ".PNG")
    listing = read_folder(tmp_path)
    assert set(listing.classes) == {"Blüte 花", "it's; a \\test", "100%"}
    assert all(listing.images[row].shape == (6, 8, 3) for row in range(3))


def test_what_file_managers_leave_is_not_data(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 1, "b": 1})
    for path in (".DS_Store", "a/Thumbs.db", "b/.hidden.png", "__MACOSX/a.png", ".git/c.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    listing = read_folder(tmp_path)
    assert names(listing) == ["a/000.png", "b/000.png"]
    assert listing.findings == ()


def test_splits_match_classes_by_name_and_know_other_words_for_val(tmp_path: Path) -> None:
    class_folders(tmp_path, {"train/a": 2, "train/b": 1, "valid/b": 1, "valid/a": 1, "test/b": 2, "test/a": 1})
    listing = read_folder(tmp_path)
    by_split = {name: [names(listing)[row] for row in rows] for name, rows in listing.rows.items()}
    assert by_split["val"] == ["valid/a/000.png", "valid/b/000.png"]
    assert listing.labels[listing.rows["test"]].tolist() == [0, 1, 1]
    assert list(listing.rows) == ["train", "val", "test"]


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    assert read_folder(class_folders(tmp_path, {"train": 2, "car": 2})).classes == ("car", "train")


def test_what_is_beside_the_splits_and_loose_files_are_named(tmp_path: Path) -> None:
    class_folders(tmp_path, {"train/a": 1, "train/b": 1, "extra/a": 1})
    picture(tmp_path / "train/loose.png")
    found = {str(finding) for finding in read_folder(tmp_path).findings}
    assert found == {
        f"{tmp_path / 'extra'}: not one of the splits; not used",
        f"{tmp_path / 'train/loose.png'}: not in a class folder; not used",
    }


def test_links_that_lead_in_circles_are_named_and_not_followed(tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"a": 1, "b": 1})
    (tmp_path / "data/loop").symlink_to(tmp_path / "data")
    (tmp_path / "data/a/again").symlink_to(tmp_path / "data/a")
    elsewhere = class_folders(tmp_path / "elsewhere", {"c": 1})
    (tmp_path / "data/c").symlink_to(elsewhere / "c")
    (tmp_path / "data/a/linked.png").symlink_to(elsewhere / "c/000.png")
    listing = read_folder(tmp_path / "data")
    assert listing.classes == ("a", "b", "c")
    assert "a/linked.png" in names(listing)
    assert sorted(finding.reason for finding in listing.findings) == [
        "a link to a folder that it lies in; not followed",
        "a link to a folder; not followed",
    ]


@pytest.mark.parametrize(
    ("counts", "complaint"),
    [
        ({}, "holds no images; expected a folder of images for each class"),
        ({".": 2}, "holds files but no folders; put the images of each class into a folder of its own"),
        ({"train/a": 1, "val/a": 1, "valid/a": 1}, "which are the same split; keep one of them"),
    ],
)
def test_a_folder_that_is_no_data_set_says_what_would_be(
    tmp_path: Path, counts: dict[str, int], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        read_folder(class_folders(tmp_path, counts))


def test_a_class_of_unprintable_characters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'a\\nb' cannot be a class"):
        read_folder(class_folders(tmp_path, {"a\nb": 1, "c": 1}))


SPLIT_FOLDERS = [
    {"train": "train", "val": "val", "test": "test"},
    {"Train": "train", "Test": "test"},
    {"TRAINING": "train", "VALIDATION": "val", "TESTING": "test"},
    {"train": "train", "Test": "test"},
    {"train": "train", "testing": "test"},
    {"train": "train", "dev": "val"},
    {"train": "train", "holdout": "test"},
    {"train": "train", "hold-out": "test"},
    {"01_train": "train", "02_valid": "val", "03_test": "test"},
    {"train_images": "train", "test_images": "test"},
    {"TrainSet": "train", "TestSet": "test"},
    {"train2017": "train", "val2017": "val"},
    {"pets_train": "train", "pets_test": "test"},
    {"Pets-Train": "train", "Pets-Val": "val"},
    {"val": "val", "test": "test"},
    {"test": "test"},
]


@pytest.mark.parametrize("folders", SPLIT_FOLDERS, ids=lambda folders: " ".join(folders))
def test_split_folders_in_any_usual_spelling_are_splits(tmp_path: Path, folders: dict[str, str]) -> None:
    listing = read_folder(class_folders(tmp_path, {f"{folder}/{label}": 2 for folder in folders for label in "ab"}))
    assert listing.classes == ("a", "b")
    assert listing.findings == ()
    assert {split: {names(listing)[row].partition("/")[0] for row in rows} for split, rows in listing.rows.items()} == {
        split: {folder} for folder, split in folders.items()
    }


@pytest.mark.parametrize("wrapper", ["data", "dataset", "Images", "data/data", "raw_images"])
def test_a_folder_that_only_wraps_the_data_is_looked_into(tmp_path: Path, wrapper: str) -> None:
    listing = read_folder(class_folders(tmp_path, {f"{wrapper}/train/{label}": 2 for label in "ab"}))
    assert listing.classes == ("a", "b")
    assert len(listing.notes) == wrapper.count("/") + 1
    assert "is read in its place" in listing.notes[0].reason


def test_splits_that_are_wrapped_once_more_are_looked_into(tmp_path: Path) -> None:
    listing = read_folder(class_folders(tmp_path, {f"{s}/{s}/{label}": 2 for s in ("train", "test") for label in "ab"}))
    assert listing.classes == ("a", "b")
    assert {name: len(rows) for name, rows in listing.rows.items()} == {"train": 4, "test": 4}


def test_splits_beside_annotations_are_found(tmp_path: Path) -> None:
    class_folders(tmp_path, {f"images/{s}/{label}": 2 for s in ("train", "val") for label in "ab"})
    (tmp_path / "annotations/x").mkdir(parents=True)
    listing = read_folder(tmp_path)
    assert listing.classes == ("a", "b")
    assert [str(finding) for finding in listing.findings] == [
        f"{tmp_path / 'annotations'}: not one of the splits; not used"
    ]


def test_a_table_beside_loose_images_is_pointed_at(tmp_path: Path) -> None:
    class_folders(tmp_path, {".": 3})
    (tmp_path / "labels.csv").write_text("path,class\n")
    with pytest.raises(DataError, match=r"holds files but no folders; .*, or give .*/labels.csv if it names"):
        read_folder(tmp_path)


def test_classes_beside_a_test_folder_are_the_training_images(tmp_path: Path) -> None:
    listing = read_folder(class_folders(tmp_path, {"a": 3, "b": 3, "test/a": 1, "test/b": 2}))
    assert {name: len(rows) for name, rows in listing.rows.items()} == {"train": 6, "test": 3}


def test_a_split_without_labels_is_left_out_and_said(tmp_path: Path) -> None:
    class_folders(tmp_path, {"train/a": 2, "train/b": 2, "test": 3})
    listing = read_folder(tmp_path)
    assert listing.rows.keys() == {"train"}
    assert [str(finding) for finding in listing.findings] == [
        f"{tmp_path / 'test'}: named like a split, but its 3 images are not in class folders, so have no labels; "
        "not used"
    ]
    flat = read_folder(class_folders(tmp_path / "flat", {"cat": 2, "dog": 2, "test": 3}))
    assert flat.classes == ("cat", "dog")
    assert "have no labels" in flat.findings[0].reason


@pytest.mark.parametrize(
    ("counts", "complaint"),
    [
        ({"train": 2, "test": 2}, r"test, train are named like splits but hold no class folders; put .*, such as"),
        ({"Train": 2, "Valid": 2, "other": 2}, "Train, Valid are named like splits"),
        ({"test": 2}, "test are named like splits but hold no class folders"),
        (
            {"cat_train": 1, "cat_test": 1, "dog_train": 1, "dog_test": 1},
            "each hold one split of one class; .* test/cat",
        ),
    ],
)
def test_splits_never_become_classes(tmp_path: Path, counts: dict[str, int], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        read_folder(class_folders(tmp_path, counts))


LEFTOVERS = [
    ".git/objects/ab/cdef",
    ".cache/thumb.png",
    ".ipynb_checkpoints/1.png",
    "__MACOSX/a/._1.png",
    "@eaDir/1.png/SYNOPHOTO.jpg",
    "#recycle/old.png",
    "$RECYCLE.BIN/old.png",
    "System Volume Information/x",
    "lost+found/1",
    "__pycache__/x.pyc",
    "node_modules/pkg/icon.png",
    "Thumbs.db",
    "desktop.ini",
    "Icon\r",
    "0.png.bak",
    "0.jpg_original",
    "0.png.crdownload",
]


def leftover(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(path) if path.suffix in (".png", ".jpg") else path.write_bytes(b"x")


@pytest.mark.parametrize("place", ["", "a", "train/a"])
@pytest.mark.parametrize("name", LEFTOVERS)
def test_what_tools_leave_behind_never_changes_what_a_folder_is(tmp_path: Path, name: str, place: str) -> None:
    counts = {"train/a": 2, "train/b": 2, "test/a": 2, "test/b": 2} if place == "train/a" else {"a": 2, "b": 2}
    before = names(read_folder(class_folders(tmp_path, counts)))
    leftover(tmp_path / place / name)
    listing = read_folder(tmp_path)
    assert names(listing) == before
    assert (listing.findings, listing.notes) == ((), ())


def run_folder(folder: Path) -> None:
    """What a run of `fit` leaves, and a picture in it."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"network": {}, "recipe": {}, "preprocess": {}}')
    (folder / "model.safetensors").write_bytes(b"x")
    picture(folder / "hardest.png")


@pytest.mark.parametrize("place", ["runs/first", "out", "a/runs/second", "train/runs/x", "a/deep/er/model"])
def test_own_output_is_left_out_wherever_it_lies_with_a_line(tmp_path: Path, place: str) -> None:
    counts = {"train/a": 2, "train/b": 2} if place.startswith("train") else {"a": 2, "b": 2}
    before = names(read_folder(class_folders(tmp_path, counts)))
    run_folder(tmp_path / place)
    listing = read_folder(tmp_path)
    assert names(listing) == before
    assert listing.classes == ("a", "b")
    assert listing.findings == ()
    assert len(listing.notes) == 1
    assert "of convsmith; not used" in listing.notes[0].reason


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("pyvenv.cfg", "home = /usr", "a virtual environment"),
        ("CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55", "a cache"),
        ("index.json", '{"format": "convsmith shards 1", "classes": [], "shards": []}', "shards of convsmith"),
    ],
)
def test_environments_caches_and_shards_are_no_classes(tmp_path: Path, file: str, content: str, what: str) -> None:
    class_folders(tmp_path, {"a": 2, "b": 2})
    picture(tmp_path / "extra/lib/x.png")
    (tmp_path / "extra" / file).write_text(content)
    listing = read_folder(tmp_path)
    assert listing.classes == ("a", "b")
    assert [str(note) for note in listing.notes] == [f"{tmp_path / 'extra'}: {what}; not used"]


def test_an_empty_class_folder_is_said(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 2, "b": 2})
    (tmp_path / "c/deeper").mkdir(parents=True)
    (tmp_path / "c/notes.txt").write_text("x")
    listing = read_folder(tmp_path)
    assert listing.classes == ("a", "b")
    assert [str(finding) for finding in listing.findings] == [
        f"{tmp_path / 'c'}: holds no images; this class is left out"
    ]


def test_files_that_are_no_images_are_passed_over_and_counted(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 3, "b": 3})
    for number in range(3):
        (tmp_path / f"a/{number:03}.txt").write_text("1 0.5 0.5")
    (tmp_path / "b/meta.json").write_text("{}")
    (tmp_path / "README").write_text("hello")
    listing = read_folder(tmp_path)
    assert len(listing.labels) == 6
    assert listing.findings == ()
    assert [str(note) for note in listing.notes] == [
        f"{tmp_path}: 5 files are not images and were passed over (3 .txt, 1 .json, 1 without a suffix)"
    ]


def test_images_count_by_their_content_where_their_name_does_not_tell(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 2, "b": 2})
    (tmp_path / "a/000.png").rename(tmp_path / "a/000")
    (tmp_path / "b/000.png").rename(tmp_path / "b/000.dat")
    assert names(read_folder(tmp_path)) == ["a/000", "a/001.png", "b/000.dat", "b/001.png"]


def test_class_folders_whose_names_look_the_same_are_one_class(tmp_path: Path) -> None:
    counts = {"train/caf\u00e9": 2, "train/cat": 2, "test/cafe\u0301": 1, "test/Cat": 1}
    listing = read_folder(class_folders(tmp_path, counts))
    assert listing.classes == ("caf\u00e9", "cat")
    assert len(listing.notes) == 2
    assert all(listing.images[row].shape == (6, 8, 3) for row in range(len(listing.labels)))


def test_many_loose_images_are_one_line(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 1, "b": 1, ".": 9})
    assert [str(finding) for finding in read_folder(tmp_path).findings] == [
        f"{tmp_path}: 9 images not in a class folder; not used"
    ]


def test_an_archive_that_is_not_unpacked_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "images.zip").write_bytes(b"PK")
    (tmp_path / "README.txt").write_text("x")
    with pytest.raises(DataError, match=r"holds no images; .*; unpack images.zip first"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"animals/cat": 2, "animals/dog": 2, "vehicles/bus": 2, "vehicles/car": 2}, True),
        ({"train/animals/cat": 2, "train/animals/dog": 2, "train/cars/bus": 2, "train/cars/van": 2}, True),
        ({"cat/first": 2, "cat/second": 2, "dog/first": 2, "dog/second": 2}, False),
        ({"cat/images": 2, "dog/images": 2}, False),
        ({"animals/cat": 2, "animals/dog": 2, "vehicles": 2}, False),
    ],
)
def test_folders_below_the_classes_that_may_be_the_classes_are_said(
    tmp_path: Path, counts: dict[str, int], told: bool
) -> None:
    listing = read_folder(class_folders(tmp_path, counts))
    assert len(listing.classes) == 2
    assert [("hold 4 folders (animals/cat, animals/dog, ...)" in note.reason) for note in listing.notes] == [
        True
    ] * told
