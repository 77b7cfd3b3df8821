import numpy as np
import pytest
from hypothesis import given, strategies as st

from convsmith.data.split import check_classes, complete
from convsmith.errors import DataError

CLASSES = ("a", "b", "c")
counts = st.lists(st.integers(3, 60), min_size=3, max_size=3)


def labels_of(numbers: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(numbers)), numbers)


@given(counts, st.integers(0, 5))
def test_splits_share_no_row_leave_none_out_and_hold_each_classs_part(numbers: list[int], seed: int) -> None:
    labels = labels_of(numbers)
    rows = complete({"train": np.arange(len(labels))}, labels, CLASSES, seed, "set")
    assert list(rows) == ["train", "val", "test"]
    assert sorted(np.concatenate(list(rows.values())).tolist()) == list(range(len(labels)))
    for label, number in enumerate(numbers):
        for name in ("val", "test"):
            assert np.sum(labels[rows[name]] == label) == max(1, round(0.15 * number))


@given(counts, st.integers(0, 5))
def test_the_same_seed_gives_the_same_split(numbers: list[int], seed: int) -> None:
    labels = labels_of(numbers)
    everything = {"train": np.arange(len(labels))}
    once, again = (complete(everything, labels, CLASSES, seed, "set") for _ in range(2))
    assert all(np.array_equal(once[name], again[name]) for name in once)


def test_another_seed_gives_another_split() -> None:
    labels = labels_of([40, 40, 40])
    first, second = (complete({"train": np.arange(120)}, labels, CLASSES, seed, "set") for seed in (0, 1))
    assert not np.array_equal(first["test"], second["test"])


def test_a_class_is_split_alike_whatever_other_classes_hold() -> None:
    few, many = labels_of([20, 20, 20]), labels_of([20, 20, 50])
    one = complete({"train": np.arange(60)}, few, CLASSES, 0, "set")
    other = complete({"train": np.arange(90)}, many, CLASSES, 0, "set")
    assert [row for row in one["test"] if row < 40] == [row for row in other["test"] if row < 40]


def test_val_comes_out_of_train_where_there_is_a_test_split() -> None:
    labels = np.tile(np.arange(3), 40)
    rows = complete({"train": np.arange(90), "test": np.arange(90, 120)}, labels, CLASSES, 0, "set")
    assert rows["test"].tolist() == list(range(90, 120))
    assert [len(rows[name]) for name in ("train", "val")] == [81, 9]


def test_a_set_with_val_is_left_as_it_is() -> None:
    labels = np.tile(np.arange(3), 4)
    rows = complete({"val": np.arange(6, 12), "train": np.arange(6)}, labels, CLASSES, 0, "set")
    assert {name: len(members) for name, members in rows.items()} == {"train": 6, "val": 6}


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        ([5, 1, 5], "set: class 'b' has 1 image; it needs 3, one each for train and val and test"),
        ([5, 2, 5], "set: class 'b' has 2 images; it needs 3"),
    ],
)
def test_a_class_too_small_for_all_splits_is_named(numbers: list[int], complaint: str) -> None:
    labels = labels_of(numbers)
    with pytest.raises(DataError, match=complaint):
        complete({"train": np.arange(len(labels))}, labels, CLASSES, 0, "set")


def test_a_class_missing_in_a_split_is_named() -> None:
    labels = labels_of([4, 4, 4])
    rows = {"train": np.array([0, 1, 4, 5, 8, 9]), "val": np.array([2, 6]), "test": np.array([3, 7, 10])}
    with pytest.raises(DataError, match="set: 2 classes 'b', 'c' have no image in val"):
        complete({"train": np.array([0, 4, 8]), "val": np.array([1])}, labels, CLASSES, 0, "set")
    with pytest.raises(DataError, match="set: class 'c' has no image in val; each class needs one in every split"):
        complete(rows, labels, CLASSES, 0, "set")


def test_a_set_without_train_is_left_as_it_is_to_be_measured_on() -> None:
    rows = complete({"test": np.arange(3)}, labels_of([1, 1, 1]), CLASSES, 0, "set")
    assert {name: len(members) for name, members in rows.items()} == {"test": 3}


def test_a_set_of_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="holds one class, 'a'; at least two"):
        check_classes(("a",), "set")
    with pytest.raises(DataError, match=r"or label \(test: not used\)"):
        check_classes(("a",), "set", left_out=["test: not used"])
