import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convsmith.data.dataset import Dataset
from convsmith.data.mixing import Mixing
from convsmith.errors import CheckpointError, ConvsmithError, UsageError
from convsmith.evaluate.inference import predict_logits
from convsmith.train.checkpoint import Checkpoint, CheckpointFolder, read_checkpoint
from convsmith.train.events import EpochEnded, Event, Noticed
from convsmith.train.interrupt import TrainingInterruptedError
from convsmith.train.loop import TrainResult, fit_module
from convsmith.train.run import DivergedError, UnreadableShareError
from convsmith.train.schedule import Schedule

EPOCHS = {"memory": 30, "files": 12}
"""Long enough that a kill within half a second of the first checkpoint comes before the end."""


def fit(tiny: ModuleType, run_dir: Path, dataset: Dataset | None = None, **changes: object) -> TrainResult:
    recipe = replace(tiny.recipe(), **changes)
    return fit_module(tiny.module(), dataset or tiny.in_memory(), tiny.PREPROCESS, recipe, run_dir)


def last_tensors(run_dir: Path) -> Mapping[str, Tensor]:
    """Everything that the newest checkpoint holds: weights, momentum, average, best, loss."""
    return read_checkpoint(CheckpointFolder(run_dir / "checkpoint").files()[0]).tensors


def notices(events: list[Event]) -> list[str]:
    """What was noticed, without the reasons of the plan."""
    return [e.text for e in events if isinstance(e, Noticed) and not e.text.startswith("plan: ")]


def assert_same_bits(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert different == []


def interrupt_at(module: nn.Module, step: int, number: signal.Signals) -> None:
    """Sends this process a signal during the forward pass of a training step (from 0)."""
    steps = 0

    def forward(module: nn.Module, inputs: object) -> None:
        nonlocal steps
        if module.training:
            if steps == step:
                os.kill(os.getpid(), number)
            steps += 1

    module.register_forward_pre_hook(forward)


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
    resumed = fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, killed, resume=True)
    straight = fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, whole)
    assert_same_bits(resumed.weights, straight.weights)
    assert_same_bits(last_tensors(killed), last_tensors(whole))


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
    resumed = fit_module(tiny.module(), dataset, tiny.PREPROCESS, tiny.recipe(40), killed, resume=True)
    straight = fit_module(tiny.module(), dataset, tiny.PREPROCESS, tiny.recipe(40), whole)
    assert_same_bits(resumed.weights, straight.weights)
    assert_same_bits(last_tensors(killed), last_tensors(whole))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_signal_in_mid_epoch_saves_the_step_and_the_run_resumes_to_the_same_bits(
    tiny: ModuleType, tmp_path: Path, number: signal.Signals, code: int, optimizer: str
) -> None:
    recipe = replace(tiny.recipe(), optimizer=optimizer)
    module = tiny.module()
    interrupt_at(module, 17, number)
    with pytest.raises(
        TrainingInterruptedError, match=f"{number.name}: training saved as .*step-000000000018"
    ) as stopped:
        fit_module(module, tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path / "a")
    assert stopped.value.exit_code == code
    resumed = fit_module(tiny.module(9), tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path / "a", resume=True)
    straight = fit_module(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path / "b")
    assert_same_bits(resumed.weights, straight.weights)
    assert_same_bits(last_tensors(tmp_path / "a"), last_tensors(tmp_path / "b"))


def test_signal_handlers_are_put_back(tiny: ModuleType, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    module = tiny.module()
    interrupt_at(module, 3, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):
        fit_module(module, tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_log_of_a_resumed_run_has_each_epoch_once(tiny: ModuleType, tmp_path: Path) -> None:
    module = tiny.module()
    interrupt_at(module, 30, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):
        fit_module(module, tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tmp_path)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"event": "epochended", "epoch": 3}\n')
    fit_module(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tmp_path, resume=True)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if line["event"] == "epochended"] == [1, 2, 3, 4, 5, 6]


