import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convsmith.errors import CheckpointError, ConvsmithError
from convsmith.train.run.checkpoint import CheckpointFolder
from convsmith.train.run.events import EpochEnded, Event, Noticed
from convsmith.train.run.run import DivergedError, UnreadableShareError


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


def test_a_diverging_run_ends_with_one_line_that_names_the_learning_rate(tiny: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ConvsmithError, match=r"diverged in epoch \d.*learning_rate 1e\+18 is too high"):
        tiny.fit(tmp_path, learning_rate=1e18, warmup_epochs=0.0)


def test_a_last_update_that_makes_no_numbers_is_divergence(tiny: ModuleType, tmp_path: Path) -> None:
    def spoil(module: nn.Module, update: int) -> None:
        if update == 23:  # the last of two epochs of twelve
            next(module.parameters()).fill_(float("nan"))

    with pytest.raises(DivergedError, match=r"epoch 2, step 12: weights that are not finite at learning rate"):
        tiny.train(tiny.module(), tiny.in_memory(), tiny.recipe(epochs=2), tmp_path, after_update=spoil)


def test_a_run_that_diverges_once_goes_on_at_half_the_rate_if_asked(tiny: ModuleType, tmp_path: Path) -> None:
    module, events = tiny.module(), []
    explode(module, 30)
    recipe = replace(tiny.recipe(epochs=4), recover=True)
    result = tiny.train(module, tiny.in_memory(), recipe, tmp_path, on_event=events.append)
    told = tiny.notices(events)
    assert len(told) == 1
    assert "diverged in epoch 3" in told[0]
    assert told[0].endswith("going on from epoch 2 at 0.5 of the rate")
    assert [entry.epoch for entry in result.history] == [1, 2, 3, 4]
    assert all(np.isfinite(entry.train_loss) for entry in result.history)
    rates = [entry.learning_rate for entry in result.history]
    undisturbed = tiny.fit(tmp_path / "b", epochs=4).history
    assert rates[:2] == [entry.learning_rate for entry in undisturbed[:2]]
    assert rates[2:] == pytest.approx([entry.learning_rate / 2 for entry in undisturbed[2:]])


def test_a_run_that_always_diverges_is_given_up(tiny: ModuleType, tmp_path: Path) -> None:
    recipe = replace(tiny.recipe(), learning_rate=1e18, warmup_epochs=0.0, recover=True)
    events: list[Event] = []
    with pytest.raises(DivergedError, match="learning_rate 1e\\+18 is too high"):
        tiny.train(tiny.module(), tiny.in_memory(), recipe, tmp_path, on_event=events.append)
    assert sum("of the rate" in event.text for event in events if isinstance(event, Noticed)) == 5


def test_files_that_vanish_are_left_out_and_named(tiny: ModuleType, tmp_path: Path) -> None:
    dataset = tiny.in_files(tmp_path)
    gone = Path(dataset.splits["train"].images.name(5))
    gone.unlink()
    events: list[Event] = []
    recipe = tiny.recipe(epochs=2)
    result = tiny.train(tiny.module(), dataset, recipe, tmp_path / "run", on_event=events.append)
    assert [finding.subject for finding in result.unreadable] == [str(gone)]
    assert sum(isinstance(event, Noticed) and gone.name in event.text for event in events) == 1
    assert len(result.history) == 2


def test_one_file_in_a_hundred_is_named_and_skipped(tiny: ModuleType, tmp_path: Path) -> None:
    dataset = tiny.in_files(tmp_path)
    gone = Path(dataset.splits["train"].images.name(7))

    def damage(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 1:
            gone.write_bytes(b"no image")

    recipe = tiny.recipe(epochs=3)
    result = tiny.train(tiny.module(), dataset, recipe, tmp_path / "run", on_event=damage)
    assert [finding.subject for finding in result.unreadable] == [str(gone)]
    assert len(result.history) == 3


def test_too_many_unreadable_files_stop_the_run_with_its_state_saved(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convsmith.train.run.run.LOSS_CHECK_STEPS", 5)
    dataset = tiny.in_files(tmp_path)
    kept = {path: path.read_bytes() for path in map(Path, map(dataset.splits["train"].images.name, range(12)))}
    for path in kept:
        path.unlink()
    recipe = tiny.recipe(epochs=2)
    with pytest.raises(
        UnreadableShareError, match=r"of 100 training images are no longer readable, more than 5%: .*sav"
    ):
        tiny.train(tiny.module(), dataset, recipe, tmp_path / "run")
    for path, content in kept.items():
        path.write_bytes(content)
    result = tiny.train(tiny.module(), dataset, recipe, tmp_path / "run")
    assert len(result.history) == 2


def test_a_full_disk_ends_training_in_one_line_and_keeps_the_last_checkpoint(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_disk(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 3:
            monkeypatch.setattr("convsmith.train.run.checkpoint.save_file", no_space)

    def no_space(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match=r"cannot be written \(no space left on device\)") as full:
        tiny.train(tiny.module(), tiny.in_memory(), tiny.recipe(), tmp_path / "a", on_event=fill_disk)
    assert "\n" not in str(full.value)
    assert not list((tmp_path / "a").rglob("*.tmp"))
    monkeypatch.undo()
    resumed = tiny.train(tiny.module(), tiny.in_memory(), tiny.recipe(), tmp_path / "a")
    tiny.assert_same_bits(resumed.weights, tiny.fit(tmp_path / "b").weights)


def test_a_run_folder_that_cannot_be_written_ends_in_one_line(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(CheckpointError, match=r"cannot be written \(read-only file system\)") as refused:
        tiny.fit(tmp_path / "run")
    assert "\n" not in str(refused.value)


def test_too_little_memory_is_met_with_smaller_parts_and_said(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if module.training and len(inputs[0]) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes.")

    module, events = tiny.module(), []
    module.register_forward_pre_hook(forward)
    recipe = replace(tiny.recipe(epochs=1), memory_format="contiguous", precision="float32")
    tiny.train(module, tiny.in_memory(), recipe, tmp_path, on_event=events.append)
    told = tiny.notices(events)
    assert told == [
        "not enough memory for a batch of 8: it now goes through the network in 4 parts, whose gradients are summed"
    ]
    assert CheckpointFolder(tmp_path / "checkpoint").read()[0].state["tuned"]["arithmetic"]["parts"] == 4


def test_other_errors_of_torch_are_not_taken_for_want_of_memory(tiny: ModuleType, tmp_path: Path) -> None:
    module = tiny.module()
    module.register_forward_pre_hook(lambda m, x: (_ for _ in ()).throw(RuntimeError("mat1 and mat2")))
    recipe = replace(tiny.recipe(epochs=1), memory_format="contiguous", precision="float32")
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        tiny.train(module, tiny.in_memory(), recipe, tmp_path)


def test_a_clock_that_jumps_changes_nothing(tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = tiny.fit(tmp_path / "a", epochs=2)
    hours = iter(range(0, -(10**6), -1))
    monkeypatch.setattr(time, "time", lambda: 3600.0 * next(hours))
    jumped = tiny.fit(tmp_path / "b", epochs=2)
    tiny.assert_same_bits(undisturbed.weights, jumped.weights)
    assert all(entry.images_per_second > 0 for entry in jumped.history)
