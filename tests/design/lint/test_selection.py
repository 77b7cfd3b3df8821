from __future__ import annotations

from pathlib import Path

import pytest

from convsmith.design.lint import Selection, lint, rules
from convsmith.errors import UnknownNameError, UsageError


def codes(selection: Selection) -> list[str]:
    return [rule.code for rule in selection.of(rules())]


def folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "pyproject.toml").write_text(text)
    return tmp_path


def test_without_a_selection_every_rule_is_asked() -> None:
    assert codes(Selection()) == [rule.code for rule in rules()]


def test_a_beginning_selects_a_group() -> None:
    assert codes(Selection(select=("CS3",))) == ["CS301", "CS302", "CS303", "CS304"]


def test_the_longer_word_wins() -> None:
    assert codes(Selection(select=("CS3",), ignore=("CS301",))) == ["CS302", "CS303", "CS304"]
    assert codes(Selection(select=("CS301",), ignore=("CS3",))) == ["CS301"]


def test_an_unknown_code_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown rule 'CS331'; nearest: .*CS301"):
        lint("lenet5", select=["CS331"])


def test_pyproject_selects_and_ignores(tmp_path: Path) -> None:
    found = Selection.in_folder(folder(tmp_path, '[tool.convsmith.lint]\nselect = ["CS3"]\nignore = ["CS304"]\n'))
    assert found == Selection(("CS3",), ("CS304",))


@pytest.mark.parametrize("text", [None, "", "[project]\nname = 'x'\n", "[tool.ruff]\n"])
def test_a_folder_without_a_table_asks_every_rule(tmp_path: Path, text: str | None) -> None:
    place = tmp_path if text is None else folder(tmp_path, text)
    assert Selection.in_folder(place) == Selection()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.convsmith.lint]\nselected = []\n", r"has no 'selected'; it has: select, ignore"),
        ('[tool.convsmith.lint]\nselect = "CS1"\n', r"select of .* must be a list of codes"),
        ('[tool.convsmith.lint]\nignore = ["XX1"]\n', r"pyproject.toml: unknown rule 'XX1'"),
        ("[tool.convsmith]\nlint = 1\n", "is not a table"),
        ("[tool", "cannot read .*pyproject.toml"),
    ],
)
def test_a_table_that_says_nothing_sensible_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Selection.in_folder(folder(tmp_path, text))