def test_history_of_a_resumed_run_equals_the_uninterrupted_one(tiny: ModuleType, tmp_path: Path) -> None:
    module = tiny.module()
    interrupt_at(module, 30, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):
        fit_module(module, tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tmp_path / "a")
    resumed = fit_module(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tmp_path / "a", resume=True)
    straight = fit(tiny, tmp_path / "b")
    untimed = [[replace(e, images_per_second=0) for e in result.history] for result in (resumed, straight)]
    assert untimed[0] == untimed[1]


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(tiny: ModuleType, tmp_path: Path) -> None:
    straight = fit(tiny, tmp_path)
    newest = CheckpointFolder(tmp_path / "checkpoint").files()[0]
    newest.write_bytes(newest.read_bytes()[:-100])
    events: list[Event] = []
    resumed = fit_module(
        tiny.module(), tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tmp_path, resume=True, on_event=events.append
    )
    notices = [event.text for event in events if isinstance(event, Noticed)]
    assert len(notices) == 1
    assert newest.name in notices[0]
    assert_same_bits(resumed.weights, straight.weights)


def test_resuming_a_finished_run_gives_its_result_without_training(tiny: ModuleType, tmp_path: Path) -> None:
    straight = fit(tiny, tmp_path)
    module = tiny.module(9)
    interrupt_at(module, 0, signal.SIGTERM)
    again = fit_module(module, tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tmp_path, resume=True)
    assert again.history == straight.history
    assert_same_bits(again.weights, straight.weights)


def test_a_folder_with_a_run_is_not_overwritten(tiny: ModuleType, tmp_path: Path) -> None:
    fit(tiny, tmp_path, epochs=1)
    with pytest.raises(UsageError, match="already holds a run"):
        fit(tiny, tmp_path, epochs=1)


def test_resuming_with_another_recipe_names_the_option(tiny: ModuleType, tmp_path: Path) -> None:
    fit(tiny, tmp_path)
    recipe = replace(tiny.recipe(), learning_rate=0.2)
    with pytest.raises(CheckpointError, match=r"made with learning_rate 0\.05, not 0\.2"):
        fit_module(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path, resume=True)


def test_a_checkpoint_from_before_a_setting_existed_is_resumed(tiny: ModuleType, tmp_path: Path) -> None:
    straight = fit(tiny, tmp_path)
    folder = CheckpointFolder(tmp_path / "checkpoint")
    for path in folder.files():
        saved = read_checkpoint(path)
        del saved.state["identity"]["recipe"]["fine_tuning"]["norms"], saved.state["position"]["gradients"]
        tensors = {name: value for name, value in saved.tensors.items() if not name.startswith("answers/")}
        folder.write(Checkpoint(tensors, saved.state), int(path.stem.rpartition("-")[2]))
    resumed = fit_module(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tmp_path, resume=True)
    assert_same_bits(resumed.weights, straight.weights)


def test_resuming_on_other_data_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    fit(tiny, tmp_path, epochs=1)
    other = replace(tiny.in_memory(), fingerprint="other")
    with pytest.raises(CheckpointError, match="made with another data"):
        fit_module(tiny.module(), other, tiny.PREPROCESS, tiny.recipe(epochs=1), tmp_path, resume=True)


def test_the_task_is_learned_and_the_module_holds_the_delivered_weights(tiny: ModuleType, tmp_path: Path) -> None:
    module, dataset = tiny.module(), tiny.in_memory(300)
    result = fit_module(module, dataset, tiny.PREPROCESS, tiny.recipe(epochs=20), tmp_path)
    delivered = int(result.choice.split("epoch ")[1].split()[0])
    best = result.history[delivered - 1].val_accuracy or 0
    val = dataset.splits["val"]
    accuracy = np.mean(predict_logits(module, val, tiny.PREPROCESS).argmax(axis=1) == val.labels)
    assert best >= 0.85
    assert accuracy == pytest.approx(best)
    assert_same_bits(dict(module.state_dict()), result.weights)
    assert not module.training


