"""`convsmith.scale`: from a network, data and a size to a larger network."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import convsmith
from convsmith import Dataset, Network, cost_of, create
from convsmith.errors import ConvsmithError, LimitError, UsageError
from convsmith.network import builder as nn
from convsmith.scaling.plot import draw
from convsmith.scaling.scaled import Scaled
from convsmith.scaling.trials import Trials
from convsmith.transform.compound import EFFICIENTNET, Constants


def own(x: nn.Tensor) -> nn.Tensor:
    """A user's network: two plain convolutions, and one that could be repeated."""
    x = nn.max_pool(nn.relu(nn.batch_norm(nn.conv(x, 8, 3))), 2)
    x = nn.relu(nn.batch_norm(nn.conv(x, 16, 3, 2)))
    return nn.linear(nn.global_avg_pool(x), 2)


def shades(count: int = 160) -> Dataset:
    """Dark and light squares."""
    labels = np.arange(count) % 2
    noise = np.random.default_rng(0).integers(0, 120, (count, 12, 12, 1), np.uint8)
    return Dataset.from_arrays(noise + (100 * labels).astype(np.uint8)[:, None, None, None], labels)


@pytest.fixture(scope="module")
def found() -> Scaled:
    return convsmith.scale(nn.write("own", (1, 12, 12), own), shades(), to="3x", trials=Trials(epochs=2))


@pytest.mark.parametrize(
    "name", ["lenet5", "vgg11", "resnet20", "mobilenet_v1", "densenet121", "squeezenet1_0", "efficientnet_b0"]
)
def test_any_network_is_scaled_by_the_authors_constants(name: str) -> None:
    made = convsmith.scale(name, to="2x")
    base = cost_of(create(name)).macs
    assert 1.5 * base < made.chosen.cost.macs <= 2 * base
    assert made.found_by == "EfficientNet's"
    assert Network.from_json(made.network.to_json()) == made.network
    assert made.ways[0].name == "compound"


def test_a_users_module_is_scaled(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch import nn\n"
        "def make():\n"
        "    block = lambda: (nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())\n"
        "    return nn.Sequential(nn.Conv2d(3, 16, 3), *block(), *block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
        "                         nn.Linear(16, 4))\n"
    )
    from convsmith.resolve import network_of

    made = convsmith.scale(network_of(f"{file}:make", input=(3, 24, 24)), to="4x")
    assert not made.fixed
    assert made.network.classes == 4
    assert made.network.input[1] > 24
    assert len(made.network) > len(made.base.member.network)


def test_without_a_size_it_is_the_coefficient() -> None:
    made = convsmith.scale("resnet20", phi=2, constants=Constants(1.4, 1.2, 1.1))
    assert made.chosen.factors == Constants(1.4, 1.2, 1.1).at(2)
    assert [member.phi for member in made.family] == [1, 2]
    assert made.found_by == "given"


def test_ways_are_compared_at_equal_cost() -> None:
    made = convsmith.scale("vgg11", to="4x")
    for way in made.ways[1:]:
        for compound, alone in zip(made.ways[0].steps, way.steps, strict=True):
            assert 0.75 * compound.member.cost.macs < alone.member.cost.macs <= compound.member.cost.macs
    by_name = {way.name: way.steps[-1].member for way in made.ways}
    assert by_name["depth only"].network.input == by_name["width only"].network.input == (3, 224, 224)


def test_no_network_is_listed_twice_in_one_way() -> None:
    for name in ("lenet5", "resnet20", "squeezenet1_0"):
        for way in convsmith.scale(name, to="8x").ways:
            networks = [step.member.network for step in way.steps]
            assert len(set(networks)) == len(networks), (name, way.name)


def test_a_smaller_network_than_asked_for_is_said_to_be() -> None:
    made = convsmith.scale("resnet20", to="1.4x", constants=Constants(2, 1, 1))
    assert made.chosen.cost.macs < 1.35 * made.base.member.cost.macs
    assert "nearest from below" in made.notes[0]
    assert "less than asked" in str(made)


