import numpy as np

from convsmith.evaluation.confusion import PAIRS, most_confused
from convsmith.evaluation.predictions import Predictions


def predictions(rows, predicted, losses) -> Predictions:
    return Predictions(np.array(rows), np.array(predicted), np.array(losses, np.float32))


def test_parts_of_several_processes_are_put_in_the_splits_order() -> None:
    whole = Predictions.joined(
        [predictions([0, 1, 4], [1, 1, 0], [0.1, 0.2, 0.5]), predictions([2, 3], [0, 2], [0.3, 0.4])]
    )
    assert whole.rows.tolist() == [0, 1, 2, 3, 4]
    assert whole.predicted.tolist() == [1, 1, 0, 2, 0]
    assert whole.losses.tolist() == np.float32([0.1, 0.2, 0.3, 0.4, 0.5]).tolist()


def test_a_loss_that_is_no_number_is_the_highest() -> None:
    assert predictions([3, 5, 7], [0, 0, 0], [1.0, np.nan, 2.0]).hardest(2).tolist() == [1, 2]


def test_confusion_counts_by_the_rows_that_were_read() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    assert predictions([0, 1, 3, 4], [0, 1, 0, 0], [0] * 4).confusion(labels) == {
        (0, 0): 1,
        (0, 1): 1,
        (1, 0): 1,
        (2, 0): 1,
    }


def test_the_pairs_most_often_confused_come_first() -> None:
    confusion = {(0, 0): 9, (0, 1): 2, (1, 0): 5, (1, 2): 0}
    assert most_confused(confusion, ("a", "b", "c")) == [(5, "b", "a"), (2, "a", "b")]
    assert len(most_confused({(0, j): 1 for j in range(1, 99)}, "x" * 99)) == PAIRS
