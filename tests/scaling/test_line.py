"""A network's scalings by their coefficient."""

from __future__ import annotations

import pytest

from convsmith import create
from convsmith.cost import cost_of
from convsmith.errors import LimitError, UsageError
from convsmith.network.network import Network
from convsmith.scaling.line import Line, fixed_parts, without
from convsmith.scaling.target import Unit
from convsmith.transform.compound import EFFICIENTNET, Constants
from convsmith.transform.depth import scale_depth
from convsmith.transform.side import with_side

SCALABLE = ("lenet5", "vgg11", "resnet20", "mobilenet_v1", "densenet121", "squeezenet1_0")


def line(name: str, constants: Constants = EFFICIENTNET) -> Line:
    net = create(name)
    return Line(net, without(constants, fixed_parts(net)))


@pytest.mark.parametrize("name", SCALABLE)
def test_the_network_is_the_largest_that_takes_no_more(name: str) -> None:
    scaled = line(name)
    wanted = 3 * float(cost_of(scaled.network).macs)
    member = scaled.within(wanted, "macs")
    assert 0.9 * wanted < member.cost.macs <= wanted
    assert cost_of(with_side(member.network, member.network.input[1] + 1)).macs > wanted
    phi = member.phi
    while (larger := scaled.at(phi)).cost.macs <= member.cost.macs:
        phi += 0.01
    assert larger.cost.macs > wanted


def test_one_dimension_alone_grows_in_its_steps() -> None:
    scaled = line("resnet20", Constants(2, 1, 1))
    member = scaled.within(3 * 4.1e7, "macs")
    assert member.network.nodes == scale_depth(scaled.network, 8 / 3).nodes


@pytest.mark.parametrize(("amount", "unit"), [(8e6, "params"), (1.6e7, "bytes"), (2e8, "macs")])
def test_every_unit_is_kept(amount: float, unit: Unit) -> None:
    member = line("mobilenet_v1").within(amount, unit)
    assert 0.7 * amount < member.figure(unit) <= amount


def test_a_smaller_network_has_a_negative_coefficient() -> None:
    scaled = line("resnet20")
    member = scaled.within(2e7, "macs")
    assert member.phi < 0
    assert member.cost.macs <= 2e7


def test_the_network_itself_is_at_zero() -> None:
    scaled = line("resnet20")
    member = scaled.within(float(cost_of(scaled.network).macs), "macs")
    assert (member.phi, member.network) == (0, scaled.network)


def test_latency_is_found_by_measuring() -> None:
    def latency_of(net: Network) -> float:
        return 1e-7 * float(cost_of(net).macs)

    scaled = line("resnet20")
    member = scaled.within(10.0, "ms", latency_of)
    assert member.latency == latency_of(member.network)
    assert 8 < member.latency <= 10


@pytest.mark.parametrize(("amount", "words"), [(1e3, "cannot be met: the smallest"), (1e16, "more than the largest")])
def test_what_no_network_takes_is_refused(amount: float, words: str) -> None:
    with pytest.raises(LimitError, match=words):
        line("resnet20").within(amount, "macs")


def test_a_smallest_network_is_one_whose_layers_fit() -> None:
    """VGG-11 halves the map five times: below 32 pixels nothing is left of it."""
    with pytest.raises(LimitError, match=r"the smallest vgg11 by these constants takes 276 M multiply-adds"):
        Line(create("vgg11"), Constants(1, 1, 1.15)).within(1e6, "macs")


def test_what_cannot_be_scaled_is_said_by_its_layer() -> None:
    assert fixed_parts(create("resnet20")) == {}
    assert list(fixed_parts(create("lenet5"))) == ["depth"]
    assert fixed_parts(create("nasnet_mobile"))["depth"].startswith("nasnet_mobile has no block that can be repeated")


def test_constants_of_what_is_fixed_are_1() -> None:
    assert without(EFFICIENTNET, {"depth": "no block"}) == Constants(1, 1.1, 1.15)
    with pytest.raises(UsageError, match="nothing of the network can be scaled: no block"):
        without(Constants(1.2, 1, 1), {"depth": "no block"})


@pytest.mark.parametrize("values", [(1, 1, 1), (0.9, 1.1, 1.1), (1.2, 1.1, 9)])
def test_constants_out_of_range_are_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match=r"^constants: depth, width and resolution must be from 1 to 4"):
        Constants(*values)
