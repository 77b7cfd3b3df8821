from __future__ import annotations

from pathlib import Path

import pytest

from convsmith import cost_of
from convsmith.design.choose import Choice, Limits, choose, families, file_bytes
from convsmith.errors import LimitError, ShapeError, UnknownNameError
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.weights import Header, Model, save_model

GREY, COLOUR, PHOTO = (1, 28, 28), (3, 32, 32), (3, 96, 96)
SHAPES = (GREY, COLOUR, PHOTO)


def by_macs(net: Network) -> float:
    return float(cost_of(net).macs) / 1e6


def choice(shape: tuple[int, int, int], model: str | None = None, **limits: float) -> Choice:
    return choose(10, shape, 9_000, Limits(**limits), by_macs, epochs=12, model=model)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", SHAPES)
def test_without_limits_the_network_is_of_the_first_family(shape: tuple[int, int, int]) -> None:
    chosen = choice(shape)
    assert chosen.network.name.startswith(families(shape)[0])
    assert chosen.network.input == shape
    assert chosen.network.classes == 10


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("limit", ["max_params", "max_macs", "max_size", "max_latency"])
@pytest.mark.parametrize("share", [0.9, 0.3, 0.05])
def test_every_limit_is_honoured_or_refused_with_the_smallest(
    shape: tuple[int, int, int], limit: str, share: float
) -> None:
    figure = {
        "max_params": lambda net: int(cost_of(net).params),
        "max_macs": lambda net: int(cost_of(net).macs),
        "max_size": lambda net: file_bytes(cost_of(net)),
        "max_latency": by_macs,
    }[limit]
    whole = figure(choice(shape, model=families(shape)[0]).network)
    bound = share * whole if limit == "max_latency" else int(share * whole)
    try:
        assert figure(choice(shape, **{limit: bound}).network) <= bound
    except LimitError as error:
        assert f"--{limit.replace('_', '-')}" in str(error)
        smallest = float(str(error).split("takes ")[1].split()[0].replace(",", ""))
        assert smallest > bound
        assert figure(choice(shape, **{limit: smallest * 1.01 + 1}).network) <= smallest * 1.01 + 1


def test_the_widest_that_fits_is_chosen() -> None:
    params = [int(cost_of(choice(PHOTO, max_params=bound).network).params) for bound in (100_000, 500_000, 2_000_000)]
    assert params == sorted(params)
    assert len(set(params)) == 3


def test_limits_that_only_fail_together_are_named_together() -> None:
    small = cost_of(choice(GREY, max_params=2_000).network)
    least_macs = cost_of(choice(GREY, max_macs=60_000).network)
    assert small.params < least_macs.params
    with pytest.raises(LimitError, match="--max-params, --max-macs"):
        choice(GREY, max_params=int(small.params), max_macs=int(least_macs.macs))


def test_a_named_network_keeps_its_width_without_limits() -> None:
    assert choice(GREY, model="lenet5").network.nodes == choice(GREY, model="lenet5", max_params=10**9).network.nodes
    with pytest.raises(UnknownNameError):
        choice(GREY, model="lenet55")
    with pytest.raises(ShapeError, match="smallest"):
        choice(GREY, model="alexnet")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_model_file_is_never_larger_than_was_counted(shape: tuple[int, int, int], tmp_path: Path) -> None:
    from convsmith import build

    net = choice(shape).network
    header = Header(
        net,
        tuple("abcdefghij"),
        Preprocess(shape[0], shape[1:], shape[1], (0.5,) * shape[0], (0.5,) * shape[0]),
        {},
        {},
    )
    path = tmp_path / "model.safetensors"
    save_model(Model(header, build(net).state_dict()), path)
    assert file_bytes(cost_of(net)) - 40_000 < path.stat().st_size <= file_bytes(cost_of(net))
