"""The constants that are tried."""

from __future__ import annotations

import pytest

from convsmith import create
from convsmith.cost import cost_of
from convsmith.network.network import Network
from convsmith.scaling.grid import TOLERANCE, grid_of
from convsmith.scaling.line import fixed_parts


@pytest.mark.parametrize("name", ["resnet20", "lenet5", "squeezenet1_1"])
def test_every_network_has_about_twice_the_multiply_adds(name: str) -> None:
    net = create(name, classes=10, input=(1, 32, 32))
    grid = grid_of(net, fixed_parts(net))
    assert len(grid) >= 3
    assert len({member.network for member in grid}) == len(grid)
    assert all(abs(member.cost.macs / cost_of(net).macs / 2 - 1) <= TOLERANCE for member in grid)


def test_each_dimension_alone_is_tried() -> None:
    factors = [member.factors for member in grid_of(create("resnet20"), {})]
    for part in ("depth", "width", "resolution"):
        others = {"depth", "width", "resolution"} - {part}
        assert any(getattr(each, part) > 1 and all(getattr(each, o) == 1 for o in others) for each in factors), part


def test_what_is_fixed_stays() -> None:
    net = create("resnet20")
    assert all(member.factors.depth == 1 for member in grid_of(net, {"depth"}))
    assert all(member.network.input == net.input for member in grid_of(net, {"resolution"}))


def test_equal_latency_instead_of_equal_multiply_adds() -> None:
    """A device on which activations take the time."""

    def latency_of(net: Network) -> float:
        return 1e-6 * float(cost_of(net).activations)

    net = create("resnet20")
    grid = grid_of(net, {}, unit="ms", latency_of=latency_of)
    assert all(abs(member.figure("ms") / latency_of(net) / 2 - 1) <= TOLERANCE for member in grid)
    assert max(member.cost.macs for member in grid) > 1.3 * min(member.cost.macs for member in grid)
