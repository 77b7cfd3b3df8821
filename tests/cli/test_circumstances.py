"""Circumstances that nobody asks for: odd terminals, users, folders, limits, seeds. It works, or one line says why."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import QUICK, Command
from PIL import Image
from test_bad_input import assert_one_line

from convsmith import Request, fit
from convsmith.cli.main import main
from convsmith.train import EpochEnded

RUN = (sys.executable, "-c", "from convsmith.cli.main import main; main()")
NORMED = ("--model", "mobilenet_v1:0.25", "--side", "32", "--epochs", "1", "--float32", "--learning-rate", "1e-4")
"""A network whose last maps are single pixels, so that one image gives batch norm one value a channel."""


def pictures(root: Path, classes: tuple[str, ...] = ("a", "b"), each: int = 10, sizes: int = 1) -> Path:
    generator = np.random.default_rng(0)
    for label in classes:
        (root / label).mkdir(parents=True)
        for number in range(each):
            pixels = generator.integers(0, 256, (32 + number % sizes, 32, 3), np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number:02}.png")
    return root


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_fit_ends_well_where_the_terminal_cannot_say_a_class(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pictures(tmp_path / "Łódź", ("Łoś", "猫"))
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, write_through=True) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(sys, "argv", ["convsmith", "fit", str(data), *QUICK, "--out", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as ended:
        main()
    said = out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert ended.value.code in (None, 0), err.buffer.getvalue()  # type: ignore[attr-defined]
    assert "\\u0141" in said
    assert (tmp_path / "run/summary.json").exists()


NOBODY = """
import os, pwd

def unknown(user):
    raise KeyError("getpwuid(): uid not found: 54321")

