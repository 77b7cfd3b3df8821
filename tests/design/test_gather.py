"""What is measured on data whose classes are told apart by one known thing, and what is designed from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import derived
import numpy as np
import pytest
from sklearn.datasets import load_digits

from convsmith import Dataset
from convsmith.design.evidence.gather import gather
from convsmith.design.evidence.sample import FOLDS, sample_of
from convsmith.design.evidence.values import Evidence
from convsmith.design.rules import Scheme, scheme_of
from convsmith.errors import DataError


@cache
def measured(make: Callable[[], Dataset]) -> tuple[Evidence, Scheme]:
    evidence = gather(make())
    return evidence, scheme_of(evidence)


def digits() -> Dataset:
    images, labels = load_digits(return_X_y=True)
    pixels = (images.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)
    return Dataset.from_arrays(pixels, labels)


def test_colour_is_kept_where_only_colour_tells() -> None:
    evidence, scheme = measured(derived.hued)
    assert evidence.colour is not None
    assert evidence.colour.gain.low > 0.1
    assert scheme.channels == 3


def test_colour_is_dropped_where_it_tells_nothing() -> None:
    grey = derived.gratings(800).split("train")
    images = np.array([image for image, _ in grey])
    tinted = images // np.array([1, 2, 1], np.uint8)  # the same tint everywhere
    _, scheme = measured(lambda: Dataset.from_arrays(tinted, grey.labels))
    assert scheme.channels == 1


def test_digits_stay_grey_and_are_not_mirrored() -> None:
    evidence, scheme = measured(digits)
    assert evidence.symmetry is not None
    assert evidence.symmetry["mirror"].verdict == "harmful"
    assert scheme.channels == 1
    assert not scheme.augment.flip


def test_local_detail_gives_small_kernels() -> None:
    evidence, scheme = measured(derived.gratings)
    assert evidence.scale is not None
    assert evidence.scale.reach < 0.2
    assert evidence.scale.detail > 0.25
    assert (scheme.stem_kernel, scheme.kernel) == (3, 3)


def test_a_large_blurred_pattern_gives_large_kernels() -> None:
    evidence, scheme = measured(derived.patterns)
    assert evidence.scale is not None
    assert evidence.scale.reach > 0.5
    assert evidence.scale.detail <= 0.25
    assert (scheme.stem_kernel, scheme.kernel) == (7, 5)


def test_what_is_measured_has_its_uncertainty_sample_and_time() -> None:
    evidence, _ = measured(derived.hued)
    for part in (evidence.colour, evidence.learning, evidence.symmetry, evidence.scale, evidence.complexity):
        assert part is not None
        assert part.images == len(derived.hued().split("train"))
        assert 0 < part.seconds <= evidence.seconds


def test_error_falls_with_data_and_confusable_classes_are_named() -> None:
    evidence, _ = measured(digits)
    assert evidence.learning is not None
    assert evidence.complexity is not None
    errors = [point.error.value for point in evidence.learning.data]
    assert errors[0] > errors[-1] > evidence.learning.error.value
    assert all(pair.one != pair.other and pair.share > 0 for pair in evidence.complexity.pairs)


def test_the_same_data_give_the_same_evidence() -> None:
    first, second = gather(derived.gratings()), gather(derived.gratings())
    assert first.scale is not None
    assert second.scale is not None
    assert first.scale.blur == second.scale.blur
    assert first.scale.patch == second.scale.patch


def test_without_time_what_is_known_is_told_and_what_is_not_is_named() -> None:
    evidence = gather(derived.hued(), seconds=0.0)
    assert evidence.basics.classes == 4
    assert evidence.unmeasured == ("colour", "learning", "symmetry", "scale", "complexity")
    assert evidence.colour is None


def test_a_sample_has_each_class_in_each_part() -> None:
    sample = sample_of(derived.hued(), images=40)
    for label in range(4):
        assert set(sample.folds[sample.labels == label]) == set(range(FOLDS))


def test_classes_with_too_few_images_to_learn_from_are_refused() -> None:
    images = np.random.default_rng(0).integers(0, 255, (12, 16, 16, 3), dtype=np.uint8)
    few = Dataset.from_arrays(images[:6], np.arange(6) % 2, splits={"test": (images[6:], np.arange(6) % 2)})
    with pytest.raises(DataError, match="fewer than two classes"):
        sample_of(few, images=1) if len(few.split("train")) >= 6 else gather(few)
