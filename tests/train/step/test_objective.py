import pytest
import torch
import torch.nn.functional as F

from convsmith.train.step.objective import Objective

LOGITS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(12) % 5
SHARES = F.one_hot(LABELS, 5) * 0.7 + F.one_hot((LABELS + 1) % 5, 5) * 0.3
WEIGHTS = torch.tensor([0.5, 1.0, 1.5, 2.0, 0.2])


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy_is_torchs(weights: torch.Tensor | None) -> None:
    expected = F.cross_entropy(LOGITS, LABELS, weights, label_smoothing=0.1)
    torch.testing.assert_close(Objective(0.1, weights)(LOGITS, LABELS), expected)
    torch.testing.assert_close(Objective(0.1)(LOGITS, SHARES), F.cross_entropy(LOGITS, SHARES, label_smoothing=0.1))


@pytest.mark.parametrize("loss", ["cross_entropy", "binary"])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("targets", [LABELS, SHARES])
def test_parts_add_up_to_the_whole(loss: str, weights: torch.Tensor | None, targets: torch.Tensor) -> None:
    objective = Objective(0.1, weights, loss=loss)
    parts = zip(LOGITS.split(5), targets.split(5), strict=True)
    total = sum(objective.total(logits, some) for logits, some in parts)
    torch.testing.assert_close(total / objective.weight(targets), objective(LOGITS, targets))


def test_the_binary_loss_is_the_mean_over_classes() -> None:
    expected = F.binary_cross_entropy_with_logits(LOGITS, F.one_hot(LABELS, 5).float())
    torch.testing.assert_close(Objective(loss="binary")(LOGITS, LABELS), expected)
