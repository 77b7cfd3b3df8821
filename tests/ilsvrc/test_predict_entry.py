"""Entries from models: the five likeliest classes by their ids, in the images' order."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_kit import IMAGES, NUMBERS, WORDNET_IDS, model, write_images, write_kit, write_tar
from typer.testing import CliRunner

import convsmith
from convsmith.cli.main import application
from convsmith.errors import DataError
from convsmith.ilsvrc.entry import read_entry
from convsmith.ilsvrc.predict import write_guesses
from convsmith.ilsvrc.score import score
from convsmith.model import save_model

ID_OF = dict(zip(WORDNET_IDS, NUMBERS.tolist(), strict=True))


def tree(root: Path) -> Path:
    write_kit(root)
    write_images(root)
    return root


def test_guesses_are_the_likeliest_classes_by_the_kits_ids(tmp_path: Path) -> None:
    root = tree(tmp_path / "imagenet")
    assert write_guesses([model()], root, tmp_path / "e.txt") == IMAGES
    found = read_entry(tmp_path / "e.txt", IMAGES, 20)
    paths = [root / "val" / f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, IMAGES + 1)]
    expected = [[ID_OF[guess.label] for guess in one.guesses] for one in convsmith.predict(model(), paths, top=5)]
    assert found.tolist() == expected


def test_a_tar_in_any_order_gives_the_same(tmp_path: Path) -> None:
    root = tree(tmp_path / "imagenet")
    kit = write_kit(tmp_path / "other")
    write_guesses([model()], root, tmp_path / "a.txt")
    write_guesses([model()], write_tar(tmp_path), tmp_path / "b.txt", kit=kit)
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.txt").read_text()


def test_test_images_have_guesses_too(tmp_path: Path) -> None:
    write_kit(tmp_path)
    assert write_guesses([model()], write_images(tmp_path, "test"), tmp_path / "e.txt") == IMAGES


def test_several_models_vote_by_the_mean_of_their_probabilities(tmp_path: Path) -> None:
    root = tree(tmp_path / "imagenet")
    models = [model(1), model(2)]
    write_guesses(models, root, tmp_path / "e.txt")
    path = root / "val" / "ILSVRC2012_val_00000001.JPEG"
    sums = dict.fromkeys(WORDNET_IDS, 0.0)
    for one in models:
        for guess in convsmith.predict(one, [path], top=20)[0].guesses:
            sums[guess.label] += guess.probability
    best = [ID_OF[name] for name in sorted(sums, key=lambda name: -sums[name])[:5]]
    assert read_entry(tmp_path / "e.txt", IMAGES, 20)[0].tolist() == best


@pytest.mark.parametrize("flaw", ["gap", "foreign", "damaged", "classes"])
def test_what_makes_no_entry_is_named_and_nothing_is_written(tmp_path: Path, flaw: str) -> None:
    root, used = tree(tmp_path / "imagenet"), model()
    place = root / "val" / "ILSVRC2012_val_00000007.JPEG"
    said = {"gap": "lacks image 7", "foreign": "val and test", "damaged": "00000007", "classes": "lacks 1 of the kit's"}
    if flaw == "gap":
        place.unlink()
    elif flaw == "foreign":
        place.rename(place.with_name("ILSVRC2012_test_00000007.JPEG"))
    elif flaw == "damaged":
        place.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    else:
        used = model(classes=WORDNET_IDS[:-1])
    with pytest.raises(DataError, match=said[flaw]):
        write_guesses([used], root, tmp_path / "e.txt")
    assert not (tmp_path / "e.txt").exists()


def test_predicted_and_scored_from_the_command_line(tmp_path: Path) -> None:
    root = tree(tmp_path / "imagenet")
    save_model(model(), tmp_path / "m.safetensors")
    runner, entry = CliRunner(), str(tmp_path / "e.txt")
    done = runner.invoke(application(), ["ilsvrc", "predict", str(tmp_path / "m.safetensors"), str(root), "-o", entry])
    assert done.exit_code == 0, done.output
    done = runner.invoke(application(), ["ilsvrc", "score", entry, str(root)])
    assert done.exit_code == 0, done.output
    top5 = score([entry], root).entries[0].errors[-1]
    assert f"{top5.value:.2%}" in done.output
