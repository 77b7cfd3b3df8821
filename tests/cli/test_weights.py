"""`convsmith weights`: list, fetch, import, export, and a model file that comes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from command import Command

from convsmith import build, create
from convsmith.weights import to_library

NAME = "torchvision/squeezenet1_1"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "squeezenet.pth"
    net = create(NAME)
    torch.save(to_library(net, build(net).state_dict(), "torchvision"), path)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no way out."""
    monkeypatch.setattr("convsmith.download.cache", lambda kind: tmp_path / "cache" / kind)
    monkeypatch.setenv("CONVSMITH_OFFLINE", "1")
    return tmp_path / "cache/weights"


def test_weights_are_listed_with_their_figures(convsmith: Command, cache: Path) -> None:
    outcome = convsmith("weights", "list", "*resnet50*")
    assert outcome.code == 0
    assert "torchvision/resnet50.IMAGENET1K_V2" in outcome.out
    assert "80.9%" in outcome.out
    rows = json.loads(convsmith("weights", "list", NAME, "--json").out)
    assert [row["name"] for row in rows] == [f"{NAME}.IMAGENET1K_V1"]
    assert rows[0]["path"] is None
    assert rows[0]["preprocess"]["resize"] == 256
    cache.mkdir(parents=True)
    (cache / rows[0]["url"].rpartition("/")[2]).touch()
    assert json.loads(convsmith("weights", "list", NAME, "--json").out)[0]["path"]


def test_offline_what_is_not_here_is_not_fetched(convsmith: Command) -> None:
    for verb in (("fetch", NAME), ("import", NAME, "-o", "model.safetensors")):
        outcome = convsmith("weights", *verb)
        assert outcome.code == 1
        assert outcome.err.count("\n") == 1
        assert "CONVSMITH_OFFLINE forbids" in outcome.err


def test_a_checkpoint_becomes_a_model_that_predicts(
    convsmith: Command, checkpoint: Path, tmp_path: Path, photo_folder: Path
) -> None:
    model = tmp_path / "model.safetensors"
    outcome = convsmith("weights", "import", checkpoint, "--model", NAME, "-o", model)
    assert outcome.code == 0, outcome.err
    assert "1000 classes" in outcome.out
    assert "preprocessing assumed" in outcome.err
    predicted = convsmith("predict", photo_folder / "cat/00.jpg", "--model", model, "--json")
    assert len(json.loads(predicted.out)[0]["guesses"]) == 5
    shown = json.loads(convsmith("show", model, "--json").out)
    assert shown["network"] == NAME


