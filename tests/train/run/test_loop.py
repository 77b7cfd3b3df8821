from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convsmith.errors import UsageError
from convsmith.evaluate.inference import predict_logits
from convsmith.train.run.events import Event, Noticed
from convsmith.train.run.loop import fit_module


def test_the_task_is_learned_and_the_module_holds_the_delivered_weights(tiny: ModuleType, tmp_path: Path) -> None:
    module, dataset = tiny.module(), tiny.in_memory(300)
    result = fit_module(module, dataset, tiny.PREPROCESS, tiny.recipe(epochs=20), tmp_path)
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
    result = fit_module(tiny.module(), dataset, tiny.PREPROCESS, recipe, tmp_path, on_event=events.append)
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
    fit_module(module, tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path, auxiliary_weights=(0.3,))
    assert not torch.equal(module.auxiliary.weight, before)


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


def test_sets_in_memory_have_no_decoders(tiny: ModuleType, tmp_path: Path) -> None:
    assert tiny.fit(tmp_path, epochs=1).plan.decoders == 0


def test_images_grow_as_the_recipe_says(tiny: ModuleType, tmp_path: Path) -> None:
    sides: list[int] = []
    module = tiny.module()
    module.register_forward_pre_hook(lambda m, x: sides.append(x[0].shape[2]) if m.training else None)
    recipe = replace(tiny.recipe(epochs=4), sides=(0.5, 1.0))
    fit_module(module, tiny.in_memory(), tiny.PREPROCESS, recipe, tmp_path)
    assert sides == sorted(sides)
    assert (sides[0], sides[36], sides[-1]) == (6, 12, 12)  # the last of four epochs of 12 steps is at the full side


def test_a_folder_with_a_run_is_not_overwritten(tiny: ModuleType, tmp_path: Path) -> None:
    tiny.fit(tmp_path, epochs=1)
    with pytest.raises(UsageError, match="already holds a run"):
        tiny.fit(tmp_path, epochs=1)
