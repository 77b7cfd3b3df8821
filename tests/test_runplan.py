"""What a run says of the machine it is on."""

import pytest

from convsmith.runplan import unused_gpus


@pytest.mark.parametrize(
    ("gpus", "said"),
    [(0, ""), (1, ""), (4, "using 1 of 4 GPUs; all: --cluster auto --workers 4 --gpus-per-worker 1")],
)
def test_gpus_that_would_stand_idle_are_named_with_the_options_that_use_them(
    monkeypatch: pytest.MonkeyPatch, gpus: int, said: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    assert unused_gpus() == said
