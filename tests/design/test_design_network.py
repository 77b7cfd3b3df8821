from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st

from convsmith import build, cost_of
from convsmith.design.network import Blueprint, network_by
from convsmith.errors import ShapeError, UsageError
from convsmith.network.ops import AdaptiveAvgPool


@settings(max_examples=25, deadline=None)
@given(
    st.integers(12, 40),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4)), min_size=1, max_size=3),
    st.sampled_from([3, 5, 7]),
    st.sampled_from(["max", "mean"]),
    st.sampled_from(["batch", "none"]),
    st.sampled_from(["none", "identity"]),
    st.sampled_from([None, 7]),
)
def test_the_reach_is_that_of_the_network_and_the_network_runs(
    side: int,
    stages: list[tuple[int, int]],
    kernel: int,
    pooling: str,
    normalization: str,
    shortcuts: str,
    hidden: int | None,
) -> None:
    filters, convolutions = zip(*stages, strict=True)
    blueprint = Blueprint(
        (3, side, side), 4, filters, convolutions, stem_kernel=kernel, pooling=pooling,  # type: ignore[arg-type]
        normalization=normalization, shortcuts=shortcuts, hidden=hidden, dropout=0.1,  # type: ignore[arg-type]
    )  # fmt: skip
    net = network_by(blueprint)
    assert build(net)(torch.rand(2, 3, side, side)).shape == (2, 4)
    source = next(node.inputs[0] for node in net if isinstance(node.op, AdaptiveAvgPool))
    assert cost_of(net).fields[source].size[0] == blueprint.reach


def test_without_padding_the_first_map_is_smaller() -> None:
    plain = Blueprint((1, 28, 28), 10, (8,), (1,), stem_kernel=5)
    cut = Blueprint((1, 28, 28), 10, (8,), (1,), stem_kernel=5, stem_padding="none")
    assert cost_of(network_by(cut)).macs < cost_of(network_by(plain)).macs


@pytest.mark.parametrize(
    ("changed", "setting"),
    [
        ({"kernel": 4}, "kernel"),
        ({"stem_kernel": 2}, "stem_kernel"),
        ({"filters": ()}, "filters"),
        ({"convolutions": (1,)}, "convolutions"),
        ({"hidden": 0}, "hidden"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_what_is_out_of_range_is_named(changed: dict[str, object], setting: str) -> None:
    given = {"input": (1, 28, 28), "classes": 10, "filters": (8, 16), "convolutions": (1, 1), **changed}
    with pytest.raises(UsageError) as refused:
        Blueprint(**given)  # type: ignore[arg-type]
    assert refused.value.settings == (setting,)


def test_too_many_stages_for_the_input_are_refused() -> None:
    with pytest.raises(ShapeError, match="stage"):
        network_by(Blueprint((1, 8, 8), 10, (4,) * 5, (1,) * 5))
