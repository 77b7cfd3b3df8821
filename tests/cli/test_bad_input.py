"""What goes wrong at the keyboard: one line that names the thing and what is right, no traceback, nothing left."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from command import QUICK, Command, Outcome
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file


def assert_one_line(outcome: Outcome, code: int, *words: str) -> None:
    assert outcome.code == code, outcome
    lines = outcome.err.strip().splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("convsmith: ")
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in lines[0], f"{word!r} not in {lines[0]!r}"


def images(folder: Path, count: int, size: int = 32) -> None:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(generator.integers(0, 256, (size, size, 3), np.uint8)).save(folder / f"{number}.png")


def empty_folder(root: Path) -> None:
    root.mkdir()


def one_class(root: Path) -> None:
    images(root / "cat", 8)


def one_image(root: Path) -> None:
    images(root / "cat", 8)
    images(root / "dog", 1)


def missing_in_val(root: Path) -> None:
    for split in ("train", "val", "test"):
        images(root / split / "cat", 4)
        if split != "val":
            images(root / split / "dog", 4)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (empty_folder, ("data",)),
        (one_class, ("cat", "two")),
        (one_image, ("dog",)),
        (missing_in_val, ("dog", "val")),
    ],
)
def test_data_that_cannot_be_trained_on(
    convsmith: Command, tmp_path: Path, make: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    make(tmp_path / "data")
    refused = convsmith("fit", tmp_path / "data", *QUICK, "--out", tmp_path / "run")
    assert_one_line(refused, 1, *words)
    assert not (tmp_path / "run").exists()


def test_an_unknown_data_set_or_path(convsmith: Command, tmp_path: Path) -> None:
    assert_one_line(convsmith("fit", "fashon-mini", "--out", tmp_path / "run"), 2, "fashion-mini")
    assert_one_line(convsmith("fit", tmp_path / "nowhere", "--out", tmp_path / "run"), 2, "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_model_gives_the_nearest(convsmith: Command, photo_folder: Path, tmp_path: Path) -> None:
    refused = convsmith("fit", photo_folder, "--model", "resnet5", "--out", tmp_path / "run")
    assert_one_line(refused, 2, "resnet5", "resnet50")
    assert_one_line(convsmith("show", "mobilenet_v22"), 2, "mobilenet_v2")
    assert not (tmp_path / "run").exists()


def test_an_image_too_small_for_the_network(convsmith: Command, photo_folder: Path, tmp_path: Path) -> None:
    refused = convsmith("fit", photo_folder, "--model", "alexnet", "--side", 32, "--out", tmp_path / "run")
    assert_one_line(refused, 2, "alexnet", "smallest")
    assert_one_line(convsmith("show", "vgg16", "--input", "3x16x16"), 2, "smallest")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("limit", "bound"), [("--max-params", 10), ("--max-macs", 10), ("--max-size", 10), ("--max-latency", 1e-6)]
)
def test_limits_that_cannot_be_met_name_the_smallest(
    convsmith: Command, photo_folder: Path, tmp_path: Path, limit: str, bound: float
) -> None:
    refused = convsmith("fit", photo_folder, "--side", 32, limit, bound, "--out", tmp_path / "run")
    assert_one_line(refused, 2, limit, "smallest")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [("fit",), ("fit", "fashion-mini", "--epochs", "0"), ("show", "resnet50", "--input", "224"), ("frobnicate",)],
)
def test_bad_usage_is_exit_code_two(convsmith: Command, words: tuple[str, ...]) -> None:
    outcome = convsmith(*words)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


def cut_off(path: Path, model: Path) -> None:
    path.write_bytes(model.read_bytes()[:-100])


def noise(path: Path, model: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(4000))


def other_shapes(path: Path, model: Path) -> None:
    with safe_open(model, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
    tensors[name] = torch.zeros(3, 3, 3, 3)
    save_file(tensors, path, metadata)


@pytest.mark.parametrize("damage", [cut_off, noise, other_shapes])
@pytest.mark.parametrize("verb", ["evaluate", "export", "predict", "fit", "show"])
def test_a_damaged_model_file(
    convsmith: Command,
    photo_folder: Path,
    trained: Path,
    tmp_path: Path,
    damage: Callable[[Path, Path], None],
    verb: str,
) -> None:
    model = tmp_path / "bad.safetensors"
    damage(model, trained / "model.safetensors")
    words = {
        "evaluate": (model, photo_folder),
        "export": (model, "--data", photo_folder),
        "predict": (photo_folder / "cat/00.jpg", "--model", model),
        "fit": (photo_folder, "--model", model, "--out", tmp_path / "run"),
        "show": (model,),
    }[verb]
    assert_one_line(convsmith(verb, *words), 1, "bad.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.safetensors"]


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("went-off"),)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_a_pickle_is_never_loaded(
    convsmith: Command,
    photo_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"model{suffix}"
    file.write_bytes(pickle.dumps(Bomb()))
    assert_one_line(convsmith("predict", photo_folder / "cat/00.jpg", "--model", file), 1, file.name)
    assert_one_line(convsmith("evaluate", file, photo_folder), 1, file.name)
    assert_one_line(convsmith("fit", photo_folder, "--model", file, "--out", tmp_path / "run"), 1, file.name)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_images_that_cannot_be_read_are_named_and_the_others_predicted(
    convsmith: Command, photo_folder: Path, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "note.jpg").write_text("not an image")
    images = (tmp_path / "note.jpg", photo_folder / "cat/truncated.jpg", photo_folder / "cat/00.jpg")
    outcome = convsmith("predict", *images, "--model", trained / "model.safetensors")
    assert outcome.code == 1
    assert sum("note.jpg" in line or "truncated.jpg" in line for line in outcome.err.splitlines()) == 2
    assert "00.jpg" in outcome.out


def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    convsmith: Command, photo_folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    out = tmp_path / "run"
    assert convsmith("fit", photo_folder, *QUICK, "--out", out).code == 0
    before = load_file(out / "model.safetensors")
    newest = max((out / "checkpoint").glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-50])
    resumed = convsmith("fit", photo_folder, *QUICK, "--out", out, "--resume")
    assert resumed.code == 0
    assert f"{newest.name}: damaged checkpoint" in resumed.err
    after = load_file(out / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_folder_that_cannot_be_made(convsmith: Command, photo_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused = convsmith("fit", photo_folder, *QUICK, "--out", tmp_path / "file/run")
    assert_one_line(refused, 2, "file/run")
