"""Which maps are compared is read off the graph."""

from __future__ import annotations

from dataclasses import replace

import pytest

import convsmith
from convsmith.network import INPUT, Network, builder as nn
from convsmith.train.distillation.maps import bottlenecks, compared_maps, stage_maps


def sides(net: Network) -> list[int]:
    return [int(net.shapes[name][1]) for name in stage_maps(net)]


@pytest.mark.parametrize(
    ("name", "side", "wanted"),
    [
        ("resnet20", 32, [32, 16, 8]),
        ("resnet18", 64, [32, 16, 8, 4, 2]),
        ("mobilenet_v2", 64, [32, 16, 8, 4, 2]),
        ("densenet40_k12", 32, [32, 16, 8]),
        ("inception_v3", 299, [147, 71, 35, 17, 8]),
        ("lenet5", 32, [28, 10, 5]),
        ("squeezenet1_1", 64, [31, 15, 7, 3]),
    ],
)
def test_a_map_of_each_resolution_is_found(name: str, side: int, wanted: list[int]) -> None:
    channels = 1 if name == "lenet5" else 3
    assert sides(convsmith.create(name, classes=10, input=(channels, side, side))) == wanted


def renamed(net: Network) -> Network:
    names = {INPUT: INPUT} | {node.name: f"n{at}" for at, node in enumerate(net)}
    nodes = tuple(
        replace(
            node,
            name=names[node.name],
            inputs=tuple(names[source] for source in node.inputs),
            shares=node.shares and names[node.shares],
        )
        for node in net
    )
    return Network("anything", net.input, nodes, names[net.output])


@pytest.mark.parametrize("name", ["resnet20", "googlenet", "shufflenet_v2_x0_5"])
def test_names_do_not_matter(name: str) -> None:
    net = convsmith.create(name, classes=10, input=(3, 64, 64)).inference
    places = [node.name for node in net]
    found = [places.index(name) for name in stage_maps(net)]
    assert stage_maps(renamed(net)) == tuple(f"n{at}" for at in found)


@pytest.mark.parametrize("name", ["resnet20", "densenet40_k12", "googlenet", "efficientnet_b0"])
def test_bottlenecks_are_the_layers_without_which_the_output_is_not_reached(name: str) -> None:
    net = convsmith.create(name, classes=10, input=(3, 64, 64)).inference

    def reached_without(taken: str) -> bool:
        reached = {INPUT}
        for node in net:
            if node.name != taken and reached & set(node.inputs):
                reached.add(node.name)
        return net.output in reached

    assert bottlenecks(net) == [node.name for node in net if not reached_without(node.name)]


def test_maps_are_paired_from_the_last() -> None:
    student = convsmith.create("lenet5", classes=10, input=(1, 32, 32))
    teacher = convsmith.create("resnet18", classes=10, input=(3, 64, 64))
    pairs = compared_maps(student, teacher)
    assert [own for own, _ in pairs] == list(stage_maps(student))
    assert [theirs for _, theirs in pairs] == list(stage_maps(teacher)[-3:])


def test_a_network_without_maps_has_none() -> None:
    net = nn.write("dense", (1, 8, 8), lambda x: nn.linear(nn.relu(nn.linear(x, 16)), 10))
    assert stage_maps(net) == ()
