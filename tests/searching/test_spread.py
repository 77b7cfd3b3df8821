"""Trials in several processes of a Ray cluster."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from noise_space import SPACE, dataset

from convsmith.cluster.connect import Cluster, ClusterError
from convsmith.errors import UsageError
from convsmith.searching.search import search
from convsmith.searching.settings import SearchSettings
from test_cluster import PATIENCE, TwoNodes, free_port, wait_for


@pytest.fixture
def two_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoNodes]:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    nodes = TwoNodes(tmp_path)
    yield nodes
    nodes.stop()


def test_where_nobody_answers_it_says_so_at_once(photo_folder: Path, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(ClusterError, match=f"cluster: {address} does not answer"):
        search(
            photo_folder,
            space=SPACE,
            settings=SearchSettings(trials=1),
            out=tmp_path / "s",
            cluster=Cluster(address, 2),
        )


@pytest.mark.parametrize(("given", "out", "said"), [(dataset(), "s", "data: "), (None, None, "out: ")])
def test_what_workers_cannot_share_is_refused(
    given: Any, out: str | None, said: str, photo_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        search(
            given or photo_folder,
            space=SPACE,
            settings=SearchSettings(trials=1),
            out=out and tmp_path / out,
            cluster=Cluster("127.0.0.1:1", 2),
        )


@pytest.mark.slow
def test_two_workers_run_no_trial_twice_also_where_one_is_killed(
    two_nodes: TwoNodes, photo_folder: Path, tmp_path: Path
) -> None:
    trials, out, log = 10, tmp_path / "found", tmp_path / "search.log"
    (tmp_path / "space.json").write_text(json.dumps(SPACE.to_json()))
    command = [sys.executable, "-c", "from convsmith.cli.main import main; main()", "search", str(photo_folder)]
    command += [
        "--space",
        str(tmp_path / "space.json"),
        "--trials",
        str(trials),
        "--epochs",
        "8",
        "--side",
        "16",
        "--out",
        str(out),
    ]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--out", str(out), "--cluster", two_nodes.address, "--workers", "2"],
            stdout=output,
            stderr=output,
        )
    wait_for(lambda: log.read_text().count("\ntrial ") >= 1, "the first trial", log)
    workers = two_nodes.workers("_worked")
    assert workers, log.read_text()
    os.kill(random.choice(workers).pid, signal.SIGKILL)
    wait_for(lambda: process.poll() is not None, "the end", log, 3 * PATIENCE)
    assert process.returncode == 0, log.read_text()
    rows = [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]
    done = [row for row in rows if row["ended"] != "lost"]
    assert len(done) == trials
    assert len({row["number"] for row in rows}) == len(rows)
    members = [tuple(row["choices"].values()) for row in done]
    assert len(set(members)) == trials, "none of them was trained twice"
    assert len({row["worker"] for row in done}) >= 2
    assert len(rows) - len(done) <= 1
