import pytest

from convsmith.data.sources.naming.split_names import split_and_rest, split_in, split_of


@pytest.mark.parametrize(
    ("names", "split"),
    [
        ("train Train TRAIN training Training train_set TrainSet trainset train2017 01_train train-images", "train"),
        ("val Val VALID validation Validation_Set dev Dev valset val2017 2_val validate", "val"),
        ("test Test testing TestSet test-images holdout Hold-Out held_out heldout tests test.data", "test"),
    ],
)
def test_splits_in_any_usual_spelling(names: str, split: str) -> None:
    assert {name: split_of(name) for name in names.split()} == dict.fromkeys(names.split(), split)


@pytest.mark.parametrize(
    "name",
    [
        "cat",
        "strain",
        "train_station",
        "steam train",
        "testament",
        "valley",
        "contest",
        "train_test",
        "device",
        "",
        "1",
    ],
)
def test_other_names_are_no_splits(name: str) -> None:
    assert split_of(name) is None


def test_what_stands_beside_a_split_is_told() -> None:
    assert split_and_rest("Pets-Train_images") == ("train", ("pets",))
    assert split_and_rest("dataset") == (None, ())
    assert split_in("imagenet-val-000012") == "val"
    assert split_in("000012.train") == "train"
    assert split_in("train-and-test") is None
