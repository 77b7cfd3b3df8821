import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsmith.errors import UsageError
from convsmith.train.step.objective import ClassificationLoss, Objective, TrainingBatch, as_objective

LOGITS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(12) % 5
SHARES = F.one_hot(LABELS, 5) * 0.7 + F.one_hot((LABELS + 1) % 5, 5) * 0.3
WEIGHTS = torch.tensor([0.5, 1.0, 1.5, 2.0, 0.2])

MODULE = nn.Identity()


def batch_of(targets: Tensor) -> TrainingBatch:
    return TrainingBatch(torch.zeros(len(targets), 1, 2, 2), targets, torch.arange(len(targets)))


def mean(objective: Objective, outputs: object, targets: Tensor) -> Tensor:
    return objective.total(outputs, batch_of(targets), MODULE) / objective.weight(batch_of(targets))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy_is_torchs(weights: torch.Tensor | None) -> None:
    expected = F.cross_entropy(LOGITS, LABELS, weights, label_smoothing=0.1)
    torch.testing.assert_close(mean(ClassificationLoss(0.1, weights), LOGITS, LABELS), expected)
    torch.testing.assert_close(
        mean(ClassificationLoss(0.1), LOGITS, SHARES), F.cross_entropy(LOGITS, SHARES, label_smoothing=0.1)
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "binary"])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("targets", [LABELS, SHARES])
def test_parts_add_up_to_the_whole(loss: str, weights: torch.Tensor | None, targets: torch.Tensor) -> None:
    objective = ClassificationLoss(0.1, weights, loss=loss)
    parts = zip(LOGITS.split(5), targets.split(5), strict=True)
    total = sum(objective.total(logits, batch_of(some), MODULE) for logits, some in parts)
    torch.testing.assert_close(total / objective.weight(batch_of(targets)), mean(objective, LOGITS, targets))


def test_the_binary_loss_is_the_mean_over_classes() -> None:
    expected = F.binary_cross_entropy_with_logits(LOGITS, F.one_hot(LABELS, 5).float())
    torch.testing.assert_close(mean(ClassificationLoss(loss="binary"), LOGITS, LABELS), expected)


def test_auxiliary_losses_count_their_weight() -> None:
    main, first, second = torch.randn(3, 12, 5)
    expected = F.cross_entropy(main, LABELS) + 0.3 * (F.cross_entropy(first, LABELS) + F.cross_entropy(second, LABELS))
    loss = mean(ClassificationLoss(auxiliary_weights=(0.3, 0.3)), (main, first, second), LABELS)
    torch.testing.assert_close(loss, expected)


def test_a_head_without_a_weight_is_an_error() -> None:
    with pytest.raises(UsageError, match="returned 2 outputs, the objective has weights for 0 auxiliary ones"):
        mean(ClassificationLoss(), (LOGITS, LOGITS), LABELS)


def test_a_function_of_the_mean_loss_is_an_objective() -> None:
    objective = as_objective(lambda outputs, batch, module: F.cross_entropy(outputs, batch.targets))
    torch.testing.assert_close(mean(objective, LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS))
    assert as_objective(objective) is objective


@pytest.mark.parametrize(("wrong", "found"), [(torch.zeros(12), r"shape \(12,\)"), (0.5, "float")])
def test_an_objective_that_gives_no_single_number_is_named(wrong: object, found: str) -> None:
    objective = as_objective(lambda outputs, batch, module: wrong)
    with pytest.raises(UsageError, match=f"the objective returned {found}; it must return one number"):
        mean(objective, LOGITS, LABELS)
