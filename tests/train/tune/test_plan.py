import json
import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from convsmith.train.recipes.recipe import Recipe
from convsmith.train.step.objective import Objective
from convsmith.train.tune.plan import Plan, _candidates, choose_plan, speed_of

RECIPE = Recipe(1, 16, "sgd", learning_rate=0.1, weight_decay=0.01)


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 5))


def choose(recipe: Recipe, net: nn.Module | None = None) -> Plan:
    return choose_plan(net or module(), recipe, Objective(), (3, 8, 8), 16)


@pytest.fixture(autouse=True)
def no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.train.tune.plan.bfloat16_is_slow", lambda device: "emulated")


def test_the_fastest_of_the_measured_candidates_is_chosen_and_the_rest_explained() -> None:
    plan = choose(RECIPE)
    assert {(m.memory_format, m.precision) for m in plan.measured} == {
        ("contiguous", "float32"),
        ("channels_last", "float32"),
    }
    fastest = max(plan.measured, key=lambda m: m.images_per_second)
    assert (plan.memory_format, plan.precision) == (fastest.memory_format, fastest.precision)
    assert plan.notes[0] == "bfloat16 not measured: emulated"


def test_bfloat16_is_measured_where_the_machine_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.train.tune.plan.bfloat16_is_slow", lambda device: "")
    assert len(choose(RECIPE).measured) == 4


def test_what_the_recipe_fixes_is_not_measured() -> None:
    fixed = replace(RECIPE, memory_format="channels_last", precision="bfloat16")
    assert choose(fixed).measured == ()
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
    monkeypatch.setattr("convsmith.train.tune.plan.PROBE_SECONDS", 1.0)

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


def test_a_plan_of_an_earlier_version_is_read_as_what_that_version_did() -> None:
    plan = Plan.from_json({"memory_format": "contiguous", "precision": "float32", "measured": [], "note": "emulated"})
    assert plan == Plan("contiguous", "float32", notes=("emulated",), compiled=False)
    assert Plan.from_json({**plan.to_json(), "notes": []}).notes == ()


def test_a_plan_begins_with_its_arithmetic_before_what_was_measured() -> None:
    plan = replace(choose(RECIPE), compiled=True, decoders=2)
    assert str(plan).partition(" (")[0] == f"{plan.memory_format}, float32, compiled"
    assert str(plan).endswith("/s; 2 decoding processes)")
    assert str(Plan("contiguous", "float32", decoders=1)) == "contiguous, float32 (1 decoding process)"


def test_the_speed_is_what_was_measured_or_is_measured_when_asked_for() -> None:
    net, shape = module(), (3, 8, 8)
    plan = choose(RECIPE, net)
    assert speed_of(plan, net, RECIPE, Objective(), shape, 16) == max(m.images_per_second for m in plan.measured)
    assert speed_of(Plan("contiguous", "float32"), net, RECIPE, Objective(), shape, 16) > 0


def test_bfloat16_that_is_asked_for_is_taken_with_a_warning_where_it_is_emulated() -> None:
    plan = choose(replace(RECIPE, precision="bfloat16", memory_format="contiguous"))
    assert (plan.precision, plan.notes[0]) == ("bfloat16", "bfloat16 as asked, but slow: emulated")


def test_bfloat16_that_a_gpu_cannot_do_at_all_becomes_float32_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation=True: False)
    candidates, notes = _candidates(replace(RECIPE, precision="bfloat16"), torch.device("cuda"))
    assert {precision for _, precision in candidates} == {"float32"}
    assert notes == ("float32, not bfloat16 as asked: emulated",)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets compiled forward passes be other functions, and be candidates on a CPU too."""

    def install(forward: Callable[[nn.Module], Callable[[Tensor], Tensor]]) -> None:
        monkeypatch.setattr("convsmith.train.step.learner.compiled_forward", forward)
        monkeypatch.setattr("convsmith.train.step.compiling.hindrance", lambda device, recipe, **run: "")

    return install


LONG = 10**9
"""Steps for which compiling would pay."""


def plan_of(recipe: Recipe, net: nn.Module, steps: int) -> Plan:
    return choose_plan(net, recipe, Objective(), (3, 8, 8), 16, steps=steps)


class Waits(nn.Module):
    """A network whose step is slow where it is not compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(192, 5)

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.003)
        return self.fast(x)

    def fast(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer(x.flatten(1))
        return logits


def test_a_compiled_step_that_is_faster_is_taken_with_its_figure(compiler: Callable[..., None]) -> None:
    compiler(lambda module: module.fast)
    plan = plan_of(RECIPE, Waits(), LONG)
    assert plan.compiled
    assert plan.measured[-1].compiled
    assert plan.images_per_second == plan.measured[-1].images_per_second
    assert "compiled: " in plan.notes[-1]
    assert "times the plain step's speed" in plan.notes[-1]


def test_a_compiled_step_that_is_no_faster_is_not_taken(compiler: Callable[..., None]) -> None:
    compiler(lambda module: module)
    plan = plan_of(RECIPE, Waits(), LONG)
    assert not plan.compiled
    assert re.fullmatch(r"torch.compile not taken: \d\.\d\d times the plain step.s speed, .*", plan.notes[-1])


def test_nothing_is_compiled_for_a_short_training(compiler: Callable[..., None]) -> None:
    compiler(lambda module: pytest.fail("compiled"))
    plan = plan_of(RECIPE, Waits(), 10)
    assert not plan.compiled
    assert "too short for it to pay" in plan.notes[-1]


def test_a_compiler_that_fails_is_noted_and_the_run_goes_on(compiler: Callable[..., None]) -> None:
    def fails(x: Tensor) -> Tensor:
        raise AssertionError("no kernel for this\nand a long trace")

    compiler(lambda module: fails)
    for recipe in (RECIPE, replace(RECIPE, compiled=True)):
        plan = plan_of(recipe, Waits(), LONG)
        assert not plan.compiled
        assert plan.notes[-1] == "torch.compile not taken: compiling failed (no kernel for this)"


def test_a_compiler_that_takes_too_long_is_stopped(
    compiler: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(x: Tensor) -> Tensor:
        while True:
            try:
                time.sleep(60)
            except Exception:  # as the compiler does
                continue

    monkeypatch.setattr("convsmith.train.step.compiling.allowance", lambda seconds: 0.2)
    compiler(lambda module: endless)
    start = time.monotonic()
    plan = plan_of(RECIPE, Waits(), LONG)
    assert plan.notes[-1] == "torch.compile not taken: compiling took longer than 0 s"
    assert time.monotonic() - start < 10


def test_compiling_that_is_forced_or_forbidden_is_not_compared(compiler: Callable[..., None]) -> None:
    fixed = replace(RECIPE, memory_format="contiguous", precision="float32")
    compiler(lambda module: module)
    assert plan_of(replace(fixed, compiled=True), Waits(), 1).compiled
    assert plan_of(replace(fixed, compiled=True), Waits(), 1).measured == ()
    assert plan_of(replace(fixed, compiled=False), Waits(), LONG) == Plan("contiguous", "float32")
