"""What a run says of an epoch, and how much time it has left."""

import pytest

from convsmith.train.run.events import EpochEnded, Noticed, Started
from convsmith.train.run.progress import Lines


def started(epoch: int = 0, step: int = 0) -> Started:
    return Started(10, 4, 8, 32, "contiguous, float32", epoch, step)


def ended(epoch: int, accuracy: float | None = 0.5) -> EpochEnded:
    return EpochEnded(epoch, 1.25, None if accuracy is None else 1.0, accuracy, 0.0123, 4567.0)


def test_an_epoch_has_its_figures_and_the_time_left() -> None:
    now = iter((100.0, 160.0, 220.0))
    lines = Lines(lambda: next(now))
    assert lines.line(started()) == "training on 32 images, 10 epochs; contiguous, float32"
    figures = "loss 1.2500, val accuracy 50.00%, learning rate 0.012, 4,567 images/s"
    assert lines.line(ended(1)) == f"epoch 1: {figures}, 0:09:00 left"
    assert lines.line(ended(2)) == f"epoch 2: {figures}, 0:08:00 left"
    assert lines.line(ended(10)) == f"epoch 10: {figures}"


@pytest.mark.parametrize(("step", "left"), [(0, "0:06:00"), (2, "0:12:00")])
def test_a_resumed_run_counts_from_where_it_went_on(step: int, left: str) -> None:
    now = iter((0.0, 60.0))
    lines = Lines(lambda: next(now))
    assert lines.line(started(3, step)).startswith("training on 32 images, 10 epochs, from epoch 4")
    assert lines.line(ended(4, None)).endswith(f"images/s, {left} left")


def test_what_is_noticed_is_said_as_it_is() -> None:
    assert Lines().line(Noticed("a file was left out")) == "a file was left out"
    assert "left" not in Lines().line(ended(1))
