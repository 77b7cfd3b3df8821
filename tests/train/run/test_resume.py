import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from torch import nn

from convsmith.data.augment.mixing import Mixing
from convsmith.errors import CheckpointError
from convsmith.train.recipes.schedule import Schedule
from convsmith.train.run.checkpoint import Checkpoint, CheckpointFolder, read_checkpoint
from convsmith.train.run.events import Event, Noticed
from convsmith.train.run.interrupt import TrainingInterruptedError

EPOCHS = {"memory": 30, "files": 12}
"""Long enough that a kill within half a second of the first checkpoint comes before the end."""


@pytest.mark.parametrize("source", ["memory", "files"])
def test_a_run_killed_at_a_random_moment_resumes_to_the_same_bits(
    tiny: ModuleType, tmp_path: Path, source: str
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    dataset = tiny.in_files(images) if source == "files" else tiny.in_memory()
    recipe = tiny.recipe(epochs=EPOCHS[source])
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, tiny.__file__, source, str(EPOCHS[source]), str(images), str(killed)])
    deadline = time.monotonic() + 60
    while not list(killed.glob("checkpoint/*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.01)
    moment = random.uniform(0, 0.5)
    time.sleep(moment)
    process.kill()
    assert process.wait() == -signal.SIGKILL, f"training was over before the kill after {moment} s"
    resumed = tiny.train(tiny.module(), dataset, recipe, killed)
    straight = tiny.train(tiny.module(), dataset, recipe, whole)
    tiny.assert_same_bits(resumed.weights, straight.weights)
    tiny.assert_same_bits(tiny.last_tensors(killed), tiny.last_tensors(whole))


@pytest.mark.slow
@pytest.mark.parametrize("source", ["memory", "files"])
def test_a_run_killed_twenty_times_ends_with_the_same_bits(tiny: ModuleType, tmp_path: Path, source: str) -> None:
    images, killed, whole = tmp_path / "images", tmp_path / "killed", tmp_path / "whole"
    images.mkdir()
    dataset = tiny.in_files(images) if source == "files" else tiny.in_memory()
    places = ["step"] * 8 + ["validation"] * 4 + ["checkpoint"] * 4 + ["rename"] * 4
    random.shuffle(places)
    for place in places:
        # Up to an epoch and a half further on: 12 steps, 3 batches of validation, a checkpoint and its rename each.
        death = f"{place}:{random.randint(1, {'step': 18, 'validation': 4}.get(place, 2))}"
        arguments = [source, "40", str(images), str(killed), death]
        done = subprocess.run([sys.executable, tiny.__file__, *arguments], capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, f"{death}: {done.stderr.decode()[-500:]}"
    resumed = tiny.train(tiny.module(), dataset, tiny.recipe(40), killed)
    straight = tiny.train(tiny.module(), dataset, tiny.recipe(40), whole)
    tiny.assert_same_bits(resumed.weights, straight.weights)
    tiny.assert_same_bits(tiny.last_tensors(killed), tiny.last_tensors(whole))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_signal_in_mid_epoch_saves_the_step_and_the_run_resumes_to_the_same_bits(
    tiny: ModuleType, tmp_path: Path, number: signal.Signals, code: int, optimizer: str
) -> None:
    recipe = replace(tiny.recipe(), optimizer=optimizer)
    module = tiny.module()
    tiny.interrupt_at(module, 17, number)
    with pytest.raises(
        TrainingInterruptedError, match=f"{number.name}: training saved as .*step-000000000018"
    ) as stopped:
        tiny.train(module, tiny.in_memory(), recipe, tmp_path / "a")
    assert stopped.value.exit_code == code
    resumed = tiny.train(tiny.module(9), tiny.in_memory(), recipe, tmp_path / "a")
    straight = tiny.train(tiny.module(), tiny.in_memory(), recipe, tmp_path / "b")
    tiny.assert_same_bits(resumed.weights, straight.weights)
    tiny.assert_same_bits(tiny.last_tensors(tmp_path / "a"), tiny.last_tensors(tmp_path / "b"))


def test_signal_handlers_are_put_back(tiny: ModuleType, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    module = tiny.module()
    tiny.interrupt_at(module, 3, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):
        tiny.train(module, tiny.in_memory(), tiny.recipe(), tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_log_of_a_resumed_run_has_each_epoch_once(tiny: ModuleType, tmp_path: Path) -> None:
    module = tiny.module()
    tiny.interrupt_at(module, 30, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):
        tiny.train(module, tiny.in_memory(), tiny.recipe(), tmp_path)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"event": "epochended", "epoch": 3}\n')
    tiny.train(tiny.module(), tiny.in_memory(), tiny.recipe(), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if line["event"] == "epochended"] == [1, 2, 3, 4, 5, 6]


def test_history_of_a_resumed_run_equals_the_uninterrupted_one(tiny: ModuleType, tmp_path: Path) -> None:
    module = tiny.module()
    tiny.interrupt_at(module, 30, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):
        tiny.train(module, tiny.in_memory(), tiny.recipe(), tmp_path / "a")
    resumed = tiny.train(tiny.module(), tiny.in_memory(), tiny.recipe(), tmp_path / "a")
    straight = tiny.fit(tmp_path / "b")
    untimed = [[replace(e, images_per_second=0) for e in result.history] for result in (resumed, straight)]
    assert untimed[0] == untimed[1]


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(tiny: ModuleType, tmp_path: Path) -> None:
    straight = tiny.fit(tmp_path)
    newest = CheckpointFolder(tmp_path / "checkpoint").files()[0]
    newest.write_bytes(newest.read_bytes()[:-100])
    events: list[Event] = []
    resumed = tiny.train(tiny.module(), tiny.in_memory(), tiny.recipe(), tmp_path, on_event=events.append)
    notices = [event.text for event in events if isinstance(event, Noticed)]
    assert len(notices) == 1
    assert newest.name in notices[0]
    tiny.assert_same_bits(resumed.weights, straight.weights)


def test_resuming_a_finished_run_gives_its_result_without_training(tiny: ModuleType, tmp_path: Path) -> None:
    straight = tiny.fit(tmp_path)
    module = tiny.module(9)
    tiny.interrupt_at(module, 0, signal.SIGTERM)
    again = tiny.train(module, tiny.in_memory(), tiny.recipe(), tmp_path)
    assert again.history == straight.history
    tiny.assert_same_bits(again.weights, straight.weights)


def test_resuming_with_another_recipe_names_the_option(tiny: ModuleType, tmp_path: Path) -> None:
    tiny.fit(tmp_path)
    recipe = replace(tiny.recipe(), learning_rate=0.2)
    with pytest.raises(CheckpointError, match=r"made with learning_rate 0\.05, not 0\.2"):
        tiny.train(tiny.module(), tiny.in_memory(), recipe, tmp_path)


def test_a_checkpoint_from_before_a_setting_existed_is_resumed(tiny: ModuleType, tmp_path: Path) -> None:
    straight = tiny.fit(tmp_path)
    folder = CheckpointFolder(tmp_path / "checkpoint")
    for path in folder.files():
        saved = read_checkpoint(path)
        del saved.state["identity"]["recipe"]["fine_tuning"]["norms"], saved.state["position"]["gradients"]
        tensors = {name: value for name, value in saved.tensors.items() if not name.startswith("predictions/")}
        folder.write(Checkpoint(tensors, saved.state), int(path.stem.rpartition("-")[2]))
    resumed = tiny.train(tiny.module(), tiny.in_memory(), tiny.recipe(), tmp_path)
    tiny.assert_same_bits(resumed.weights, straight.weights)


def test_resuming_on_other_data_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    tiny.fit(tmp_path, epochs=1)
    other = replace(tiny.in_memory(), fingerprint="other")
    with pytest.raises(CheckpointError, match="made with other data"):
        tiny.train(tiny.module(), other, tiny.recipe(epochs=1), tmp_path)


EVERYTHING = {
    "optimizer": "lamb",
    "sam_rho": 0.05,
    "clip_norm": 1.0,
    "accumulate": 2,
    "loss": "binary",
    "mixing": Mixing(0.2, 1.0),
    "repeats": 2,
    "sides": (0.5, 1.0),
    "schedule": Schedule("linear"),
}


@pytest.mark.parametrize("source", ["memory", "files"])
def test_every_part_of_a_recipe_resumes_to_the_same_bits(source: str, tiny: ModuleType, tmp_path: Path) -> None:
    recipe = replace(tiny.recipe(epochs=3), **EVERYTHING)
    recipe = replace(recipe, augment=replace(recipe.augment, trivial=True, erase=0.3))
    dataset = tiny.in_files(tmp_path) if source == "files" else tiny.in_memory()
    tiny.train(tiny.module(), dataset, recipe, tmp_path / "a")
    module = tiny.module()
    tiny.interrupt_at(module, 40, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):  # given its decoders, no step is measured, which the signal would hit
        tiny.train(module, dataset, recipe, tmp_path / "b", decoders=1)
    tiny.train(tiny.module(), dataset, recipe, tmp_path / "b")
    tiny.assert_same_bits(tiny.last_tensors(tmp_path / "a"), tiny.last_tensors(tmp_path / "b"))


def counting_compiler(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stands in for `torch.compile`, without its compiler: the batch sizes that its modules were called with."""
    called: list[int] = []

    def compiled(module: nn.Module) -> nn.Module:
        return lambda images: called.append(len(images)) or module(images)

    monkeypatch.setattr("convsmith.train.step.learner.compiled_forward", compiled)
    monkeypatch.setattr("convsmith.train.step.compiling.no_compiler", lambda device: "")
    return called


def test_a_compiled_run_goes_on_compiled_whatever_the_machine_would_choose(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = counting_compiler(monkeypatch)
    recipe = replace(tiny.recipe(), compiled=True)
    straight = tiny.fit(tmp_path / "a", compiled=True)
    assert straight.tuned.arithmetic.compiled
    module = tiny.module()
    tiny.interrupt_at(module, 30, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):
        tiny.train(module, tiny.in_memory(), recipe, tmp_path / "b")
    called.clear()
    resumed = tiny.train(tiny.module(), tiny.in_memory(), recipe, tmp_path / "b")
    assert called == [8] * (6 * 12 - 30)  # training steps alone: evaluation runs the module as it is
    tiny.assert_same_bits(resumed.weights, straight.weights)


def test_a_compiled_run_cannot_go_on_without_a_compiler(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting_compiler(monkeypatch)
    tiny.fit(tmp_path, compiled=True, epochs=1)
    monkeypatch.setattr(
        "convsmith.train.step.compiling.no_compiler", lambda device: "there is no C++ compiler here (g++)"
    )
    recipe = replace(tiny.recipe(1), compiled=True)
    with pytest.raises(CheckpointError, match=r"torch\.compile, and cannot go on here: there is no C\+\+ compiler"):
        tiny.train(tiny.module(), tiny.in_memory(), recipe, tmp_path)


def test_decoders_can_be_given_anew_to_a_run_that_goes_on(tiny: ModuleType, tmp_path: Path) -> None:
    dataset, run_dir = tiny.in_files(tmp_path), tmp_path / "run"
    module, recipe = tiny.module(), tiny.recipe(2)
    tiny.interrupt_at(module, 15, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):
        tiny.train(module, dataset, recipe, run_dir, decoders=2)
    resumed = tiny.train(tiny.module(), dataset, recipe, run_dir, decoders=0)
    straight = tiny.train(tiny.module(), dataset, recipe, tmp_path / "whole", decoders=1)
    assert resumed.tuned.decoders == 0
    tiny.assert_same_bits(resumed.weights, straight.weights)
