from __future__ import annotations

from pathlib import Path

import pytest

from convsmith import cost_of
from convsmith.design.choose import Choice, choose, families
from convsmith.design.limits import Limits, file_bytes
from convsmith.errors import LimitError, ShapeError, UnknownNameError
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.weights import Header, save_model

GREY, COLOUR, PHOTO = (1, 28, 28), (3, 32, 32), (3, 96, 96)
SHAPES = (GREY, COLOUR, PHOTO)


def by_macs(net: Network) -> float:
    return float(cost_of(net).macs) / 1e6


def seconds(net: Network) -> float:
    """Of a training step for one image, on a machine of 5 G multiply-adds a second."""
    return float(cost_of(net).macs) / 5e9


def choice(shape: tuple[int, int, int], model: str | None = None, **limits: float) -> Choice:
    return choose(10, shape, 9_000, Limits(**limits), by_macs, seconds, epochs=12, model=model)  # type: ignore[arg-type]


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
        assert error.settings == (limit,)
        smallest = float(str(error).split("takes ")[1].split()[0].replace(",", ""))
        assert smallest > bound
        assert figure(choice(shape, **{limit: smallest * 1.01 + 1}).network) <= smallest * 1.01 + 1


def test_characters_get_the_network_that_was_made_for_them() -> None:
    def chosen(characters: bool) -> str:
        plenty = {"epochs": 1, "characters": characters}
        return choose(10, GREY, 1000, Limits(), by_macs, seconds, **plenty).network.name  # type: ignore[arg-type]

    assert chosen(characters=True).startswith("lenet5_caffe")
    assert chosen(characters=False).startswith("resnet20")


def test_a_slower_machine_gets_a_smaller_network() -> None:
    def macs(slower: float) -> int:
        chosen = choose(10, PHOTO, 9_000, Limits(), by_macs, lambda net: slower * seconds(net), epochs=12)
        return int(cost_of(chosen.network).macs)

    assert macs(1) > macs(10) > macs(100)


def test_no_step_is_timed_after_the_first_network_that_is_fast_enough() -> None:
    timed: list[str] = []

    def told(net: Network) -> float:
        timed.append(net.name)
        return seconds(net)

    choose(10, COLOUR, 100, Limits(), by_macs, told, epochs=1)
    assert len(timed) == 1


def test_the_widest_that_fits_is_chosen() -> None:
    params = [int(cost_of(choice(PHOTO, max_params=bound).network).params) for bound in (100_000, 500_000, 2_000_000)]
    assert params == sorted(params)
    assert len(set(params)) == 3


def test_limits_that_only_fail_together_are_named_together() -> None:
    small = cost_of(choice(GREY, max_params=2_000).network)
    least_macs = cost_of(choice(GREY, max_macs=60_000).network)
    assert small.params < least_macs.params
    with pytest.raises(LimitError, match="max_params, max_macs"):
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
    save_model(header.with_weights(build(net).state_dict()), path)
    assert file_bytes(cost_of(net)) - 40_000 < path.stat().st_size <= file_bytes(cost_of(net))
