"""Zero-cost proxies: finite, the same each time, and as their papers define them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from noise_space import SPACE, dataset
from torch import nn

from convsmith.cost import cost_of
from convsmith.design.limits import Limits
from convsmith.design.preprocessing import preprocess_for
from convsmith.searching.proxies import SCORES, grad_norm, naswot, proxy_on, synflow, used
from convsmith.searching.sampling import distributions
from convsmith.searching.search import search
from convsmith.searching.settings import Proxy, SearchSettings
from convsmith.searching.spaces.limited import Candidate
from convsmith.searching.spaces.members import Members
from convsmith.searching.study import limited_for, work_on


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_finite_and_the_same_each_time(name: str) -> None:
    data = dataset()
    preprocess = preprocess_for(data)
    members = Members(SPACE, (1, *preprocess.crop), 2)
    candidates = [Candidate((), cost_of(members.network(row))) for row in (members.counts * 0, members.counts - 1)]
    score = proxy_on(name, data, preprocess, seed=0)  # type: ignore[arg-type]
    first = [score(candidate) for candidate in candidates]
    assert all(map(math.isfinite, first))
    assert [score(candidate) for candidate in candidates] == first
    assert first[0] != first[1]


def test_synflow_of_two_layers_is_the_sum_over_paths() -> None:
    module = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 1, bias=False))
    first, second = (layer.weight.detach().abs().double() for layer in module)  # type: ignore[operator]
    paths = float((second @ first).sum())  # every weight lies on them: each layer's part is the whole flow
    assert synflow(module, torch.zeros(1, 2), torch.zeros(1)) == pytest.approx(math.log(2 * paths))


def test_grad_norm_is_the_norm_of_the_gradient() -> None:
    module = nn.Linear(2, 2, bias=False)
    nn.init.zeros_(module.weight)
    images, labels = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    assert grad_norm(module, images, labels) == pytest.approx(math.sqrt(0.5))


def test_naswot_counts_rectifiers_that_agree() -> None:
    module = nn.Sequential(nn.ReLU())
    images = torch.tensor([[1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
    kernel = np.array([[3, 1], [1, 3]])
    assert naswot(module, images, torch.zeros(2)) == pytest.approx(np.linalg.slogdet(kernel).logabsdet)


def test_a_search_can_be_ordered_by_one() -> None:
    found = search(dataset(), space=SPACE, settings=SearchSettings(trials=2, epochs=1, proxy="synflow"))
    plain = search(dataset(), space=SPACE, settings=SearchSettings(trials=2, epochs=1))
    assert found.trials[0].choices != plain.trials[0].choices


def test_the_largest_uses_most_of_the_limits() -> None:
    members = Members(SPACE, (1, 8, 8), 2)
    small, large = (Candidate((), cost_of(members.network(row))) for row in (members.counts * 0, members.counts - 1))
    params, macs = int(large.cost.params), int(large.cost.macs)
    assert used(Limits(max_params=2 * params, max_macs=macs))(large) == 0.75
    assert used(Limits(max_size=10**6))(small) < used(Limits(max_size=10**6))(large)
    assert used(Limits())(large) == params


@pytest.mark.parametrize(
    ("settings", "limits", "by_size"),
    [
        (SearchSettings(), Limits(max_params=400), True),
        (SearchSettings(sampler="nsga2"), Limits(max_macs=40_000), True),
        (SearchSettings(sampler="random"), Limits(max_params=400), False),
        (SearchSettings(sampler="random", proxy="largest"), Limits(max_params=400), True),
        (SearchSettings(proxy="none"), Limits(max_params=400), False),
        (SearchSettings(goal="front"), Limits(max_params=400), False),
        (SearchSettings(), Limits(), False),
        (SearchSettings(), Limits(max_params=400, max_latency=1e9), False),
    ],
)
def test_size_orders_proposals_where_accuracy_alone_counts_within_limits(
    settings: SearchSettings, limits: Limits, by_size: bool
) -> None:
    def proposals(proxy: Proxy | None) -> list[dict[str, int]]:
        data, asked = dataset(), replace(settings, proxy=proxy)
        limited, preprocess = limited_for(data, SPACE, limits, asked, lambda network: 1.0)
        study = work_on("", limited, data, preprocess, asked, 1).study
        return [study.ask(distributions(SPACE)).params for _ in range(6)]

    assert proposals(settings.proxy) == proposals("largest" if by_size else "none")
    assert proposals("largest") != proposals("none")
