"""Trials that begin with a finished neighbour's weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from noise_space import SPACE, dataset

from convsmith.design.limits import Limits
from convsmith.errors import UsageError
from convsmith.searching.found import Found
from convsmith.searching.inheritance import KeptWeights
from convsmith.searching.search import search
from convsmith.searching.settings import SearchSettings

ASKED = SearchSettings(trials=5, epochs=2, pruner="none", inherit=True)


def run(out: Path | None, settings: SearchSettings = ASKED, **more: Any) -> Found:
    return search(dataset(), Limits(max_params=400), space=SPACE, settings=settings, out=out, **more)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return run(tmp_path_factory.mktemp("done") / "search")


def test_a_trial_begins_with_one_that_was_finished_before_it(done: Found) -> None:
    heirs = [trial for trial in done.trials if trial.parent is not None]
    assert heirs
    assert done.trials[0].parent is None
    assert all(
        done.trials[trial.parent].ended == "finished" and trial.parent < trial.number
        for trial in heirs
        if trial.parent is not None
    )
    rows = [json.loads(line) for line in (done.folder / "trials.jsonl").read_text().splitlines()]
    assert [row["parent"] for row in rows] == [trial.parent for trial in done.trials]
    assert {path.stem for path in (done.folder / "weights").iterdir()} == {
        str(trial.number) for trial in done.trials if trial.ended == "finished"
    }


def what_happened(found: Found) -> list[tuple[Any, ...]]:
    return [(trial.number, trial.choices, trial.parent, trial.rungs, trial.ended) for trial in found.trials]


def test_it_repeats_in_one_go_in_two_or_in_memory(done: Found, tmp_path: Path) -> None:
    out = tmp_path / "search"
    run(out, replace(ASKED, trials=2))
    assert what_happened(run(out, resume=True)) == what_happened(done) == what_happened(run(None))


def test_a_search_begun_without_is_not_resumed_with_it(tmp_path: Path) -> None:
    out = tmp_path / "search"
    run(out, replace(ASKED, trials=1, inherit=False))
    asked = json.loads((out / "search.json").read_text())
    del asked["settings"]["inherit"]  # as an earlier version wrote it
    (out / "search.json").write_text(json.dumps(asked))
    with pytest.raises(UsageError, match="inherit: must be False, as when the search began"):
        run(out, replace(ASKED, trials=2), resume=True)
    assert len(run(out, replace(ASKED, trials=2, inherit=False), resume=True).trials) == 2


def test_a_damaged_file_of_weights_is_none(tmp_path: Path) -> None:
    kept = KeptWeights(tmp_path / "weights")
    kept.keep(3, {"a": torch.ones(2, 3).T})
    found = kept.of(3)
    assert found is not None
    assert torch.equal(found["a"], torch.ones(3, 2))
    (tmp_path / "weights" / "3.safetensors").write_bytes(b"no")
    assert kept.of(3) is None
    assert kept.of(4) is None
