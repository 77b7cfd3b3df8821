"""Searches from beginning to end, on noise."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from noise_space import SPACE, dataset

import convsmith
from convsmith.cost import cost_of
from convsmith.design.limits import Limits
from convsmith.errors import LimitError, UsageError
from convsmith.network.network import Network
from convsmith.resolve import network_of
from convsmith.searching.found import Found
from convsmith.searching.search import search
from convsmith.searching.settings import SearchSettings
from convsmith.searching.spaces.space import Choice
from convsmith.searching.storage import StorageError, check_file, hidden, said, url_of

LIMITS = Limits(max_params=400)
ASKED = SearchSettings(trials=3, epochs=2)


def run(out: Path | None = None, settings: SearchSettings = ASKED, **more: Any) -> Found:
    return search(dataset(), LIMITS, space=SPACE, settings=settings, out=out, **more)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return run(tmp_path_factory.mktemp("done") / "search")


def test_trials_keep_to_the_limit_and_the_best_is_written(done: Found) -> None:
    assert len(done.trials) == 3
    assert all(trial.params <= 400 for trial in done.trials)
    network = network_of(done.folder / "network.json")
    assert network == done.network
    assert cost_of(network).params == done.chosen.params
    assert max(trial.accuracy.value for trial in done.front if trial.accuracy) >= 0.5
    assert {"front.svg", "front.png", "trials.jsonl", "search.json", "search.db"} <= {
        path.name for path in done.folder.iterdir()
    }
    assert str(done).startswith("data ")


def test_every_trial_is_logged_with_its_seed_and_choices(done: Found) -> None:
    rows = [json.loads(line) for line in (done.folder / "trials.jsonl").read_text().splitlines()]
    assert [row["number"] for row in rows] == [0, 1, 2]
    assert len({row["seed"] for row in rows}) == 3
    for row in rows:
        assert set(row["choices"]) == {choice.name for choice in SPACE.choices}
        assert row["rungs"][0]["epochs"] == 1


def what_happened(found: Found) -> list[tuple[Any, ...]]:
    return [(trial.number, trial.choices, trial.seed, trial.rungs, trial.ended) for trial in found.trials]


def test_the_same_seed_makes_the_same_trials_in_one_go_or_in_two(done: Found, tmp_path: Path) -> None:
    out = tmp_path / "search"
    run(out, replace(ASKED, trials=1))
    resumed = run(out, resume=True)
    assert what_happened(resumed) == what_happened(done)


def test_a_trial_that_was_under_way_when_the_process_died_is_tried_again(done: Found, tmp_path: Path) -> None:
    import optuna

    from convsmith.searching.sampling import distributions, params_of

    path = copied(done, tmp_path / "search")
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{path}")
    chosen = params_of(SPACE, (1, 0, 1, 0, 0, 1))
    study.enqueue_trial(chosen)
    abandoned = study.ask(distributions(SPACE))
    said: list[str] = []
    resumed = run(path.parent, replace(ASKED, trials=4), resume=True, told=said.append)
    assert said[0] == "resumed: 3 trials there; 1 had not ended and is tried again"
    assert what_happened(resumed)[:3] == what_happened(done)
    lost, again = resumed.trials[3:]
    assert (lost.number, lost.ended) == (abandoned.number, "lost")
    assert again.choices["stem_kernel"] == 5
    assert again.ended in ("finished", "stopped early")


def test_another_seed_makes_others(done: Found) -> None:
    assert what_happened(run(None, replace(ASKED, trials=1, seed=1)))[0] != what_happened(done)[0]


@pytest.mark.parametrize("sampler", ["nsga2", "evolution", "random"])
def test_a_front_by_every_sampler(sampler: Any) -> None:
    settings = SearchSettings(trials=10, epochs=1, sampler=sampler, goal="front", unit="params")
    found = run(None, settings)
    assert all(trial.params <= 400 for trial in found.trials)
    members = [tuple(trial.choices.values()) for trial in found.trials]
    assert len(set(members)) == len(members), "none is tried twice as long as there are others"
    costs = [trial.cost for trial in found.front]
    assert costs == sorted(costs)


def test_mnas_with_a_latency_that_is_predicted() -> None:
    def predicted(network: Network) -> float:
        return float(cost_of(network).params) / 100

    settings = SearchSettings(trials=2, epochs=1, goal="mnas", target="2ms", pruner="hyperband")
    found = run(None, settings, latency_of=predicted)
    assert [trial.ms for trial in found.trials] == [trial.params / 100 for trial in found.trials]


def test_a_limit_that_cannot_be_met_is_said_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="max_params: 3 cannot be met: the smallest tiny network"):
        search(dataset(), Limits(max_params=3), space=SPACE, out=tmp_path / "search")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": replace(ASKED, seed=5)}, "seed: must be 0, as when the search began, not 5"),
        ({"settings": replace(ASKED, sampler="random")}, "sampler: must be tpe"),
        ({"limits": Limits(max_params=300)}, "began with other limits"),
        ({"data": dataset(60)}, "data: the search in .* began with other"),
    ],
)
def test_a_search_is_not_resumed_as_another(done: Found, change: dict[str, Any], said: str) -> None:
    asked = {"data": dataset(), "limits": LIMITS, "settings": ASKED} | change
    with pytest.raises(UsageError, match=said):
        search(asked["data"], asked["limits"], space=SPACE, settings=asked["settings"], out=done.folder, resume=True)


def test_folders_are_neither_overwritten_nor_invented(done: Found, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"out, resume: .* holds a search: resume it"):
        run(done.folder)
    with pytest.raises(UsageError, match="holds no search to resume"):
        run(tmp_path, resume=True)
    with pytest.raises(UsageError, match="out: say where the search is kept"):
        run(None, resume=True)


def test_a_device_is_for_latency_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="device, max_latency: latency is neither limited nor part"):
        run(None, replace(ASKED, device="phone"))
    with pytest.raises(UsageError, match="phone"):
        run(None, replace(ASKED, device="phone", goal="front", unit="ms"))


def test_data_without_a_val_split_are_refused() -> None:
    data = dataset()
    with pytest.raises(UsageError, match="val split"):
        search(replace(data, splits={"train": data.split("train")}), space=SPACE)


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "search" / "search.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("create table songs (name)")
    with pytest.raises(StorageError, match="is a database of something else"):
        run(path.parent)
    with sqlite3.connect(path) as connection:
        assert connection.execute("select name from sqlite_master").fetchall() == [("songs",)]


def copied(done: Found, folder: Path) -> Path:
    folder.mkdir()
    for name in ("search.db", "search.json"):
        (folder / name).write_bytes((done.folder / name).read_bytes())
    return folder / "search.db"


def test_a_database_that_is_cut_short_is_one_clear_line(done: Found, tmp_path: Path) -> None:
    path = copied(done, tmp_path / "search")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StorageError, match="is damaged"):
        run(path.parent, resume=True)
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match="is damaged or cut short"):
        run(path.parent, resume=True)


def test_a_database_of_another_version_names_ours(done: Found, tmp_path: Path) -> None:
    import optuna

    path = copied(done, tmp_path / "search")
    with sqlite3.connect(path) as connection:
        connection.execute("update version_info set schema_version = 99")
        connection.execute("update alembic_version set version_num = 'v9.9.9'")
    with pytest.raises(StorageError, match=rf"another version of optuna than {optuna.__version__}"):
        run(path.parent, resume=True)


def test_a_locked_database_is_said(done: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.searching.storage.LOCKED_SECONDS", 0)
    path = copied(done, tmp_path / "search")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin exclusive")
    try:
        with pytest.raises(StorageError, match="is locked by another program; finished trials are kept"):
            run(path.parent, replace(ASKED, trials=4), resume=True)
    finally:
        other.close()
    assert len(run(path.parent, replace(ASKED, trials=4), resume=True).trials) == 4


def test_what_else_a_database_says_is_one_line() -> None:
    assert said("search.db", OSError("database or disk is full")).startswith("search.db: the disk is full")
    assert said("search.db", OSError("odd\nwords")) == "search.db: odd"
    assert hidden("postgresql://me:secret@host/trials") == "postgresql://me@host/trials"
    with pytest.raises(UsageError, match="storage: must be a URL"):
        url_of(Path(), "trials")
    check_file("sqlite:////nowhere/at/all.db")


FULL = """
import resource, signal, sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from noise_space import SPACE, dataset
from convsmith.searching.search import search
from convsmith.searching.settings import SearchSettings
from convsmith.searching.spaces.space import Choice
from convsmith.searching.storage import StorageError
out, asked = Path(sys.argv[1]), SearchSettings(trials=1, epochs=1)
search(dataset(), space=SPACE, settings=asked, out=out)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ((out / "search.db").stat().st_size,) * 2)
search(dataset(), space=SPACE, settings=replace(asked, trials=500), out=out, resume=True)
"""


@pytest.mark.slow
def test_where_the_disk_is_full_no_finished_trial_is_lost(tmp_path: Path) -> None:
    out, here = tmp_path / "search", str(Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])}
    full = subprocess.run(
        [sys.executable, "-c", FULL, str(out)], env=environment, capture_output=True, text=True, check=False
    )
    assert full.stderr.splitlines()[-1].endswith(
        "search.db cannot be written (is the disk full?); finished trials are kept: make room, and resume"
    )
    before = [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]
    settings = SearchSettings(trials=len(before) + 1, epochs=1)
    after = search(dataset(), space=SPACE, settings=settings, out=out, resume=True)
    assert [trial.to_json() for trial in after.trials][: len(before)] == before


def test_a_search_that_could_not_begin_leaves_its_folder_free(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="unable to open"):
        run(tmp_path / "search", storage="sqlite:////nowhere/trials.db")
    assert len(run(tmp_path / "search", replace(ASKED, trials=1, epochs=1)).trials) == 1


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"optuna is not installed: pip install 'convsmith\[search\]'"):
        search(dataset(), space=SPACE)


def test_it_is_at_the_root() -> None:
    assert convsmith.search is search


def test_searches_that_share_a_database_share_trials(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    run(tmp_path / "one", replace(ASKED, trials=2), storage=url)
    assert len(run(tmp_path / "two", storage=url).trials) == 3
    for changed, words in (
        ({"settings": replace(ASKED, epochs=1)}, "epochs: must be 2, as when the search began, not 1"),
        ({"space": replace(SPACE, choices=SPACE.choices[:-1] + (Choice("stage1.layers", (1,)),))}, "other values"),
    ):
        with pytest.raises(UsageError, match=words):
            search(
                dataset(), LIMITS, **{"space": SPACE, "settings": ASKED, **changed}, out=tmp_path / "three", storage=url
            )  # type: ignore[arg-type]
    assert not (tmp_path / "three" / "search.json").exists()


@pytest.mark.skipif(find_spec("MySQLdb") is not None, reason="the driver is installed")
def test_a_driver_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="storage: the driver of this database is not installed: pip install mysqlclient"
    ):
        run(tmp_path / "one", storage="mysql://smith@localhost/trials")