def test_constants_are_found_on_the_data(found: Scaled) -> None:
    assert found.found_by == "searched"
    assert len(found.grid) >= 3
    assert any(point.reached.finished for point in found.grid)
    assert found.constants in [point.member.as_constants for point in found.grid if point.reached.finished]
    assert all(step.reached is not None for way in found.ways for step in way.steps)
    assert found.base.reached is not None
    assert found.base.reached.value > 0.6


def test_the_text_has_grid_family_and_ways(found: Scaled) -> None:
    text = str(found)
    for words in ("Constants tried on", "The family", "At equal cost, each trained 2 epochs", "width only", "found on"):
        assert words in text


def test_json_has_the_same_and_the_network(found: Scaled) -> None:
    data = json.loads(json.dumps(found.to_json()))
    assert Network.from_json(data["architecture"]) == found.network
    assert len(data["grid"]) == len(found.grid)
    assert data["constants"]["found_by"] == "searched"
    assert data["ways"][0]["steps"][0]["accuracy"]["value"] > 0


def test_the_plot_has_every_way(found: Scaled, tmp_path: Path) -> None:
    draw(found, tmp_path / "scaling.svg")
    text = "".join(ElementTree.parse(tmp_path / "scaling.svg").getroot().itertext())
    for words in (*(way.name for way in found.ways), "million multiply-adds", "constants tried"):
        assert words in text


def test_without_trainings_there_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^plot: there is nothing to draw"):
        draw(convsmith.scale("lenet5", to="2x"), tmp_path / "scaling.svg")
    with pytest.raises(UsageError, match=r"^plot: scaling.txt must end in"):
        draw(convsmith.scale("lenet5", to="2x"), tmp_path / "scaling.txt")


def test_a_trained_model_gives_a_model_of_the_same_outputs() -> None:
    from convsmith import Model, Preprocess, build

    net = create("resnet20", classes=2, input=(1, 12, 12))
    model = Model(net, build(net).state_dict(), ("a", "b"), Preprocess(1, (12, 12), 12, (0.5,), (0.25,)))
    made = convsmith.scale(model, to="3x", constants=Constants(1.4, 1.2, 1.0))
    assert made.start is not None
    assert made.start.same_outputs
    assert made.start.model.network == made.network
    assert "the same outputs as the trained network" in str(made)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({}, UsageError, r"^to, phi: say how large"),
        ({"phi": 0}, UsageError, r"^phi: must be from 1 to 12"),
        ({"to": "2x", "trials": Trials(seconds=9)}, UsageError, r"^seconds: without data nothing is trained"),
        ({"to": "3k"}, UsageError, r"^to: must be 4x"),
        ({"to": "10-macs"}, LimitError, r"^to: 10 multiply-adds cannot be met"),
        ({"to": "2x", "carry": "resnet20"}, ConvsmithError, "network without weights"),
    ],
)
def test_what_cannot_be_done_is_said(asked: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        convsmith.scale("resnet20", **asked)  # type: ignore[arg-type]


def test_weights_of_another_network_are_refused() -> None:
    from convsmith import Model, Preprocess, build

    net = create("resnet20", classes=2, input=(1, 12, 12))
    model = Model(net, build(net).state_dict(), ("a", "b"), Preprocess(1, (12, 12), 12, (0.5,), (0.25,)))
    with pytest.raises(UsageError, match=r"^carry: weights of resnet20 do not fit lenet5"):
        convsmith.scale("lenet5", to="2x", constants=EFFICIENTNET, carry=model)


def test_trials_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^epochs, seconds: give one or the other"):
        Trials(epochs=2, seconds=3)
    with pytest.raises(UsageError, match=r"^seconds: 0 s are too few"):
        convsmith.scale(nn.write("own", (1, 12, 12), own), shades(), to="2x", trials=Trials(seconds=0.001))
