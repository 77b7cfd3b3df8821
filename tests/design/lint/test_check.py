"""`convsmith.lint` on networks of every kind, and with images."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from design_faults import FAULTS, network

import convsmith
from convsmith.design.lint import Finding
from convsmith.design.lint.images import object_share
from convsmith.errors import UsageError
from convsmith.network.builder import conv, global_avg_pool, linear, max_pool, relu, write
from convsmith.network.network import Network, Node
from convsmith.network.ops import Flatten, Linear, MaxPool

MODULES = Path(__file__).parents[2] / "backend" / "read" / "modules.py"

FOUND = {
    "sequential": {"CS401"},
    "named_sequential": {"CS304", "CS401"},
    "Functional": {"CS302", "CS304", "CS505"},
    "BareParameters": {"CS110"},
    "NestedResNet": {"CS110"},
    "SharedLayers": set(),
    "Shuffle": set(),
    "RepVGG": {"CS110"},
    "DenseNet": {"CS110"},
    "Inception": {"CS304"},
    "mobilenet": {"CS110", "CS505"},
    "ConvNeXt": set(),
    "TupleOutput": {"CS110", "CS503"},
    "AuxiliaryHead": {"CS110", "CS401", "CS503"},
    "Maxout": {"CS110", "CS501"},
}


def codes(found: tuple[Finding, ...]) -> set[str]:
    return {finding.code for finding in found}


@pytest.mark.parametrize("name", FOUND)
def test_modules_in_other_peoples_styles_are_read_and_held_against_the_rules(name: str) -> None:
    net = convsmith.read(convsmith_module(name), (3, 32, 32)).network
    assert codes(convsmith.lint(net)) == FOUND[name]


def convsmith_module(name: str):  # type: ignore[no-untyped-def]
    from convsmith.backend.read.module.factory import load_factory

    return load_factory(f"{MODULES}:{name}")


def test_a_network_file_is_linted_by_its_path(tmp_path: Path) -> None:
    fault = FAULTS[0]
    path = tmp_path / "net.json"
    path.write_text(json.dumps(network(fault.broken).to_json()))
    assert codes(convsmith.lint(path)) == {fault.code}
    assert codes(convsmith.lint(str(path))) == {fault.code}


def test_a_network_whose_map_is_pooled_to_nothing_is_told_at_the_layer() -> None:
    nodes = (
        Node("pool", MaxPool((4, 4), (4, 4)), ("input",)),
        Node("again", MaxPool((4, 4), (4, 4)), ("pool",)),
        Node("flat", Flatten(), ("again",)),
        Node("fc", Linear(3), ("flat",)),
    )
    found = convsmith.lint(Network("empty", (3, 8, 8), nodes, "fc"))
    assert [(finding.code, finding.nodes) for finding in found] == [("CS100", ("again",))]
    assert convsmith.lint(Network("empty", (3, 8, 8), nodes, "fc"), ignore=["CS1"]) == ()


def dataset(colour: bool = False, count: int = 40, side: int = 8) -> convsmith.Dataset:
    images = np.zeros((count, side, side, 3), np.uint8)
    images[:, 2:6, 3:5] = np.random.default_rng(0).integers(100, 255, (count, 1, 1, 3 if colour else 1))
    images[:, 2, 3] = np.arange(count)[:, None] + 100
    return convsmith.Dataset.from_arrays(images, [i % 2 for i in range(count)], ("a", "b"))


def net(channels: int = 1, side: int = 8, classes: int = 2, width: int = 8) -> Network:
    def body(x):  # type: ignore[no-untyped-def]
        for _ in range(4):
            x = relu(conv(x, width, 3, name=None))
        return linear(global_avg_pool(x), classes, name="fc")

    return write("small", (channels, side, side), body)


@pytest.mark.parametrize(
    ("given", "colour", "code", "layer"),
    [
        (net(), False, None, None),
        (net(width=64), False, "CS701", "conv2"),
        (net(channels=3), False, "CS702", "conv1"),
        (net(), True, "CS703", "conv1"),
        (net(side=18), False, "CS704", "conv1"),
        (net(classes=5), False, "CS705", "fc"),
    ],
)
def test_with_images_more_is_asked(given: Network, colour: bool, code: str | None, layer: str | None) -> None:
    found = convsmith.lint(given, dataset(colour), select=["CS7"])
    assert [(finding.code, finding.nodes) for finding in found] == ([(code, (layer,))] if code else [])


def test_the_receptive_field_is_held_against_the_object_where_images_are_given() -> None:
    tiny = write("tiny", (1, 8, 8), lambda x: linear(global_avg_pool(relu(conv(x, 8, 5))), 2))
    assert codes(convsmith.lint(tiny, select=["CS110"])) == {"CS110"}
    assert convsmith.lint(tiny, dataset(), select=["CS110"]) == ()  # the object is 4 rows high


def test_an_object_is_what_differs_from_the_border() -> None:
    image = np.full((10, 20, 3), 40, np.uint8)
    assert object_share(image) == (1.0, 1.0)
    image[2:7, 5:7] = 200
    assert object_share(image) == (0.5, 0.1)


def test_a_name_is_written_for_the_classes_of_the_images() -> None:
    assert "CS705" not in codes(convsmith.lint("resnet20", dataset()))


def test_a_decoder_may_shrink() -> None:
    found = [finding for finding in convsmith.lint("unet") if finding.code == "CS201"]
    assert found == []


def test_pooling_that_ends_a_trunk_is_no_fault() -> None:
    body = write("pooled", (3, 8, 8), lambda x: linear(max_pool(relu(conv(x, 8, 7, name="c")), 8), 2))
    assert codes(convsmith.lint(body)) == {"CS110"}


def test_names_and_json_are_linted_without_torch_or_numpy(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(convsmith.create("lenet5").to_json()))
    code = (
        "import sys, convsmith; convsmith.lint('vgg16'); convsmith.lint(sys.argv[1]);"
        "print([name for name in ('torch', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_code_needs_an_input_or_images() -> None:
    with pytest.raises(UsageError, match="input"):
        convsmith.lint(f"{MODULES}:Functional")
