"""Scores equal a count by hand; several entries together; kits that do not fit."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from small_kit import IMAGES, NUMBERS, TRUTH, WORDNET_IDS, write_kit

from convsmith.errors import DataError
from convsmith.ilsvrc.entry import write_entry
from convsmith.ilsvrc.score import combined, score


def guesses(seed: int) -> list[list[int]]:
    """Five guesses for each image, the right one among them as often as not."""
    draw = np.random.default_rng(seed)
    found = [draw.permutation(20)[:5] + 1 for _ in range(IMAGES)]
    return [[int(one) for one in line] for line in found]


def test_errors_are_those_counted_by_hand(tmp_path: Path) -> None:
    made = guesses(5)
    write_entry(tmp_path / "e.txt", made)
    found = score([tmp_path / "e.txt"], write_kit(tmp_path)).entries[0]
    for k in range(1, 6):
        missed = sum(int(truth) not in line[:k] for truth, line in zip(TRUTH, made, strict=True))
        assert found.errors[k - 1].value == pytest.approx(missed / IMAGES)
    for number, wordnet_id in zip(NUMBERS, WORDNET_IDS, strict=True):
        own = [line for truth, line in zip(TRUTH, made, strict=True) if truth == number]
        if own:
            missed = sum(int(number) not in line for line in own)
            assert found.by_class[wordnet_id].value == pytest.approx(missed / len(own))


def test_a_perfect_entry_has_no_error(tmp_path: Path) -> None:
    write_entry(tmp_path / "e.txt", [[int(number)] for number in TRUTH])
    found = score([tmp_path / "e.txt"], write_kit(tmp_path)).entries[0]
    assert [error.value for error in found.errors] == [0.0] * 5


def test_guesses_are_combined_by_rank() -> None:
    one, other = np.array([[1, 2, 3, 4, 5]]), np.array([[2, 6, 0, 0, 0]])
    # 2 has 4 + 5, 1 has 5, 6 has 4, 3 has 3, 4 has 2
    assert combined([one, other], 10).tolist() == [[2, 1, 6, 3, 4]]
    assert combined([other, other], 10).tolist() == [[2, 6, 0, 0, 0]]


def test_several_entries_are_scored_together_and_the_gain_is_said(tmp_path: Path) -> None:
    for seed in (5, 6, 7):
        write_entry(tmp_path / f"{seed}.txt", guesses(seed))
    found = score([tmp_path / f"{seed}.txt" for seed in (5, 6, 7)], write_kit(tmp_path))
    assert len(found.entries) == 3
    assert found.together is not None
    best = min(one.errors[-1].value for one in found.entries)
    assert found.gain == pytest.approx(best - found.together.errors[-1].value)
    assert "SuperVision" in str(found)
    assert "together" in str(found)


def test_the_kits_archive_will_do(tmp_path: Path) -> None:
    folder, stream = write_kit(tmp_path / "kit"), io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(folder, "ILSVRC2012_devkit_t12")
    (tmp_path / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(gzip.compress(stream.getvalue()))
    write_entry(tmp_path / "e.txt", [[int(number)] for number in TRUTH])
    for kit in (tmp_path, tmp_path / "ILSVRC2012_devkit_t12.tar.gz"):
        assert score([tmp_path / "e.txt"], kit).entries[0].errors[0].value == 0.0


def test_a_kit_of_another_year_is_named(tmp_path: Path) -> None:
    kit = write_kit(tmp_path, "2010")
    with pytest.raises(DataError, match="is of another year"):
        score([tmp_path / "e.txt"], kit)
    (kit / "data" / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n")
    with pytest.raises(DataError, match="it is of 2010"):
        score([tmp_path / "e.txt"], kit)


def test_no_kit_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no development kit of 2012"):
        score([tmp_path / "e.txt"], tmp_path)