def test_training_stops_when_patience_is_over(tiny: ModuleType, tmp_path: Path) -> None:
    events: list[Event] = []
    recipe = replace(tiny.recipe(epochs=50), patience=2, learning_rate=1e-9, ema_decay=None)
    dataset = tiny.in_memory(24)
    result = fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, tmp_path, on_event=events.append)
    best = max(result.history, key=lambda e: (e.val_accuracy or 0, -(e.val_loss or 0)))
    assert len(result.history) == best.epoch + 2 < 50
    assert any(isinstance(event, Noticed) and "stopped after epoch" in event.text for event in events)


def test_without_a_val_split_the_last_epoch_is_delivered(tiny: ModuleType, tmp_path: Path) -> None:
    dataset = tiny.in_memory()
    dataset = replace(dataset, splits={"train": dataset.splits["train"]})
    result = fit(tiny, tmp_path, dataset, epochs=2)
    assert result.choice == "moving average of epoch 2 of 2, no val split"
    assert_same_bits({f"delivered/{k}": v for k, v in result.weights.items()}, _delivered(last_tensors(tmp_path)))


def _delivered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if name.startswith("delivered/")}


def test_a_diverging_run_ends_with_one_line_that_names_the_learning_rate(tiny: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ConvsmithError, match=r"diverged in epoch \d.*learning_rate 1e\+18 is too high"):
        fit(tiny, tmp_path, learning_rate=1e18, warmup_epochs=0.0)


def test_auxiliary_heads_are_trained_with_their_weight(tiny: ModuleType, tmp_path: Path) -> None:
    class TwoHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main, self.auxiliary = nn.Linear(432, 3), nn.Linear(432, 3)

        def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
            x = x.flatten(1)
            return (self.main(x), self.auxiliary(x)) if self.training else self.main(x)

    module = TwoHeads()
    before = module.auxiliary.weight.detach().clone()
    recipe = replace(tiny.recipe(epochs=1), learning_rate=1e-3)
    fit_module(module, tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path, auxiliary_weights=(0.3,))
    assert not torch.equal(module.auxiliary.weight, before)


def test_files_that_vanish_are_left_out_and_named(tiny: ModuleType, tmp_path: Path) -> None:
    dataset = tiny.in_files(tmp_path)
    gone = Path(dataset.splits["train"].images.name(5))
    gone.unlink()
    events: list[Event] = []
    recipe = tiny.recipe(epochs=2)
    result = fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, tmp_path / "run", on_event=events.append)
    assert [finding.subject for finding in result.unreadable] == [str(gone)]
    assert sum(isinstance(event, Noticed) and gone.name in event.text for event in events) == 1
    assert len(result.history) == 2


