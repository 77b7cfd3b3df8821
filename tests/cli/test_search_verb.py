"""`convsmith search`: a network that `fit` takes, and a search that survives being killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import Command
from PIL import Image

from convsmith.cost import cost_of
from convsmith.resolve import network_of

SPACE = {
    "kind": "residual",
    "choices": {
        "stem": [4, 8],
        "function": ["relu"],
        "stage1.kernel": [3],
        "stage1.se": [0, 1],
        "stage1.filters": [4, 8, 12],
        "stage1.layers": [1, 2],
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 24 dark and light images of 10x10, and a space for them."""
    root, random = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    for number in range(48):
        label = ("dark", "light")[number % 2]
        picture = random.integers(0, 128, (10, 10), np.uint8) + np.uint8(127 * (number % 2))
        (root / "data" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(root / "data" / label / f"{number:02}.png")
    (root / "space.json").write_text(json.dumps(SPACE))
    return root


def words(folder: Path, out: Path, *more: object) -> list[str]:
    space = ("--space", folder / "space.json")
    return [str(word) for word in ("search", folder / "data", *space, "--max-params", 2000, "--out", out, *more)]


def test_a_network_is_found_that_fit_takes(convsmith: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "found"
    done = convsmith(*words(folder, out, "--trials", 2, "--epochs", 1, "--json"))
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert [trial["number"] for trial in said["trials"]] == [0, 1]
    assert cost_of(network_of(out / "network.json")).params == said["chosen"]["params"] <= 2000
    again = convsmith(*words(folder, out, "--trials", 3, "--epochs", 1, "--resume"))
    assert again.code == 0
    assert "resumed: 2 trials there" in again.err
    assert "The front of accuracy against multiply-adds" in again.out
    fitted = convsmith(
        "fit", folder / "data", "--model", out / "network.json", "--epochs", 1, "--float32", "--out", tmp_path / "run"
    )
    assert fitted.code == 0, fitted.err


def test_fit_can_search_first_and_is_resumed_as_a_run(convsmith: Command, folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    asked = ("fit", folder / "data", "--search", "3s", "--max-params", 9000, "--epochs", 1, "--float32", "--out", run)
    done = convsmith(*asked)
    assert done.code == 0, done.err
    found = network_of(tmp_path / "run-search" / "network.json")
    assert cost_of(found).params <= 9000
    assert json.loads((run / "run.json").read_text())["network"]["name"] == found.name
    again = convsmith(*asked, "--resume")
    assert "trial " not in again.err
    assert "already holds a run" in convsmith(*asked).err
    refused = convsmith(*asked, "--model", "lenet5")
    assert (refused.code, refused.err) == (2, "convsmith: --search, --model: a network that is named is not searched\n")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--max-params", 3), "convsmith: --max-params: 3 cannot be met: the smallest space network"),
        (("--objective", "mnas"), "convsmith: --objective, --target: mnas needs a target"),
        (("--space", "nowhere.json"), "convsmith: --space: nowhere.json is no space"),
        (("--storage", "trials"), "convsmith: --storage: must be a URL"),
        (("--resume",), "convsmith: --out: "),
        (("--time", "soon"), "convsmith: --time: must be a number"),
    ],
)
def test_what_is_wrong_is_one_line(
    convsmith: Command, folder: Path, tmp_path: Path, more: tuple[object, ...], said: str
) -> None:
    refused = convsmith(*words(folder, tmp_path / "found", "--trials", 1, *more))
    assert refused.code == 2
    assert refused.err.startswith(said)
    assert len(refused.err.splitlines()) == 1


@pytest.mark.slow
def test_a_search_that_is_killed_loses_no_finished_trial(convsmith: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "found"
    command = [sys.executable, "-c", "from convsmith.cli.main import main; main()"]
    asked = words(folder, out, "--trials", 12, "--epochs", 60)
    process = subprocess.Popen(
        [*command, *asked], stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    log, deadline = out / "trials.jsonl", time.monotonic() + 180
    while not log.exists() or len(log.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(before) < 12
    resumed = convsmith(*asked, "--resume", "--json")
    assert resumed.code == 0, resumed.err
    trials = json.loads(resumed.out)["trials"]
    assert trials[: len(before)] == before
    ended = [trial["ended"] for trial in trials]
    assert len(trials) - ended.count("lost") == 12
    assert ended.count("lost") <= 1
