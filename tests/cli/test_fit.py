"""The main job on real photographs, of the kinds that people's folders hold."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import QUICK, Command
from safetensors.torch import load_file

FILES = ("model.safetensors", "model.onnx", "log.jsonl", "run.json", "summary.json", "report.html")


def test_a_folder_of_photographs_goes_the_whole_way(convsmith: Command, photo_folder: Path, tmp_path: Path) -> None:
    """Grey, palette, RGBA, CMYK and EXIF-rotated files are used, and the truncated one is named and left out."""
    out = tmp_path / "run"
    fitted = convsmith("fit", photo_folder, *QUICK, "--out", out)
    assert fitted.code == 0, fitted.err
    assert all((out / file).stat().st_size for file in FILES)
    for title in ("data", "network", "cost", "accuracy", "latency", "model", "export", "verified"):
        assert any(line.startswith(title) for line in fitted.out.splitlines()), title
    skipped = [line for line in fitted.err.splitlines() if line.startswith("skipped")]
    assert len(skipped) == 1
    assert "truncated.jpg" in skipped[0]

    evaluated = convsmith("evaluate", out / "model.safetensors", photo_folder, "--json")
    assert evaluated.code == 1  # the truncated file is left out, and named
    assert "truncated.jpg" in evaluated.err
    assert json.loads(evaluated.out)["top1"] == json.loads(convsmith_metrics(out))["top1"]

    cat = photo_folder / "cat"
    odd = [cat / name for name in ("grey.png", "palette.png", "rgba.png", "cmyk.jpg", "rotated.jpg")]
    answers = []
    for model in ("model.safetensors", "model.onnx"):
        predicted = convsmith("predict", *odd, "--model", out / model, "--json")
        assert predicted.code == 0, predicted.err
        answers.append([(one["image"], one["guesses"][0]["label"]) for one in json.loads(predicted.out)])
    assert len(answers[0]) == len(odd)
    assert answers[0] == answers[1]


def convsmith_metrics(out: Path) -> str:
    from convsmith.weights import read_header

    return json.dumps(read_header(out / "model.safetensors").metrics)


def test_strict_refuses_before_training(convsmith: Command, photo_folder: Path, tmp_path: Path) -> None:
    refused = convsmith("fit", photo_folder, *QUICK, "--strict", "--out", tmp_path / "run")
    assert refused.code == 1
    assert "truncated.jpg" in refused.err
    assert not (tmp_path / "run").exists()


def test_json_is_alone_on_stdout(convsmith: Command, photo_folder: Path, tmp_path: Path) -> None:
    fitted = convsmith("fit", photo_folder, *QUICK, "--out", tmp_path / "run", "--json")
    summary = json.loads(fitted.out)
    assert summary["verification"]["passed"] is True
    assert summary["data"]["skipped"]
    assert "epoch 1" in fitted.err


def test_going_on_from_a_model_file_keeps_its_network(
    convsmith: Command, photo_folder: Path, trained: Path, tmp_path: Path
) -> None:
    from convsmith.weights import read_header

    model = trained / "model.safetensors"
    fitted = convsmith("fit", photo_folder, "--model", model, "--epochs", 1, "--out", tmp_path / "on")
    assert fitted.code == 0, fitted.err
    assert read_header(tmp_path / "on/model.safetensors").network == read_header(model).network


@pytest.mark.parametrize(
    ("limit", "bound"), [("--max-params", 70_000), ("--max-macs", 500_000), ("--max-size", 150_000)]
)
def test_limits_are_honoured(convsmith: Command, photo_folder: Path, tmp_path: Path, limit: str, bound: int) -> None:
    out = tmp_path / "run"
    fitted = convsmith(
        "fit", photo_folder, "--side", 32, "--epochs", 1, "--float32", limit, bound, "--out", out, "--json"
    )
    assert fitted.code == 0, fitted.err
    summary = json.loads(fitted.out)
    figure = {
        "--max-params": summary["network"]["params"],
        "--max-macs": summary["network"]["macs"],
        "--max-size": (out / "model.safetensors").stat().st_size,
    }[limit]
    assert 0 < figure <= bound


def fit_process(data: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from convsmith.cli.main import main; main()", "fit", str(data), *QUICK]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "--epochs", "12", "--out", str(out), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


def test_a_killed_fit_resumes_to_the_same_bits(photo_folder: Path, tmp_path: Path) -> None:
    """SIGKILL at a random moment after the start of training, again and again until the run gets through."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert fit_process(photo_folder, whole).wait(300) == 0
    kills, options = 0, ()
    generator = random.Random(os.urandom(8))
    while True:
        seen = {file.name for file in (broken / "checkpoint").glob("*.safetensors")}
        process = fit_process(photo_folder, broken, *options)
        while process.poll() is None and {f.name for f in (broken / "checkpoint").glob("*.safetensors")} == seen:
            time.sleep(0.005)
        if kills < 3:
            time.sleep(generator.uniform(0, 0.4))
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
        if process.wait(300) == 0:
            break
        options = ("--resume",)
    assert kills
    one, other = load_file(whole / "model.safetensors"), load_file(broken / "model.safetensors")
    assert one.keys() == other.keys()
    assert all(one[name].numpy().tobytes() == other[name].numpy().tobytes() for name in one)


