"""`convsmith design`: candidates, reasons, and a network that `fit` takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Command

from convsmith import cost_of
from convsmith.resolve import network_of


def test_a_network_is_designed_within_the_limit_and_written(
    convsmith: Command, photo_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "network.json"
    done = convsmith("design", photo_folder, "--max-params", 20_000, "-o", out)
    assert done.code == 0
    assert cost_of(network_of(out)).params <= 20_000
    for word in ("candidate", "expected accuracy", "rule", "evidence", "source", "otherwise"):
        assert word in done.out


def test_as_json_it_says_the_same(convsmith: Command, photo_folder: Path) -> None:
    data = json.loads(convsmith("design", photo_folder, "--side", 32, "--json").out)
    assert data["architecture"]["input"][1:] == [32, 32]
    assert data["candidates"]
    assert data["evidence"]["basics"]["images"] > 0


@pytest.mark.parametrize("limit", ["--max-params", "--max-macs", "--max-size"])
def test_a_limit_that_cannot_be_met_is_one_line_and_nothing_is_written(
    convsmith: Command, limit: str, photo_folder: Path, tmp_path: Path
) -> None:
    refused = convsmith("design", photo_folder, limit, 3, "-o", tmp_path / "network.json")
    assert refused.code == 2
    assert refused.err.startswith(f"convsmith: {limit}: 3 cannot be met: the smallest network")
    assert len(refused.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_what_is_no_data_is_one_line(convsmith: Command, tmp_path: Path) -> None:
    refused = convsmith("design", tmp_path / "nowhere")
    assert refused.code == 2
    assert len(refused.err.splitlines()) == 1
