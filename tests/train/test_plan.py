import json
import time
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from convsmith.train.objective import Objective
from convsmith.train.plan import Plan, choose_plan
from convsmith.train.recipe import Recipe

RECIPE = Recipe(1, 16, "sgd", learning_rate=0.1, weight_decay=0.01)


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 5))


def choose(recipe: Recipe, net: nn.Module | None = None) -> Plan:
    return choose_plan(net or module(), recipe, Objective(), (3, 8, 8), 16)


@pytest.fixture(autouse=True)
def no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.train.plan.bfloat16_is_slow", lambda device: "emulated")


def test_the_fastest_of_the_measured_candidates_is_chosen_and_the_rest_explained() -> None:
    plan = choose(RECIPE)
    assert {(m.memory_format, m.precision) for m in plan.measured} == {
        ("contiguous", "float32"),
        ("channels_last", "float32"),
    }
    fastest = max(plan.measured, key=lambda m: m.images_per_second)
    assert (plan.memory_format, plan.precision) == (fastest.memory_format, fastest.precision)
    assert plan.note == "emulated"


def test_bfloat16_is_measured_where_the_machine_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.train.plan.bfloat16_is_slow", lambda device: "")
    assert len(choose(RECIPE).measured) == 4


def test_what_the_recipe_fixes_is_not_measured() -> None:
    fixed = replace(RECIPE, memory_format="channels_last", precision="bfloat16")
    assert choose(fixed) == Plan("channels_last", "bfloat16")
    assert {
        m.memory_format for m in choose(replace(RECIPE, memory_format="contiguous", precision=None)).measured
    } == set()


def test_the_module_is_left_as_it_was() -> None:
    net = module()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    choose(RECIPE, net)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_slow_networks_are_measured_within_the_time_for_probing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.train.plan.PROBE_SECONDS", 1.0)

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(192, 5)

        def forward(self, x: Tensor) -> Tensor:
            time.sleep(0.05 * len(x))
            logits: Tensor = self.layer(x.flatten(1))
            return logits

    start = time.monotonic()
    choose(RECIPE, Slow())
    assert time.monotonic() - start < 2.5


def test_a_plan_survives_json() -> None:
    plan = choose(RECIPE)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
