import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import precision_score, recall_score, top_k_accuracy_score

from convsmith.cost.table import display_width
from convsmith.errors import DataError, WeightsError
from convsmith.evaluation.metrics import measure, wilson

RNG = np.random.default_rng(0)
CLASSES = tuple("abcdefg")
LABELS = RNG.integers(0, 7, 500)
LOGITS = RNG.standard_normal((500, 7)) + 2 * np.eye(7)[LABELS]
METRICS = measure(LOGITS, LABELS, CLASSES, split="test", k=3)


def test_accuracy_precision_and_recall_are_scikit_learns():
    called = LOGITS.argmax(1)
    assert METRICS.top1.value == pytest.approx((called == LABELS).mean())
    assert METRICS.topk.value == pytest.approx(top_k_accuracy_score(LABELS, LOGITS, k=3))
    assert [row.precision.value for row in METRICS.classes] == pytest.approx(
        precision_score(LABELS, called, average=None)
    )
    assert [row.recall.value for row in METRICS.classes] == pytest.approx(recall_score(LABELS, called, average=None))


def test_the_confusion_matrix_counts_every_image_once():
    assert np.sum(METRICS.confusion) == 500
    assert [sum(row) for row in METRICS.confusion] == np.bincount(LABELS).tolist()


def test_wilsons_interval_is_the_textbooks():
    interval = wilson(8, 10)  # Agresti and Coull 1998
    assert (interval.low, interval.high) == pytest.approx((0.490, 0.943), abs=0.001)


@given(st.integers(1, 2000), st.data())
def test_wilsons_interval_holds_the_value_and_stays_in_the_unit_interval(count, data):
    hits = data.draw(st.integers(0, count))
    interval = wilson(hits, count)
    assert 0 <= interval.low <= interval.value + 1e-12
    assert interval.value - 1e-12 <= interval.high <= 1


def test_a_calibrated_classifier_has_a_small_error_and_a_boastful_one_a_large():
    probabilities = RNG.dirichlet(np.ones(4), 4000)
    labels = (probabilities.cumsum(1) > RNG.random((4000, 1))).argmax(1)
    honest = measure(np.log(probabilities), labels, tuple("abcd"), split="test")
    boastful = measure(8 * np.log(probabilities), labels, tuple("abcd"), split="test")
    assert honest.calibration.value < 0.03 < 0.2 < boastful.calibration.value
    assert boastful.calibration.low < boastful.calibration.value < boastful.calibration.high


def test_the_bootstrap_interval_of_the_loss_is_the_normal_one():
    losses = np.log(np.exp(LOGITS).sum(1)) - LOGITS[np.arange(500), LABELS]
    half = 1.96 * losses.std() / np.sqrt(500)
    assert METRICS.loss.value == pytest.approx(losses.mean())
    assert METRICS.loss.high - METRICS.loss.low == pytest.approx(2 * half, rel=0.15)


def test_a_class_without_images_has_no_recall_and_says_so():
    metrics = measure(LOGITS, np.minimum(LABELS, 5), CLASSES, split="test")
    assert metrics.classes[6].images == 0
    assert np.isnan(metrics.classes[6].recall.value)
    assert "nan" not in str(metrics)


def test_k_is_at_most_the_number_of_classes():
    metrics = measure(LOGITS, LABELS, CLASSES, split="test", k=50)
    assert metrics.k == 7
    assert metrics.topk.value == 1


def test_training_data_is_named_as_such():
    assert "TRAINING DATA" in str(measure(LOGITS, LABELS, CLASSES, split="train"))
    assert "TRAINING DATA" not in str(METRICS)


def test_nothing_to_measure_is_an_error():
    with pytest.raises(DataError, match="test split has no image"):
        measure(LOGITS[:0], LABELS[:0], CLASSES, split="test")


def test_columns_are_aligned_at_a_hundred_percent_and_beside_wide_names():
    logits = np.eye(3)[[0, 0, 1, 1, 2, 1]]
    metrics = measure(logits, np.array([0, 0, 1, 1, 2, 2]), ("ant", "犬犬犬", "x"), split="test")
    table = str(metrics).partition("\n\n")[2].partition("\n\n")[0]
    header, _, *rows = table.splitlines()
    for row in rows:
        before = row[: row.rindex("%", 0, row.rindex("(")) + 1].rpartition(" ")[0]
        assert display_width(before) + 1 == header.index("recall")


def test_risk_and_coverage_are_those_counted_one_by_one():
    shares = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    surest = sorted(range(500), key=lambda row: -shares[row].max())
    wrong = [LOGITS[row].argmax() != LABELS[row] for row in surest]
    risks = [sum(wrong[:count]) / count for count in range(1, 501)]
    assert METRICS.aurc.value == pytest.approx(sum(risks) / 500)
    assert METRICS.aurc.low < METRICS.aurc.value < METRICS.aurc.high
    curve = METRICS.risk_coverage
    assert len(curve) == 100
    for place in (0, 41, 99):
        assert curve[place].share == pytest.approx((place + 1) / 100)
        assert curve[place].accuracy == pytest.approx(1 - risks[5 * place + 4])
        assert curve[place].confidence == pytest.approx(shares[surest[5 * place + 4]].max())
    assert curve[-1].accuracy == pytest.approx(METRICS.top1.value)


def test_a_classifier_that_knows_when_it_is_wrong_has_less_risk():
    right = np.arange(400) % 4 > 0
    labels = np.where(right, 0, 1)
    knowing = np.stack([np.where(right, 3.0, 0.5), np.zeros(400)], axis=1)
    guessing = np.stack([np.tile([3.0, 0.5], 200), np.zeros(400)], axis=1)
    best, worse = (measure(one, labels, ("a", "b"), split="test").aurc.value for one in (knowing, guessing))
    assert best == pytest.approx(0.25 + 0.75 * np.log(0.75), abs=0.005)  # the least for this accuracy (Geifman et al.)
    assert worse > 2 * best


def test_answers_that_are_no_numbers_are_refused():
    logits = LOGITS.copy()
    logits[7, 2] = np.nan
    logits[9, 0] = np.inf
    with pytest.raises(WeightsError, match=r"answers to 2 of 500 images of the test split are not finite numbers"):
        measure(logits, LABELS, CLASSES, split="test")
