from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsmith.evaluation.inference import predict_logits
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.events import EpochEnded, Event, Noticed, StepEnded
from convsmith.train.run.loop import Training, train
from convsmith.train.run.store import MemoryStore
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.objective import ClassificationLoss, TrainingBatch
from convsmith.train.tune.arithmetic import Tuned


def test_the_task_is_learned_and_the_module_holds_the_delivered_weights(tiny: ModuleType, tmp_path: Path) -> None:
    module, dataset = tiny.module(), tiny.in_memory(300)
    result = tiny.train(module, dataset, tiny.recipe(epochs=20), tmp_path)
    delivered = int(result.choice.split("epoch ")[1].split()[0])
    best = result.history[delivered - 1].val_accuracy or 0
    val = dataset.splits["val"]
    accuracy = np.mean(predict_logits(module, val, tiny.PREPROCESS).argmax(axis=1) == val.labels)
    assert best >= 0.85
    assert accuracy == pytest.approx(best)
    tiny.assert_same_bits(dict(module.state_dict()), result.weights)
    assert not module.training


def test_training_stops_when_patience_is_over(tiny: ModuleType, tmp_path: Path) -> None:
    events: list[Event] = []
    recipe = replace(tiny.recipe(epochs=50), patience=2, learning_rate=1e-9, ema_decay=None)
    dataset = tiny.in_memory(24)
    result = tiny.train(tiny.module(), dataset, recipe, tmp_path, on_event=events.append)
    best = max(result.history, key=lambda e: (e.val_accuracy or 0, -(e.val_loss or 0)))
    assert len(result.history) == best.epoch + 2 < 50
    assert any(isinstance(event, Noticed) and "stopped after epoch" in event.text for event in events)


def test_without_a_val_split_the_last_epoch_is_delivered(tiny: ModuleType, tmp_path: Path) -> None:
    dataset = tiny.in_memory()
    dataset = replace(dataset, splits={"train": dataset.splits["train"]})
    result = tiny.fit(tmp_path, dataset, epochs=2)
    assert result.choice == "moving average of epoch 2 of 2, no val split"
    last = tiny.last_tensors(tmp_path)
    delivered = {name: last[name] for name in last if name.startswith("delivered/")}
    tiny.assert_same_bits({f"delivered/{name}": value for name, value in result.weights.items()}, delivered)


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
    tiny.train(module, tiny.in_memory(), recipe, tmp_path, objective=ClassificationLoss(auxiliary_weights=(0.3,)))
    assert not torch.equal(module.auxiliary.weight, before)


def test_the_plan_says_why_and_the_log_keeps_it(tiny: ModuleType, tmp_path: Path) -> None:
    events: list[Event] = []
    dataset = tiny.in_files(tmp_path)
    run_dir = tmp_path / "run"
    result = tiny.train(tiny.module(), dataset, tiny.recipe(1), run_dir, on_event=events.append)
    told = [event.text for event in events if isinstance(event, Noticed)]
    assert told == [f"plan: {note}" for note in result.tuned.notes]
    assert any("torch.compile not taken" in line for line in told)
    assert any("decoding process" in line for line in told)
    assert all(line in (run_dir / "log.jsonl").read_text() for line in told)


def test_sets_in_memory_have_no_decoders(tiny: ModuleType, tmp_path: Path) -> None:
    assert tiny.fit(tmp_path, epochs=1).tuned.decoders == 0


def test_images_grow_as_the_recipe_says(tiny: ModuleType, tmp_path: Path) -> None:
    sides: list[int] = []
    module = tiny.module()
    module.register_forward_pre_hook(lambda m, x: sides.append(x[0].shape[2]) if m.training else None)
    recipe = replace(tiny.recipe(epochs=4), sides=(0.5, 1.0))
    tiny.train(module, tiny.in_memory(), recipe, tmp_path)
    assert sides == sorted(sides)
    assert (sides[0], sides[36], sides[-1]) == (6, 12, 12)  # the last of four epochs of 12 steps is at the full side


PLAIN = Tuned(Arithmetic(batch_size=8), decoders=0)


def training(tiny: ModuleType, **settings: object) -> Training:
    return Training(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tuned=PLAIN, **settings)


