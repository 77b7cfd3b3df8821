"""Where `torch.compile` is a candidate, decided without a compiler or a GPU."""

import sys
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from convsmith.train.recipes.recipe import FineTuning, Recipe
from convsmith.train.step import compiling

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
RECIPE = Recipe(1, 16, "sgd", learning_rate=0.1, weight_decay=0.01)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A GPU that Triton can compile for."""
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    return monkeypatch


def hindrance(device: torch.device, recipe: Recipe = RECIPE, processes: int = 1, auxiliary: bool = False) -> str:
    return compiling.hindrance(device, recipe, processes=processes, auxiliary=auxiliary)


def test_it_is_a_candidate_on_a_gpu(gpu: pytest.MonkeyPatch) -> None:
    assert hindrance(CUDA) == ""


def test_it_is_none_on_a_cpu_unless_it_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert "compiled = true forces it" in hindrance(CPU)
    assert hindrance(CPU, replace(RECIPE, compiled=True)) == ""


def test_a_missing_compiler_is_named_even_where_it_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    assert hindrance(CPU, replace(RECIPE, compiled=True)) == "there is no C++ compiler here (g++)"


def test_a_gpu_without_triton_or_too_old_for_it_is_named(gpu: pytest.MonkeyPatch) -> None:
    gpu.setattr("torch.cuda.get_device_capability", lambda device: (6, 1))
    assert "older" in hindrance(CUDA)
    gpu.setattr("importlib.util.find_spec", lambda name: None)
    assert hindrance(CUDA) == "Triton is not installed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"sides": (0.5, 1.0)}, "images grow"), ({"fine_tuning": FineTuning(2, unfreeze_every=1)}, "stages thaw")],
)
def test_what_would_be_compiled_again_and_again_is_not_unless_forced(
    gpu: pytest.MonkeyPatch, changes: dict[str, object], reason: str
) -> None:
    recipe = replace(RECIPE, **changes)
    assert reason in hindrance(CUDA, recipe)
    assert hindrance(CUDA, replace(recipe, compiled=True)) == ""


def test_auxiliary_heads_and_several_processes_keep_the_plain_step(gpu: pytest.MonkeyPatch) -> None:
    assert "auxiliary heads" in hindrance(CUDA, auxiliary=True)
    assert hindrance(CUDA, replace(RECIPE, compiled=True), processes=2) == "several processes train together"


def test_compiling_gets_a_tenth_of_the_training_within_bounds() -> None:
    assert compiling.allowance(599) == 0
    assert compiling.allowance(600) == 60
    assert compiling.allowance(1e6) == compiling.MOST_SECONDS


def test_the_time_limit_leaves_no_alarm_behind() -> None:
    assert compiling.failure(lambda: None, 0.05) == ""
    time.sleep(0.1)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_step_past_the_limit_is_stopped() -> None:
    assert compiling.failure(lambda: time.sleep(5), 0.05) == "compiling took longer than 0 s"


def test_a_size_is_compiled_the_same_whatever_sizes_came_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr("torch.compile", lambda module, **how: asked.update(how) or module)
    compiling.compiled(nn.Identity())
    assert asked == {"dynamic": False}
    assert torch.compiler.config.recompile_limit == compiling.VARIANTS
