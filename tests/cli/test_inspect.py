"""`convsmith inspect` as it is typed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from command import QUICK, Command


@pytest.fixture
def leaking(photo_folder: Path, tmp_path: Path) -> Path:
    """Photographs of two kinds, train and test, with one of train also in test."""
    root = tmp_path / "photos"
    for label in ("coffee", "palace"):
        for number in range(12):
            target = root / ("train" if number < 8 else "test") / label / f"{number:02}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo_folder / label / f"{number:02}.jpg", target)
    shutil.copy(root / "train/coffee/00.jpg", root / "test/coffee/leak.jpg")
    return root


def test_a_page_of_text_a_page_of_pictures_and_a_manifest(convsmith: Command, leaking: Path, tmp_path: Path) -> None:
    html, fix = tmp_path / "page.html", tmp_path / "clean.csv"
    outcome = convsmith("inspect", leaking, "--html", html, "--fix", fix)
    assert outcome.code == 0, outcome.err
    assert "[leak]" in outcome.out
    assert outcome.err.splitlines() == [f"{fix}: 24 images; left out: 1 leak", str(html)]
    page = html.read_text()
    assert "pixel for pixel" in page
    assert page.count("data:image/png;base64,") >= 2
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


def test_the_json_is_one_object(convsmith: Command, leaking: Path) -> None:
    outcome = convsmith("inspect", leaking, "--json")
    assert {issue["code"] for issue in json.loads(outcome.out)["issues"]} >= {"leak"}


def test_strict_exits_with_one_line_after_the_page(convsmith: Command, leaking: Path) -> None:
    outcome = convsmith("inspect", leaking, "--strict")
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert line == "convsmith: --strict: photos: 1 image is pixel for pixel in another split too"
    assert "[leak]" in outcome.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(("--html", "page.txt"), "--html: page.txt: the page"), (("--fix", "clean.txt"), "--fix: clean.txt: a cleaned")],
)
def test_a_file_of_another_kind_is_refused(
    convsmith: Command, leaking: Path, words: tuple[str, ...], complaint: str
) -> None:
    outcome = convsmith("inspect", leaking, *words)
    assert outcome.code == 2
    assert complaint in outcome.err


def test_fit_says_what_leaks_and_strict_refuses_it(convsmith: Command, leaking: Path, tmp_path: Path) -> None:
    refused = convsmith("fit", leaking, *QUICK, "--strict", "--out", tmp_path / "run")
    assert refused.code == 1
    assert refused.err.startswith("convsmith: --strict: photos: 1 image is pixel for pixel in another split too: ")
    assert not (tmp_path / "run").exists()
    trained = convsmith("fit", leaking, *QUICK, "--out", tmp_path / "run")
    assert "1 image is pixel for pixel in another split too" in trained.err
