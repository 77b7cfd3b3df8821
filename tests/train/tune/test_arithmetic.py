import json
import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from convsmith import records
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.objective import ClassificationLoss
from convsmith.train.tune.arithmetic import Probe, Tuned, _candidates, choose_arithmetic

RECIPE = Recipe(1, 16, "sgd", learning_rate=0.1, weight_decay=0.01)


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 5))


def probe(recipe: Recipe, net: nn.Module | None = None) -> Probe:
    return Probe.of(net or module(), recipe, ClassificationLoss(), (3, 8, 8), 16)


def choose(recipe: Recipe, net: nn.Module | None = None) -> Tuned:
    return choose_arithmetic(probe(recipe, net))


@pytest.fixture(autouse=True)
def no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.train.tune.arithmetic.bfloat16_is_slow", lambda device: "emulated")


def test_the_fastest_of_the_measured_candidates_is_chosen_and_the_rest_explained() -> None:
    found = choose(RECIPE)
    assert {(m.memory_format, m.precision) for m in found.measured} == {
        ("contiguous", "float32"),
        ("channels_last", "float32"),
    }
    fastest = max(found.measured, key=lambda m: m.images_per_second)
    assert (found.arithmetic.memory_format, found.arithmetic.precision) == (fastest.memory_format, fastest.precision)
    assert found.notes[0] == "bfloat16 not measured: emulated"


def test_bfloat16_is_measured_where_the_machine_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.train.tune.arithmetic.bfloat16_is_slow", lambda device: "")
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


def test_slow_networks_are_measured_with_fewer_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsmith.train.tune.arithmetic.PROBE_SECONDS", 0.5)
    sizes: list[int] = []

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(192, 5)

        def forward(self, x: Tensor) -> Tensor:
            sizes.append(len(x))
            time.sleep(0.05 * len(x))
            logits: Tensor = self.layer(x.flatten(1))
            return logits

    choose(RECIPE, Slow())
    assert max(sizes) < 16  # a step with all of them takes 0.8 s


def test_what_was_measured_survives_json() -> None:
    found = choose(RECIPE)
    assert records.from_json(Tuned, json.loads(records.encode(found)), "tuned") == found


def test_the_arithmetic_is_named_before_what_was_measured() -> None:
    found = choose(RECIPE)
    compiled = replace(found, arithmetic=replace(found.arithmetic, compiled=True), decoders=2)
    assert str(compiled).partition(" (")[0] == f"{found.arithmetic.memory_format}, float32, compiled"
    assert str(compiled).endswith("/s; 2 decoding processes)")
    assert str(Tuned(Arithmetic(), decoders=1)) == "contiguous, float32 (1 decoding process)"


def test_the_speed_is_what_was_measured_or_is_measured_when_asked_for() -> None:
    measured = probe(RECIPE)
    found = choose_arithmetic(measured)
    assert measured.speed(found) == max(m.images_per_second for m in found.measured)
    assert measured.speed(Tuned(Arithmetic())) > 0


def test_bfloat16_that_is_asked_for_is_taken_with_a_warning_where_it_is_emulated() -> None:
    found = choose(replace(RECIPE, precision="bfloat16", memory_format="contiguous"))
    assert (found.arithmetic.precision, found.notes[0]) == ("bfloat16", "bfloat16 as asked, but slow: emulated")


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


def tuned(recipe: Recipe, net: nn.Module, steps: int) -> Tuned:
    return choose_arithmetic(probe(recipe, net), steps=steps)


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
    found = tuned(RECIPE, Waits(), LONG)
    assert found.arithmetic.compiled
    assert found.measured[-1].compiled
    assert found.images_per_second == found.measured[-1].images_per_second
    assert "compiled: " in found.notes[-1]
    assert "times the plain step's speed" in found.notes[-1]


def test_a_compiled_step_that_is_no_faster_is_not_taken(compiler: Callable[..., None]) -> None:
    compiler(lambda module: module)
    found = tuned(RECIPE, Waits(), LONG)
    assert not found.arithmetic.compiled
    assert re.fullmatch(r"torch.compile not taken: \d\.\d\d times the plain step.s speed, .*", found.notes[-1])


def test_nothing_is_compiled_for_a_short_training(compiler: Callable[..., None]) -> None:
    compiler(lambda module: pytest.fail("compiled"))
    found = tuned(RECIPE, Waits(), 10)
    assert not found.arithmetic.compiled
    assert "too short for it to pay" in found.notes[-1]


def test_a_compiler_that_fails_is_noted_and_the_run_goes_on(compiler: Callable[..., None]) -> None:
    def fails(x: Tensor) -> Tensor:
        raise AssertionError("no kernel for this\nand a long trace")

    compiler(lambda module: fails)
    for recipe in (RECIPE, replace(RECIPE, compiled=True)):
        found = tuned(recipe, Waits(), LONG)
        assert not found.arithmetic.compiled
        assert found.notes[-1] == "torch.compile not taken: compiling failed (no kernel for this)"


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
    found = tuned(RECIPE, Waits(), LONG)  # ends at all
    assert found.notes[-1] == "torch.compile not taken: compiling took longer than 0 s"


def test_compiling_that_is_forced_or_forbidden_is_not_compared(compiler: Callable[..., None]) -> None:
    fixed = replace(RECIPE, memory_format="contiguous", precision="float32")
    compiler(lambda module: module)
    assert tuned(replace(fixed, compiled=True), Waits(), 1).arithmetic.compiled
    assert tuned(replace(fixed, compiled=True), Waits(), 1).measured == ()
    assert tuned(replace(fixed, compiled=False), Waits(), LONG) == Tuned(Arithmetic(batch_size=16))