pwd.getpwuid, os.getuid = unknown, lambda: 54321
"""
"""A user of a container whom its list of users lacks; to become one in earnest, Python must be there for everybody."""


def test_a_user_without_a_name_or_a_home_who_may_open_64_files(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data", each=40, sizes=5)  # of several sizes, so that files stay files
    unset = {"HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME"}
    done = subprocess.run(
        [sys.executable, "-c", NOBODY + RUN[-1], "fit", str(data), *QUICK, "--out", "run"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in unset},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/model.onnx").exists()


@pytest.mark.parametrize(
    "words",
    [("--batch-size", 1), ("--batch-size", 5, "--accumulate", 4)],
    ids=["a batch of one", "a last part of one"],
)
def test_batch_norm_sees_a_single_image(convsmith: Command, tmp_path: Path, words: tuple[object, ...]) -> None:
    data = pictures(tmp_path / "data")
    done = convsmith("fit", data, *NORMED, *words, "--out", tmp_path / "run")
    assert "Traceback" not in done.err
    assert done.code == 0, done.err
    assert "1 epochs" not in done.out + done.err


@pytest.mark.parametrize("seed", [2**63, 10**30])
def test_any_seed_is_one(convsmith: Command, tmp_path: Path, seed: int) -> None:
    done = convsmith("fit", pictures(tmp_path / "data"), *QUICK, "--seed", seed, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "run/run.json").read_text())["recipe"]["seed"] == seed


def test_the_data_folder_is_the_working_folder(
    convsmith: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures(tmp_path / "data"))
    fitted = convsmith("fit", ".", *QUICK)
    assert fitted.code == 0, fitted.err
    assert Path("runs/latest/model.safetensors").exists()
    evaluated = convsmith("evaluate", "runs/latest/model.safetensors", ".", "--json")
    assert json.loads(evaluated.out)["split"] == "test"
    inspected = convsmith("inspect", ".", "--json")
    assert set(json.loads(inspected.out)["images"]["train"]) == {"a", "b"}
    assert "runs of convsmith; not used" in inspected.out
    resumed = convsmith("fit", ".", "--resume")
    assert resumed.code == 0, resumed.err
    predicted = convsmith("predict", ".", "--model", "runs/latest/model.safetensors", "--json")
    assert len(json.loads(predicted.out)) == 20


def test_a_run_of_another_seed_goes_on_without_it(convsmith: Command, tmp_path: Path) -> None:
    def stop(event: object, training: object) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    data, request = pictures(tmp_path / "data"), Request(side=32, epochs=3, seed=7, precision="float32")
    with pytest.raises(KeyboardInterrupt):
        fit(data, "lenet5", request, out=tmp_path / "run", observers=(stop,))
    resumed = convsmith("fit", data, "--resume", "--out", tmp_path / "run")
    assert resumed.code == 0, resumed.err
    measured = convsmith("evaluate", tmp_path / "run/model.safetensors", data, "--json")
    assert json.loads(measured.out)["trained_on"] in (0, None)


@pytest.mark.parametrize("place", ["file://{root}/a[b]c", "{root}/loc[al]"])
def test_a_checkpoint_store_may_have_brackets_in_its_name(convsmith: Command, tmp_path: Path, place: str) -> None:
    data = pictures(tmp_path / "data")
    words = ("--checkpoints", place.format(root=tmp_path), "--out", tmp_path / "run")
    assert convsmith("fit", data, *QUICK, *words).code == 0
    resumed = convsmith("fit", data, "--resume", "--out", tmp_path / "run")
    assert resumed.code == 0, resumed.err


@pytest.mark.parametrize(
    "place", ["s3://[bucket/run", "nowhere://x/y", "file://{root}/file/below", "{root}/file/below"]
)
def test_a_checkpoint_store_that_cannot_be_opened_is_one_line(convsmith: Command, tmp_path: Path, place: str) -> None:
    data = pictures(tmp_path / "data")
    (tmp_path / "file").write_text("in the way")
    refused = convsmith("fit", data, *QUICK, "--checkpoints", place.format(root=tmp_path), "--out", tmp_path / "run")
    assert refused.code in (1, 2)
    assert "Traceback" not in refused.err
    assert sum(line.startswith("convsmith: ") for line in refused.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_backslashes_of_an_archive_from_windows_are_pointed_at(convsmith: Command, tmp_path: Path) -> None:
    for number in range(6):
        Image.new("RGB", (9, 9), (number, 0, 0)).save(tmp_path / f"{'cat' if number % 2 else 'dog'}\\{number}.png")
    refused = convsmith("fit", tmp_path, *QUICK)
    assert_one_line(refused, 1, "backslashes, as of an archive from Windows: unpack it again")


@pytest.mark.parametrize(("words", "flip"), [(("--flip",), True), (("--no-flip",), False)], ids=["--flip", "--no-flip"])
def test_mirroring_is_forced(convsmith: Command, tmp_path: Path, words: tuple[str, ...], flip: bool) -> None:
    data = pictures(tmp_path / "data", ("turn left", "turn right") if flip else ("a cat", "dog"))
    done = convsmith("fit", data, *QUICK, *words, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "run/run.json").read_text())["recipe"]["augment"]["flip"] is flip
    assert "not mirrored" not in done.err


def arrows(root: Path) -> Path:
    """The letter T at different places, upright and lying."""
    generator = np.random.default_rng(0)
    for label in ("post", "rail"):
        (root / label).mkdir(parents=True)
        for number in range(40):
            image = generator.integers(0, 60, (32, 32), np.uint8)
            top, left = generator.integers(2, 8, 2)
            image[top : top + 20, left + 8 : left + 12] = 255
            image[top : top + 4, left : left + 20] = 255
            Image.fromarray(image if label == "post" else np.rot90(image)).save(root / label / f"{number}.png")
    return root


def test_what_turning_exchanges_is_not_turned_unless_that_is_forced(convsmith: Command, tmp_path: Path) -> None:
    data = arrows(tmp_path / "data")
    words = ("--model", "lenet5", "--recipe", "small", "--epochs", 1, "--float32")
    done = convsmith("fit", data, *words, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "not turned in training: turning exchanges 'post' and 'rail'" in done.err
    augment = json.loads((tmp_path / "run/run.json").read_text())["recipe"]["augment"]
    assert (augment["trivial"], augment["turn"]) == (True, False)
    forced = convsmith("fit", data, *words, "--turn", "--no-colour", "--out", tmp_path / "forced")
    assert "not turned" not in forced.err
    augment = json.loads((tmp_path / "forced/run.json").read_text())["recipe"]["augment"]
    assert (augment["turn"], augment["colour"]) == (True, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' /dev/full")
def test_output_onto_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*RUN, "models"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "convsmith: No space left on device\n")


@pytest.mark.parametrize(("verb", "code"), [(("show", "lenet5"), 0), (("inspect", "photos"), 2)])
def test_a_working_folder_that_was_deleted(verb: tuple[str, ...], code: int, tmp_path: Path) -> None:
    gone = "import os, tempfile; place = tempfile.mkdtemp(); os.chdir(place); os.rmdir(place);"
    done = subprocess.run(
        [sys.executable, "-c", gone + RUN[-1], *verb], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == (code > 0)