def test_a_full_disk_ends_training_in_one_line_and_keeps_the_last_checkpoint(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_disk(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 3:
            monkeypatch.setattr("convsmith.train.checkpoint.save_file", no_space)

    def no_space(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match=r"cannot be written \(no space left on device\)") as full:
        fit_module(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tmp_path / "a", on_event=fill_disk)
    assert "\n" not in str(full.value)
    assert not list((tmp_path / "a").rglob("*.tmp"))
    monkeypatch.undo()
    resumed = fit_module(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tmp_path / "a", resume=True)
    assert_same_bits(resumed.weights, fit(tiny, tmp_path / "b").weights)


EVERYTHING = {
    "optimizer": "lamb",
    "sharpness": 0.05,
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
    fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, tmp_path / "a")
    module = tiny.module()
    interrupt_at(module, 40, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):  # given its decoders, no step is measured, which the signal would hit
        fit_module(module, dataset, tiny.PREPROCESS, recipe, tmp_path / "b", decoders=1)
    fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, tmp_path / "b", resume=True)
    assert_same_bits(last_tensors(tmp_path / "a"), last_tensors(tmp_path / "b"))


def counting_compiler(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stands in for `torch.compile`, without its compiler: the batch sizes that its modules were called with."""
    called: list[int] = []

    def compiled(module: nn.Module) -> nn.Module:
        return lambda images: called.append(len(images)) or module(images)

    monkeypatch.setattr("convsmith.train.step.compiled_forward", compiled)
    monkeypatch.setattr("convsmith.train.compiling.no_compiler", lambda device: "")
    return called


def test_a_compiled_run_goes_on_compiled_whatever_the_machine_would_choose(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = counting_compiler(monkeypatch)
    recipe = replace(tiny.recipe(), compiled=True)
    straight = fit(tiny, tmp_path / "a", compiled=True)
    assert straight.plan.compiled
    module = tiny.module()
    interrupt_at(module, 30, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):
        fit_module(module, tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path / "b")
    called.clear()
    resumed = fit_module(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path / "b", resume=True)
    assert called == [8] * (6 * 12 - 30)  # training steps alone: evaluation runs the module as it is
    assert_same_bits(resumed.weights, straight.weights)


def test_a_compiled_run_cannot_go_on_without_a_compiler(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting_compiler(monkeypatch)
    fit(tiny, tmp_path, compiled=True, epochs=1)
    monkeypatch.setattr("convsmith.train.compiling.no_compiler", lambda device: "there is no C++ compiler here (g++)")
    recipe = replace(tiny.recipe(1), compiled=True)
    with pytest.raises(CheckpointError, match=r"torch\.compile, and cannot go on here: there is no C\+\+ compiler"):
        fit_module(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path, resume=True)


def test_the_plan_says_why_and_the_log_keeps_it(tiny: ModuleType, tmp_path: Path) -> None:
    events: list[Event] = []
    dataset = tiny.in_files(tmp_path)
    run_dir = tmp_path / "run"
    result = fit_module(tiny.module(), dataset, tiny.PREPROCESS, tiny.recipe(1), run_dir, on_event=events.append)
    told = [event.text for event in events if isinstance(event, Noticed)]
    assert told == [f"plan: {note}" for note in result.plan.notes]
    assert any("torch.compile not taken" in line for line in told)
    assert any("decoding process" in line for line in told)
    assert all(line in (run_dir / "log.jsonl").read_text() for line in told)


def test_decoders_can_be_given_anew_to_a_run_that_goes_on(tiny: ModuleType, tmp_path: Path) -> None:
    dataset, run_dir = tiny.in_files(tmp_path), tmp_path / "run"
    module, recipe = tiny.module(), tiny.recipe(2)
    interrupt_at(module, 15, signal.SIGTERM)
    with pytest.raises(TrainingInterruptedError):
        fit_module(module, dataset, tiny.PREPROCESS, recipe, run_dir, decoders=2)
    resumed = fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, run_dir, decoders=0, resume=True)
    straight = fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, tmp_path / "whole", decoders=1)
    assert resumed.plan.decoders == 0
    assert_same_bits(resumed.weights, straight.weights)


def test_sets_in_memory_have_no_decoders(tiny: ModuleType, tmp_path: Path) -> None:
    assert fit(tiny, tmp_path, epochs=1).plan.decoders == 0


def test_images_grow_as_the_recipe_says(tiny: ModuleType, tmp_path: Path) -> None:
    sides: list[int] = []
    module = tiny.module()
    module.register_forward_pre_hook(lambda m, x: sides.append(x[0].shape[2]) if m.training else None)
    recipe = replace(tiny.recipe(epochs=4), sides=(0.5, 1.0))
    fit_module(module, tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path)
    assert sides == sorted(sides)
    assert (sides[0], sides[36], sides[-1]) == (6, 12, 12)  # the last of four epochs of 12 steps is at the full side


def explode(module: nn.Module, step: int) -> None:
    """Multiplies the weights in one training step, once: what comes after is far from what was learned."""
    steps = 0

    def forward(module: nn.Module, inputs: object) -> None:
        nonlocal steps
        if module.training:
            if steps == step:
                with torch.no_grad():
                    for parameter in module.parameters():
                        parameter.mul_(1e6)
            steps += 1

    module.register_forward_pre_hook(forward)


def test_a_run_that_diverges_once_goes_on_at_half_the_rate_if_asked(tiny: ModuleType, tmp_path: Path) -> None:
    module, events = tiny.module(), []
    explode(module, 30)
    recipe = tiny.recipe(epochs=4)
    result = fit_module(
        module, tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path, recover=True, on_event=events.append
    )
    told = notices(events)
    assert len(told) == 1
    assert "diverged in epoch 3" in told[0]
    assert told[0].endswith("going on from epoch 2 at 0.5 of the rate")
    assert [entry.epoch for entry in result.history] == [1, 2, 3, 4]
    assert all(np.isfinite(entry.train_loss) for entry in result.history)
    rates = [entry.learning_rate for entry in result.history]
    undisturbed = fit(tiny, tmp_path / "b", epochs=4).history
    assert rates[:2] == [entry.learning_rate for entry in undisturbed[:2]]
    assert rates[2:] == pytest.approx([entry.learning_rate / 2 for entry in undisturbed[2:]])


def test_a_run_that_always_diverges_is_given_up(tiny: ModuleType, tmp_path: Path) -> None:
    recipe = replace(tiny.recipe(), learning_rate=1e18, warmup_epochs=0.0)
    events: list[Event] = []
    with pytest.raises(DivergedError, match="learning_rate 1e\\+18 is too high"):
        fit_module(
            tiny.module(), tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path, recover=True, on_event=events.append
        )
    assert sum("of the rate" in event.text for event in events if isinstance(event, Noticed)) == 5


def test_too_little_memory_is_met_with_smaller_parts_and_said(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if module.training and len(inputs[0]) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes.")

    module, events = tiny.module(), []
    module.register_forward_pre_hook(forward)
    recipe = replace(tiny.recipe(epochs=1), memory_format="contiguous", precision="float32")
    fit_module(module, tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path, on_event=events.append)
    told = notices(events)
    assert told == [
        "memory does not suffice for 8 images at once: they now go through the network in 4 parts, whose gradients "
        "are added up"
    ]
    assert CheckpointFolder(tmp_path / "checkpoint").read()[0].state["position"]["accumulate"] == 4


def test_other_errors_of_torch_are_not_taken_for_want_of_memory(tiny: ModuleType, tmp_path: Path) -> None:
    module = tiny.module()
    module.register_forward_pre_hook(lambda m, x: (_ for _ in ()).throw(RuntimeError("mat1 and mat2")))
    recipe = replace(tiny.recipe(epochs=1), memory_format="contiguous", precision="float32")
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        fit_module(module, tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path)


def test_too_many_unreadable_files_stop_the_run_with_its_state_saved(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convsmith.train.run.CHECKED", 5)
    dataset = tiny.in_files(tmp_path)
    kept = {path: path.read_bytes() for path in map(Path, map(dataset.splits["train"].images.name, range(12)))}
    for path in kept:
        path.unlink()
    recipe = tiny.recipe(epochs=2)
    with pytest.raises(
        UnreadableShareError, match=r"of 100 training images can no longer be read, more than 5%: .*sav"
    ):
        fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, tmp_path / "run")
    for path, content in kept.items():
        path.write_bytes(content)
    result = fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, tmp_path / "run", resume=True)
    assert len(result.history) == 2


def test_one_file_in_a_hundred_is_named_and_skipped(tiny: ModuleType, tmp_path: Path) -> None:
    dataset = tiny.in_files(tmp_path)
    gone = Path(dataset.splits["train"].images.name(7))

    def damage(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 1:
            gone.write_bytes(b"no image")

    recipe = tiny.recipe(epochs=3)
    result = fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, tmp_path / "run", on_event=damage)
    assert [finding.subject for finding in result.unreadable] == [str(gone)]
    assert len(result.history) == 3


def test_a_clock_that_jumps_changes_nothing(tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = fit(tiny, tmp_path / "a", epochs=2)
    hours = iter(range(0, -(10**6), -1))
    monkeypatch.setattr(time, "time", lambda: 3600.0 * next(hours))
    jumped = fit(tiny, tmp_path / "b", epochs=2)
    assert_same_bits(undisturbed.weights, jumped.weights)
    assert all(entry.images_per_second > 0 for entry in jumped.history)


def test_a_run_folder_that_cannot_be_written_ends_in_one_line(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(CheckpointError, match=r"cannot be written \(read-only file system\)") as refused:
        fit(tiny, tmp_path / "run")
    assert "\n" not in str(refused.value)