def test_a_finished_run_is_not_overwritten(convsmith: Command, photo_folder: Path, trained: Path) -> None:
    before = (trained / "model.safetensors").read_bytes()
    refused = convsmith("fit", photo_folder, *QUICK, "--out", trained)
    assert refused.code == 2
    assert "--resume" in refused.err
    assert (trained / "model.safetensors").read_bytes() == before


def test_the_arithmetic_of_a_run_can_be_forced(convsmith: Command, photo_folder: Path, tmp_path: Path) -> None:
    quick = [word for word in QUICK if word != "--float32"]
    forced = ("--precision", "float32", "--memory-format", "channels_last")
    fitted = convsmith("fit", photo_folder, *quick, *forced, "--out", tmp_path / "run", "--json")
    assert fitted.code == 0, fitted.err
    tuned = json.loads(fitted.out)["training"]["tuned"]
    assert (tuned["arithmetic"]["precision"], tuned["arithmetic"]["memory_format"]) == ("float32", "channels_last")
    assert tuned["measured"] == []
    refused = convsmith("fit", photo_folder, *QUICK, "--precision", "bfloat16", "--out", tmp_path / "other")
    assert refused.code == 2
    assert "--precision, --memory-format: leave these out with --float32" in refused.err


def test_the_fastest_batch_is_measured_once_and_kept_for_a_run_that_goes_on(
    convsmith: Command, photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convsmith.train.tune.batch_size.MEASURED_SECONDS", 1.0)
    out = tmp_path / "run"
    fitted = convsmith("fit", photo_folder, *QUICK, "--batch-size", "auto", "--out", out)
    assert fitted.code == 0, fitted.err
    run = json.loads((out / "run.json").read_text())
    (note,) = run["notes"]
    assert note in fitted.err
    assert note.startswith(f"batch {run['recipe']['batch_size']}, ")
    monkeypatch.setattr("convsmith.fitting.measured.fastest_batch", lambda *arguments: pytest.fail("measured again"))
    assert convsmith("fit", photo_folder, "--resume", "--out", out).code == 0


def test_decoders_and_compiling_can_be_forced(convsmith: Command, photo_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    fitted = convsmith("fit", photo_folder, *QUICK, "--decoders", 0, "--no-compile", "--out", out, "--json")
    tuned = json.loads(fitted.out)["training"]["tuned"]
    assert (tuned["decoders"], tuned["arithmetic"]["compiled"], tuned["notes"]) == (0, False, [])


def test_decoded_images_are_kept_where_it_is_asked_for(
    convsmith: Command, photo_folder: Path, tmp_path: Path, cache_folder: Path
) -> None:
    fitted = convsmith("fit", photo_folder, *QUICK, "--cache", "disk", "--out", tmp_path / "run", "--json")
    assert fitted.code == 0, fitted.err
    (kept,) = cache_folder.rglob("decoded-images-*/data.mdb")
    assert kept.stat().st_size > 100 * 32 * 32 * 3


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("--batch-size", "0"), "--batch-size: must be a whole number above 0 or auto, not '0'"),
        (("--batch-size", "many"), "--batch-size: must be a whole number above 0 or auto, not 'many'"),
        (("--batch-size", "auto", "--cluster", "auto"), "--batch-size: works in one process only"),
        (("--compile", "--cluster", "auto"), "--compile: works in one process only"),
        (("--cache", "disk", "--cluster", "auto"), "--cache: works in one process only"),
        (("--epochs", "2", "--time", "1m"), "--epochs, --time: give one or the other"),
        (("--freeze", "features"), "--freeze: need pretrained weights"),
        (("--time", "soon"), "--time: must be a number with s, m or h, such as 10m, not 'soon'"),
        (("--resume",), "holds no run to resume"),
    ],
)
def test_what_cannot_be_planned_is_refused_before_anything_is_written(
    convsmith: Command, photo_folder: Path, tmp_path: Path, words: tuple[str, ...], wrong: str
) -> None:
    refused = convsmith("fit", photo_folder, *words, "--out", tmp_path / "run")
    assert refused.code == 2
    assert wrong in refused.err
    assert not (tmp_path / "run").exists()


