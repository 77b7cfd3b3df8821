"""WordNet's own database: equal to what ships, and to what nltk makes of it; damage is named by file and line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from small_database import write_database

from convsmith.errors import DataError
from convsmith.wordnet import Hierarchy, installed, read_database, shipped

PAIRS = 2_000


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wordnet")
    write_database(shipped(), folder)
    return folder


def test_a_database_is_read_as_it_was_written(tmp_path: Path) -> None:
    ids = write_database(shipped(), tmp_path)
    read = read_database(tmp_path)
    assert len(read) == len(shipped()) == 1860
    for name, synset in shipped().items():
        found = read[ids[name]]
        assert found.names == synset.names
        assert found.parents == tuple(ids[parent] for parent in synset.parents)


def test_distances_and_common_ancestors_are_nltks_over_2000_random_pairs(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = pytest.importorskip("nltk.corpus.reader")
    monkeypatch.setattr("nltk.data.path", [str(database)])  # nltk reads nowhere else
    monkeypatch.setattr(reader.WordNetCorpusReader, "map_wn", lambda self: None)  # to other versions, not at hand
    with pytest.warns(UserWarning, match="multilingual"):
        nltk = reader.WordNetCorpusReader(str(database), None)
    ours, draw = read_database(database), random.Random(0)
    names = list(ours)
    for _ in range(PAIRS):
        one, other = draw.choice(names), draw.choice(names)
        theirs = [nltk.synset_from_pos_and_offset("n", int(name[1:])) for name in (one, other)]
        assert ours.distance(one, other) == theirs[0].shortest_path_distance(theirs[1])
        assert ours.depths[one] == theirs[0].min_depth()
        shared = {f"n{found.offset():08d}" for found in theirs[0].common_hypernyms(theirs[1])}
        assert ours.ancestors(one) & ours.ancestors(other) == shared
        lowest = ours.lowest_common(one, other)
        assert lowest in shared
        assert not any(kind in shared for kind in ours.children[lowest])


def test_the_installed_database_holds_what_ships() -> None:
    whole = installed()
    if whole is None:
        pytest.skip("no WordNet is installed (Debian: wordnet-base)")
    assert isinstance(whole, Hierarchy)
    assert all(whole[name] == synset for name, synset in shipped().items())


def test_another_place_is_found_by_wordnets_own_variable(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WNSEARCHDIR", str(database))
    found = installed()
    assert found is not None
    assert len(found) == 1860


@pytest.mark.parametrize(
    "line",
    [
        "00000024 03 n 01 dog 0 001 @ 00000077",
        "00000024 03 v 01 run 0 000 | go",
        "nonsense",
        "00000024 03 n zz a 0 000",
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "index.noun").write_text("dog n 1 1 @ 1 0 00000024\nrun n 1 0 1 0 00000024\n")
    (tmp_path / "data.noun").write_text(f"  1 licence\n{line}\n")
    with pytest.raises(DataError, match=r"data\.noun, line 2"):
        read_database(tmp_path)


def test_a_database_without_its_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text("")
    with pytest.raises(DataError, match=r"index\.noun"):
        read_database(tmp_path)
