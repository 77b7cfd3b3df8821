"""`convsmith.fit` takes values: data in memory, a network, a model, a module, an objective."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import convsmith
from convsmith import Request
from convsmith.errors import LimitError, UsageError
from convsmith.fitting.fit import Extras
from convsmith.network.preprocess import Framing
from convsmith.request import ResumeError
from convsmith.train import EpochEnded, TrainingBatch

QUICK = Request(epochs=1, precision="float32", memory_format="contiguous", compiled=False)


@pytest.fixture(scope="module")
def dataset() -> convsmith.Dataset:
    labels = np.arange(240) % 2
    images = np.random.default_rng(0).integers(0, 120, (240, 16, 16), dtype=np.uint8)
    images[labels == 1, :, 4:8] += 100
    return convsmith.Dataset.from_arrays(images, labels, classes=("plain", "bar"))


@pytest.fixture(scope="module")
def network() -> convsmith.Network:
    return convsmith.create("lenet5", classes=2, input=(1, 16, 16))


class Bars(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 8, 3), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(F.relu(self.conv(x)).mean(dim=(2, 3)))
        return logits


def test_a_data_set_and_a_network_in_memory_go_the_whole_way(
    dataset: convsmith.Dataset, network: convsmith.Network, tmp_path: Path
) -> None:
    made = convsmith.fit(dataset, network, QUICK, out=tmp_path / "run")
    assert made.network == network
    assert made.verification.passed
    run = json.loads((tmp_path / "run/run.json").read_text())
    assert run["request"]["network"] == "Network lenet5"
    assert convsmith.load_model(made.model_file).classes == ("plain", "bar")


def test_a_model_is_trained_further_from_its_weights(
    dataset: convsmith.Dataset, network: convsmith.Network, tmp_path: Path
) -> None:
    first = convsmith.fit(dataset, network, QUICK, out=tmp_path / "first").model
    still = replace(QUICK, learning_rate=1e-12)
    second = convsmith.fit(dataset, first, still, out=tmp_path / "second").model
    for name, weight in first.weights.items():
        torch.testing.assert_close(second.weights[name], weight, rtol=1e-4, atol=1e-4)


def test_a_module_is_read_and_trained_from_its_own_weights(dataset: convsmith.Dataset, tmp_path: Path) -> None:
    torch.manual_seed(3)
    module = Bars()
    made = convsmith.fit(dataset, module, replace(QUICK, learning_rate=1e-12), out=tmp_path / "run")
    torch.testing.assert_close(made.model.weights["conv.weight"], module.conv.weight.detach(), rtol=1e-4, atol=1e-5)


def test_an_objective_and_what_follows_the_update_are_heeded(
    dataset: convsmith.Dataset, network: convsmith.Network, tmp_path: Path
) -> None:
    calls: list[int] = []

    def objective(outputs: Tensor, batch: TrainingBatch, module: nn.Module) -> Tensor:
        calls.append(len(batch.rows))
        return F.cross_entropy(outputs, batch.targets)

    def clear(module: nn.Module, update: int) -> None:
        module.get_submodule("conv1").weight.zero_()

    extras = Extras(objective, clear)
    made = convsmith.fit(dataset, network, QUICK, out=tmp_path / "run", extras=extras)
    assert sum(calls) >= 100
    assert not made.model.weights["conv1.weight"].any()


def test_an_observer_stops_a_run_that_is_then_resumed_to_the_same_bits(
    dataset: convsmith.Dataset, network: convsmith.Network, tmp_path: Path
) -> None:
    request = replace(QUICK, epochs=3)

    def stop(event: object, training: convsmith.Training | None) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        convsmith.fit(dataset, network, request, out=tmp_path / "a", observers=(stop,))
    resumed = convsmith.fit(dataset, out=tmp_path / "a", resume=True).model
    straight = convsmith.fit(dataset, network, request, out=tmp_path / "b").model
    assert all(torch.equal(resumed.weights[name], straight.weights[name]) for name in straight.weights)


def test_another_request_is_refused_on_resume_and_other_data_too(
    dataset: convsmith.Dataset, network: convsmith.Network, tmp_path: Path
) -> None:
    convsmith.fit(dataset, network, QUICK, out=tmp_path / "run")
    with pytest.raises(ResumeError, match="epochs 7: the run has 1"):
        convsmith.fit(dataset, None, Request(epochs=7), out=tmp_path / "run", resume=True)
    images = [image for image, _ in dataset.splits["train"]]
    other = convsmith.Dataset.from_arrays(images, np.arange(len(images)) % 2)
    with pytest.raises(UsageError, match="has changed since the run was begun, or is other data"):
        convsmith.fit(other, out=tmp_path / "run", resume=True)


def test_what_is_wrong_leaves_no_folder(dataset: convsmith.Dataset, network: convsmith.Network, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for request, error in (
        (replace(QUICK, max_params=10), LimitError),
        (replace(QUICK, recipe="fixres"), UsageError),
        (replace(QUICK, seconds=0.001, epochs=None), UsageError),
    ):
        with pytest.raises(error):
            convsmith.fit(dataset, network, request, out=out)
        assert not out.exists()


def test_a_start_that_fails_in_the_folder_takes_away_what_it_made(
    dataset: convsmith.Dataset, network: convsmith.Network, tmp_path: Path
) -> None:
    def broken(outputs: Tensor, batch: TrainingBatch, module: nn.Module) -> Tensor:
        raise UsageError("no such objective")

    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="no such objective"):
        convsmith.fit(dataset, network, replace(QUICK, compiled=None), out=tmp_path, extras=Extras(broken))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    made = convsmith.fit(dataset, network, QUICK, out=tmp_path)
    assert made.model_file.exists()


def test_another_batch_scales_the_learning_rate_unless_it_is_given(
    dataset: convsmith.Dataset, network: convsmith.Network, tmp_path: Path
) -> None:
    from convsmith.fitting.choice import choose_plan

    def recipe(**settings: object) -> convsmith.Recipe:
        return choose_plan(replace(QUICK, data=dataset, network="resnet20", **settings), dataset).plan.recipe

    own = recipe()
    assert recipe(batch_size=4 * own.batch_size).learning_rate == pytest.approx(4 * own.learning_rate)
    assert recipe(batch_size=4 * own.batch_size, learning_rate=0.3).learning_rate == 0.3


def test_a_batch_of_more_images_than_there_are_is_all_of_them_and_said(
    dataset: convsmith.Dataset, network: convsmith.Network
) -> None:
    from convsmith.fitting.choice import choose_plan

    told: list[str] = []
    images = len(dataset.split("train"))
    request = replace(QUICK, data=dataset, network=network, batch_size=10**9)
    recipe = choose_plan(request, dataset, told.append).plan.recipe
    assert recipe == choose_plan(replace(request, batch_size=images), dataset).plan.recipe
    assert (recipe.batch_size, told) == (
        images,
        [f"batch {images}, which is all training images: 1,000,000,000 were asked for"],
    )


def test_the_side_of_a_model_is_heeded(dataset: convsmith.Dataset, tmp_path: Path) -> None:
    network = convsmith.create("resnet20", classes=2, input=(1, 16, 16))
    weights = convsmith.build(network).state_dict()
    model = convsmith.Model(network, weights, dataset.classes, convsmith.preprocess_for(dataset))
    made = convsmith.fit(dataset, model, replace(QUICK, side=24), out=tmp_path / "run")
    assert made.network.input == (1, 24, 24)


def test_classes_that_mirroring_exchanges_are_not_mirrored_whatever_they_are_called(tmp_path: Path) -> None:
    labels = np.arange(200) % 2
    images = np.random.default_rng(0).integers(0, 40, (200, 16, 16, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4:12, slice(3, 6) if label else slice(10, 13)] += 180
    dataset = convsmith.Dataset.from_arrays(images, labels, classes=("aa", "bb"))
    told: list[str] = []
    made = convsmith.fit(
        dataset, "resnet20", QUICK, out=tmp_path / "run", observers=(lambda event, training: told.append(str(event)),)
    )
    assert not made.model.provenance["recipe"]["augment"]["flip"]
    assert any("not mirrored in training: mirroring exchanges" in line for line in told)


def test_how_little_is_seen_of_long_pictures_is_said(tmp_path: Path) -> None:
    labels = np.arange(60) % 2
    images = np.random.default_rng(0).integers(0, 255, (60, 60, 300, 3), dtype=np.uint8)
    images[labels == 1, :, :60] //= 4
    dataset = convsmith.Dataset.from_arrays(images, labels)
    told: list[str] = []
    request = replace(QUICK, side=32, framing="crop")
    observers = (lambda event, training: told.append(str(event)),)
    convsmith.fit(dataset, "resnet20", request, out=tmp_path / "run", observers=observers)
    assert any("of the pictures: their middle" in line for line in told)


@pytest.mark.parametrize("framing", [None, "pad"])
def test_what_tells_the_class_at_the_left_end_of_long_pictures_is_learned(
    tmp_path: Path, framing: Framing | None
) -> None:
    labels = np.arange(120) % 4
    images = np.random.default_rng(0).integers(0, 255, (120, 60, 300, 3), dtype=np.uint8)
    images[:, :, :50] = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [200, 200, 30]])[labels][:, None, None]
    dataset = convsmith.Dataset.from_arrays(images, labels)
    told: list[str] = []
    request = replace(QUICK, side=32, epochs=8, framing=framing)
    observers = (lambda event, training: told.append(str(event)),)
    made = convsmith.fit(dataset, "resnet20", request, out=tmp_path / "run", observers=observers)
    assert made.model.preprocess.framing == (framing or "squash")
    assert made.metrics.top1.value == 1
    assert not made.verification.disagreements
    assert any(f"framing: {framing or 'squash'}; the network sees 100% of the pictures" in line for line in told)
    assert any("the middle square is 20% of a picture" in line for line in told) == (framing is None)
    assert convsmith.load_model(tmp_path / "run/model.safetensors").preprocess == made.model.preprocess