def test_resuming_with_other_settings_names_each_and_changes_nothing(
    convsmith: Command, photo_folder: Path, trained: Path
) -> None:
    before = {path: path.read_bytes() for path in trained.iterdir() if path.is_file()}
    refused = convsmith("fit", photo_folder, "--epochs", 9, "--seed", 4, "--resume", "--out", trained)
    assert refused.code == 2
    (line,) = refused.err.strip().splitlines()
    epochs = json.loads((trained / "run.json").read_text())["recipe"]["epochs"]
    assert line == f"convsmith: --epochs 9: the run has {epochs}; --seed 4: the run has 0"
    assert before == {path: path.read_bytes() for path in trained.iterdir() if path.is_file()}


def test_resuming_with_what_the_run_came_to_is_no_difference(
    convsmith: Command, photo_folder: Path, trained: Path
) -> None:
    epochs = json.loads((trained / "run.json").read_text())["recipe"]["epochs"]
    resumed = convsmith(
        "fit", photo_folder, "--epochs", epochs, "--seed", 0, "--decoders", 1, "--resume", "--out", trained
    )
    assert resumed.code == 0, resumed.err


@pytest.mark.parametrize(
    "words", [("--max-params", "1"), ("--model", "resnet21"), ("--learning-rate", "1e30"), ("--model", "nowhere.json")]
)
def test_a_start_that_fails_leaves_the_folder_free_for_the_corrected_command(
    convsmith: Command, photo_folder: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    out = tmp_path / "run"
    failed = convsmith("fit", photo_folder, *QUICK, *words, "--out", out)
    assert failed.code != 0
    assert len(failed.err.strip().splitlines()[-1:]) == 1
    if not out.exists():
        return
    # Training itself had begun: then the run is there, and says so.
    assert list((out / "checkpoint").iterdir())


def test_a_model_files_side_and_limits_are_heeded_before_training(
    convsmith: Command, photo_folder: Path, trained: Path, tmp_path: Path
) -> None:
    model = trained / "model.safetensors"
    for words, wrong in (
        (("--max-params", 10), "--max-params"),
        (("--max-macs", 10), "--max-macs"),
        (("--max-latency", 0.0001), "--max-latency"),
    ):
        refused = convsmith("fit", photo_folder, "--model", model, *words, "--out", tmp_path / "run")
        assert (refused.code, wrong in refused.err) == (2, True), refused.err
        assert not (tmp_path / "run").exists()


def test_a_network_as_show_prints_it_is_a_network_to_fit(
    convsmith: Command, photo_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "net.json"
    path.write_text(convsmith("show", "lenet5", "--classes", 3, "--input", "3x32x32", "--json").out)
    fitted = convsmith("fit", photo_folder, "--model", path, "--epochs", 1, "--float32", "--out", tmp_path / "run")
    assert fitted.code == 0, fitted.err
    assert json.loads((tmp_path / "run/run.json").read_text())["network"]["name"] == "lenet5"


def test_help_has_its_options_in_groups_of_a_line_each(convsmith: Command) -> None:
    text = convsmith("fit", "--help").out
    for group in ("Data", "Network and limits", "Training", "Speed", "Cluster", "The run"):
        assert group in text
