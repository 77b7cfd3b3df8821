from pathlib import Path

import pytest
from pictures import class_folders, picture

from convsmith.data import open_dataset
from convsmith.data.checks import examine as doctor
from convsmith.data.decode import check as decode


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were decoded to be checked, as they are."""
    seen: list[Path] = []

    def check_image(path: Path) -> decode.ImageInfo:
        seen.append(path)
        return decode.check_image(path)

    monkeypatch.setattr(doctor, "check_image", check_image)
    return seen


def test_files_that_were_found_sound_are_not_checked_again_unless_they_change(tmp_path: Path, looked) -> None:
    root = class_folders(tmp_path, {"a": 4, "b": 4})
    (root / "a/broken.png").write_bytes(b"x")
    first = open_dataset(root)
    assert len(looked) == 9
    looked.clear()
    again = open_dataset(root)
    assert looked == [root / "a/broken.png"]
    assert (again.fingerprint, again.skipped, again.size) == (first.fingerprint, first.skipped, first.size)
    looked.clear()
    picture(root / "b/000.png", size=(30, 30))
    open_dataset(root)
    assert root / "b/000.png" in looked


@pytest.mark.parametrize("harm", ["damaged", "unwritable"])
def test_a_cache_that_cannot_be_used_only_costs_time(tmp_path: Path, cache: Path, harm: str) -> None:
    root = class_folders(tmp_path, {"a": 4, "b": 4})
    if harm == "damaged":
        open_dataset(root)
        for file in cache.iterdir():
            file.write_bytes(b"no database" * 100)
    else:
        cache.write_text("a file where the folder should be")
    assert len(open_dataset(root).split("train")) > 0