def test_import_tells_what_it_did_as_json(convsmith: Command, checkpoint: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    told = json.loads(convsmith("weights", "import", checkpoint, "--model", NAME, "-o", model, "--json").out)
    assert told["path"] == str(model)
    assert told["bytes"] == model.stat().st_size
    assert (told["network"], told["classes"], told["preprocess_assumed"]) == (NAME, 1000, True)
    assert told["not_imported"] == []


def test_what_does_not_fit_is_listed_and_only_left_out_on_demand(
    convsmith: Command, checkpoint: Path, tmp_path: Path
) -> None:
    model, classes = tmp_path / "model.safetensors", tmp_path / "classes.txt"
    classes.write_text("cat\ndog\n\n")
    words = ("weights", "import", checkpoint, "--model", NAME, "-o", model, "--classes", classes)
    refused = convsmith(*words)
    assert refused.code == 1
    assert "classifier.1.weight has shape (1000, 512, 1, 1), conv10 needs (2, 512, 1, 1)" in refused.err
    assert not model.exists()
    accepted = convsmith(*words, "--partial")
    assert accepted.code == 0
    assert "not imported: classifier.1.weight has shape" in accepted.err
    assert "stays random: conv10.weight" in accepted.err


def test_a_wholly_random_model_is_not_written(convsmith: Command, tmp_path: Path) -> None:
    torch.save({"nothing.weight": torch.zeros(3)}, tmp_path / "other.pth")
    words = (
        "weights",
        "import",
        tmp_path / "other.pth",
        "--model",
        NAME,
        "-o",
        tmp_path / "m.safetensors",
        "--partial",
    )
    refused = convsmith(*words)
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "0 of the 52 tensors" in refused.err
    assert not (tmp_path / "m.safetensors").exists()


def test_raw_weights_or_their_average_are_asked_for(convsmith: Command, checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)
    torch.save({"state_dict": state, "state_dict_ema": dict(state)}, tmp_path / "both.ckpt")
    words = ("weights", "import", tmp_path / "both.ckpt", "--model", NAME, "-o", tmp_path / "m.safetensors")
    assert "the averaged weights (state_dict_ema) are taken" in convsmith(*words).err
    assert "the raw weights (state_dict) are taken" in convsmith(*words, "--weights", "raw").err
    alone = convsmith("weights", "identify", checkpoint, "--weights", "ema")
    assert (alone.code, alone.err) == (2, "convsmith: --weights: the file holds only raw weights\n")


def test_a_checkpoint_is_identified(convsmith: Command, checkpoint: Path) -> None:
    outcome = convsmith("weights", "identify", checkpoint)
    assert outcome.code == 0
    assert outcome.out == f"{NAME} (squeezenet, names of torchvision): 1000 classes\n"
    told = json.loads(convsmith("weights", "identify", checkpoint, "--json").out)
    assert (told["matches"][0]["variant"], told["matches"][0]["exact"], told["tensors"]) == ("squeezenet1_1", True, 52)


def test_what_is_no_network_here_is_said_with_exit_code_1(convsmith: Command, tmp_path: Path) -> None:
    torch.save({"blocks.0.attn.qkv.weight": torch.zeros(3)}, tmp_path / "vit.bin")
    outcome = convsmith("weights", "identify", tmp_path / "vit.bin")
    assert (outcome.code, outcome.out) == (1, "no network here has keys like those of its 1 tensors\n")


def test_the_preprocessing_may_be_given(convsmith: Command, checkpoint: Path, tmp_path: Path) -> None:
    description = json.loads(convsmith("weights", "list", "torchvision/resnet50.IMAGENET1K_V2", "--json").out)[0]
    (tmp_path / "preprocess.json").write_text(json.dumps(description["preprocess"]))
    words = ("weights", "import", checkpoint, "--model", NAME, "-o", tmp_path / "model.safetensors", "--json")
    told = json.loads(convsmith(*words, "--preprocess", tmp_path / "preprocess.json").out)
    assert (told["preprocess"]["resize"], told["preprocess_assumed"]) == (232, False)


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("--classes", "cat\ncat\n", "'cat' is there twice"),
        ("--classes", "", "no class names"),
        ("--classes", None, "cannot read"),
        ("--preprocess", "{}", "does not describe preprocessing"),
        ("--preprocess", "no", "does not describe preprocessing"),
    ],
)
def test_files_of_options_that_cannot_be_used_are_named(
    convsmith: Command, checkpoint: Path, tmp_path: Path, option: str, content: str | None, words: str
) -> None:
    file = tmp_path / "given"
    if content is not None:
        file.write_text(content)
    outcome = convsmith("weights", "import", checkpoint, "--model", NAME, "-o", tmp_path / "m", option, file)
    assert outcome.code == 2
    assert str(file) in outcome.err
    assert words in outcome.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("list", "nothing*"), 2, "no weights match"),
        (("fetch", "torchvision/resnet5"), 2, "torchvision/resnet50"),
        (("import", "nowhere.pth", "-o", "m.safetensors"), 2, "nowhere.pth: no such file"),
        (("import", "torchvision/resnet5", "-o", "m.safetensors"), 2, "torchvision/resnet50"),
        (("export", "nowhere.safetensors", "--to", "keras", "-o", "w.h5"), 2, "nowhere.safetensors: no such file"),
    ],
)
def test_mistakes_get_one_line(
    convsmith: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = convsmith("weights", *words)
    assert (outcome.code, outcome.err.count("\n")) == (code, 1)
    assert said in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_an_imported_model_is_exported_again(convsmith: Command, checkpoint: Path, tmp_path: Path) -> None:
    model, back = tmp_path / "model.safetensors", tmp_path / "back.pth"
    convsmith("weights", "import", checkpoint, "--model", NAME, "-o", model)
    told = json.loads(convsmith("weights", "export", model, "--to", "torchvision", "-o", back, "--json").out)
    assert told == {"path": str(back), "network": NAME, "tensors": 52, "bytes": back.stat().st_size}
    first, last = (torch.load(path, weights_only=True) for path in (checkpoint, back))
    assert first.keys() == last.keys()
    assert all(torch.equal(first[key], last[key]) for key in first)


def test_a_library_without_the_network_is_refused(convsmith: Command, checkpoint: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    convsmith("weights", "import", checkpoint, "--model", NAME, "-o", model)
    refused = convsmith("weights", "export", model, "--to", "keras", "-o", tmp_path / "w.h5")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "keras has no network that computes the same as torchvision/squeezenet1_1" in refused.err
    assert not (tmp_path / "w.h5").exists()
