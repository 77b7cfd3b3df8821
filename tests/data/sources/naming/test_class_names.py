import pytest

from convsmith.data.sources.naming.class_names import name_classes
from convsmith.errors import DataError

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("name", ["a\u200cb", "a\u200db", "a\u3000b", "a\u00a0b", "क्‍ष", "👩‍🔬", "a b", "\u202b"])
def test_letters_that_are_not_seen_are_taken(name: str) -> None:
    assert name_classes([name, "z"], "set").classes == tuple(sorted((name, "z")))


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\tb", "a\x7fb", "a\u2028b", "\x00"])
def test_names_that_disturb_a_line_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"set: .* cannot be a class; give it a name without control characters"):
        name_classes([name, "z"], "set")


def test_a_name_in_another_encoding_is_called_so() -> None:
    with pytest.raises(DataError, match=r"set: the name of the class 'caf\\udce9' is not UTF-8, or the locale is not"):
        name_classes(["caf\udce9", "z"], "set")


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ([COMPOSED, DECOMPOSED, "tea"], (COMPOSED, "tea")),
        (["cat ", "cat", "dog"], ("cat", "dog")),
        (["\u00a0cat", "cat\u3000", "dog"], ("cat", "dog")),
    ],
)
def test_names_that_look_the_same_are_one_class_and_it_is_said(names: list[str], classes: tuple[str, ...]) -> None:
    named = name_classes(names, "set")
    assert named.classes == classes
    assert named.labels[0] == named.labels[1] != named.labels[2]
    assert len(named.notes) == 1
    assert named.notes[0].reason == f"{min(names[:2])!a}, {max(names[:2])!a} are one class, {classes[0]!r}"


def test_names_that_differ_in_capitals_are_one_class_where_no_split_has_both() -> None:
    names, splits = ["Cat", "Cat", "dog", "cat", "DOG"], ["train"] * 3 + ["test"] * 2
    named = name_classes(names, "set", splits)
    assert named.labels.tolist() == [0, 0, 1, 0, 1]
    assert named.classes[0] == "Cat"
    assert named.notes[0].reason == "'Cat', 'cat' are one class, 'Cat': each split has only one spelling"


def test_names_that_differ_in_capitals_within_a_split_stay_apart_and_it_is_said() -> None:
    named = name_classes(["a", "A", "b"], "set", ["train"] * 3)
    assert named.classes == ("A", "a", "b")
    assert [note.reason for note in named.notes] == [
        "the classes 'A', 'a' differ only in capitals; they are kept apart"
    ]


def test_numbers_are_in_their_order() -> None:
    assert name_classes(["10", "9", "100"], "set").classes == ("9", "10", "100")
    assert name_classes(["10", "9", "a"], "set").classes == ("10", "9", "a")
