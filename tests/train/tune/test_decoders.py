"""How many processes decode files."""

from pathlib import Path
from types import ModuleType

import pytest

from convsmith.train.tune.decoders import MOST_DECODERS, cores, decoders_for, decoding_speed, enough_decoders


def test_the_fewest_that_keep_up_with_a_quarter_to_spare() -> None:
    assert enough_decoders(100, 79, most=8)[0] == 1
    assert enough_decoders(100, 81, most=8)[0] == 2
    assert enough_decoders(100, 400, most=8) == (
        5,
        "5 decoding processes: one prepares 100 images/s, a step takes 400/s",
    )


def test_what_cannot_keep_up_gets_all_cores_and_says_that_steps_wait() -> None:
    count, reason = enough_decoders(100, 10_000, most=4)
    assert count == 4
    assert "steps may wait for images" in reason
    assert enough_decoders(1, 10_000, most=200)[0] == MOST_DECODERS


def test_the_processes_of_a_machine_share_its_cores(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convsmith.train.tune.decoders.decoding_speed", lambda *arguments: 100.0)
    monkeypatch.setattr("convsmith.train.tune.decoders.cores", lambda: 8)
    arguments = (tiny.in_files(tmp_path), tiny.PREPROCESS, tiny.recipe(), 1e6)
    assert [decoders_for(*arguments, processes)[0] for processes in (1, 4, 9)] == [8, 2, 1]


def test_a_decoder_is_timed_on_the_files_themselves(tiny: ModuleType, tmp_path: Path) -> None:
    assert 1 < decoding_speed(tiny.in_files(tmp_path), tiny.PREPROCESS, tiny.recipe()) < 1e6


def test_there_is_a_core() -> None:
    assert cores() >= 1