def test_without_a_store_nothing_is_written(tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = train(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(2), tuned=PLAIN)
    assert len(result.history) == 2
    assert list(tmp_path.rglob("*")) == []


def test_a_trial_goes_two_epochs_is_looked_at_and_carried_on_to_the_same_bits(tiny: ModuleType) -> None:
    trial = training(tiny)
    assert [entry.epoch for entry in trial.advance(epochs=2)] == [1, 2]
    assert not trial.finished
    assert trial.result().finished is False
    assert [entry.epoch for entry in trial.advance()] == [3, 4, 5, 6]
    straight = training(tiny)
    straight.advance()
    tiny.assert_same_bits(trial.result().weights, straight.result().weights)


def test_a_trial_is_carried_on_elsewhere_from_its_store(tiny: ModuleType) -> None:
    store = MemoryStore()
    training(tiny, store=store).advance(epochs=2)
    resumed = training(tiny, store=store)
    assert len(resumed.history) == 2
    resumed.advance()
    straight = training(tiny)
    straight.advance()
    tiny.assert_same_bits(resumed.result().weights, straight.result().weights)


def test_an_observer_sees_every_step_and_may_stop(tiny: ModuleType) -> None:
    seen: list[tuple[int, int]] = []

    def stop_at_17(event: Event, training: Training) -> None:
        if isinstance(event, StepEnded):
            seen.append((event.epoch, event.step))
            if len(seen) == 17:
                training.stop()

    stopped = training(tiny, observers=(stop_at_17,))
    stopped.advance()
    assert seen == [(0, step) for step in range(1, 13)] + [(1, step) for step in range(1, 6)]
    assert stopped.run.steps_done == 17
    result = stopped.result()
    assert (result.finished, len(result.history)) == (False, 1)


def test_a_training_stopped_in_its_first_epoch_gives_the_weights_that_there_are(tiny: ModuleType) -> None:
    def stop(event: Event, training: Training) -> None:
        if isinstance(event, StepEnded):
            training.stop()

    module = tiny.module()
    result = train(module, tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(), tuned=PLAIN, observers=(stop,))
    assert result.choice == "moving average after 1 updates"
    tiny.assert_same_bits(dict(module.state_dict()), result.weights)


def test_the_objective_sees_the_batch_the_outputs_and_the_module(tiny: ModuleType) -> None:
    rows: list[int] = []

    def plain(outputs: Tensor, batch: TrainingBatch, module: nn.Module) -> Tensor:
        return F.cross_entropy(outputs, batch.targets)

    def objective(outputs: Tensor, batch: TrainingBatch, module: nn.Module) -> Tensor:
        assert outputs.shape == (len(batch.images), 3)
        assert isinstance(module, nn.Sequential)
        rows.extend(batch.rows.tolist())
        penalty = sum(parameter.abs().sum() for parameter in module.parameters())
        return F.cross_entropy(outputs, batch.targets) + 1e-4 * penalty

    result = train(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(2), objective=objective, tuned=PLAIN)
    assert len(rows) == 2 * 96
    assert len(set(rows[:96])) == 96  # each image once in an epoch
    unpenalised = train(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(2), objective=plain, tuned=PLAIN)
    assert result.history[0].train_loss > unpenalised.history[0].train_loss


def test_an_objective_of_any_size_is_not_taken_for_divergence(tiny: ModuleType) -> None:
    def huge(outputs: Tensor, batch: TrainingBatch, module: nn.Module) -> Tensor:
        return 1e4 + F.cross_entropy(outputs, batch.targets)

    recipe = tiny.recipe(1)
    result = train(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, recipe, objective=huge, tuned=PLAIN)
    assert result.history[0].train_loss > 1e4


def test_a_mask_is_held_to_the_delivered_weights(tiny: ModuleType) -> None:
    module = tiny.module()
    mask = torch.arange(module[0].weight.numel()).reshape(module[0].weight.shape) % 2

    def hold(module: nn.Module, number: int) -> None:
        module[0].weight.mul_(mask)

    result = train(module, tiny.in_memory(), tiny.PREPROCESS, tiny.recipe(2), after_update=hold, tuned=PLAIN)
    weight = result.weights["0.weight"]
    assert not weight[mask == 0].any()
    assert weight[mask == 1].all()


def test_an_epoch_of_fewer_steps_sees_another_part_each_time(tiny: ModuleType) -> None:
    rows: list[int] = []

    def objective(outputs: Tensor, batch: TrainingBatch, module: nn.Module) -> Tensor:
        rows.extend(batch.rows.tolist())
        return F.cross_entropy(outputs, batch.targets)

    recipe: Recipe = replace(tiny.recipe(2), epoch_steps=3)
    result = train(tiny.module(), tiny.in_memory(), tiny.PREPROCESS, recipe, objective=objective, tuned=PLAIN)
    assert len(rows) == 2 * 3 * 8
    assert set(rows[:24]) != set(rows[24:])
    assert [entry.epoch for entry in result.history] == [1, 2]
    assert all(isinstance(entry, EpochEnded) for entry in result.history)
