"""Each choice follows from its evidence: where that changes, the choice does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from made import BASICS, COLOUR, EVIDENCE, PHOTOS, around, learning, scale, symmetry

from convsmith.design.evidence.values import Colour, Evidence
from convsmith.design.rules import convolutions_of, scheme_of, stages_for

Given = Callable[[Evidence], Evidence]


def decided(evidence: Evidence, name: str) -> str:
    return next(decision.value for decision in scheme_of(evidence).decisions if decision.name == name)


CHANGES: list[tuple[str, Evidence, Given]] = [
    ("input size", EVIDENCE, lambda e: replace(e, basics=replace(BASICS, size=(240, 240)))),
    ("input size", PHOTOS, lambda e: replace(e, scale=scale(blur=(0, 0, 0, -0.2), side=64))),
    ("channels", PHOTOS, lambda e: replace(e, colour=Colour(around(0.8), around(0.8), around(0, 0.005), 1000, 1))),
    ("channels", EVIDENCE, lambda e: replace(e, basics=replace(BASICS, channels=3), colour=COLOUR)),
    ("convolutions", EVIDENCE, lambda e: replace(e, learning=learning(error=0.03))),
    ("convolutions", EVIDENCE, lambda e: replace(e, learning=learning(error=0.005))),
    ("filters", EVIDENCE, lambda e: replace(e, learning=learning(filters=(0.1, 0.1, 0.1, 0.1)))),
    ("kernels", EVIDENCE, lambda e: replace(e, scale=scale(patch=(0.5, 0.6, 0.8, 0.81)))),
    ("kernels", EVIDENCE, lambda e: replace(e, scale=scale(patch=(0.3, 0.4, 0.5, 0.8)))),
    ("stride and padding", EVIDENCE, lambda e: replace(e, scale=scale(border=3))),
    ("pooling", EVIDENCE, lambda e: replace(e, scale=scale(blur=(0, 0, 0, 0)))),
    ("normalization", EVIDENCE, lambda e: replace(e, basics=replace(BASICS, images=20))),
    ("dense layers", EVIDENCE, lambda e: replace(e, scale=scale(location=0.2))),
    ("dropout", EVIDENCE, lambda e: replace(e, basics=replace(BASICS, images=500))),
    ("dropout", PHOTOS, lambda e: replace(e, learning=learning(slope=0.05))),
    ("augmentation", EVIDENCE, lambda e: replace(e, symmetry=symmetry(mirror=-0.05))),
    ("augmentation", EVIDENCE, lambda e: replace(e, symmetry=symmetry(exchanged="left and right"))),
    ("augmentation", EVIDENCE, lambda e: replace(e, symmetry=symmetry(shift=-0.05))),
    ("augmentation", EVIDENCE, lambda e: replace(e, symmetry=symmetry(turn=0.05))),
    ("augmentation", EVIDENCE, lambda e: replace(e, symmetry=symmetry(quarter_turn=0.05))),
    ("augmentation", EVIDENCE, lambda e: replace(e, basics=replace(BASICS, characters=True))),
    ("augmentation", EVIDENCE, lambda e: replace(e, basics=replace(BASICS, flip_named=False))),
    ("scratch or transfer", PHOTOS, lambda e: replace(e, basics=replace(PHOTOS.basics, images=90_000))),
    ("scratch or transfer", PHOTOS, lambda e: replace(e, learning=learning(error=0.001))),
]


@pytest.mark.parametrize(("name", "evidence", "given"), CHANGES)
def test_a_choice_changes_with_its_evidence(name: str, evidence: Evidence, given: Given) -> None:
    assert decided(given(evidence), name) != decided(evidence, name)


def test_the_activation_changes_with_the_limits() -> None:
    assert scheme_of(EVIDENCE).activation == "relu"
    assert scheme_of(EVIDENCE, tight=True).activation == "silu"


def test_every_choice_of_the_rules_is_changed_in_a_test() -> None:
    changed = {name for name, *_ in CHANGES} | {"activation"}
    assert {decision.name for decision in scheme_of(EVIDENCE).decisions} == changed


def test_every_choice_has_its_reasons() -> None:
    for decision in scheme_of(PHOTOS).decisions:
        assert all((decision.value, decision.rule, decision.evidence, decision.source, decision.otherwise)), decision


def test_what_was_not_measured_leaves_the_default_and_says_so() -> None:
    scheme = scheme_of(Evidence(PHOTOS.basics, unmeasured=("colour", "learning", "symmetry", "scale")))
    assert (scheme.channels, scheme.stem_kernel, scheme.kernel, scheme.pooling) == (3, 3, 3, "max")
    said = [decision.evidence for decision in scheme.decisions]
    assert sum("not measured" in words for words in said) >= 6


def test_a_mirror_image_that_a_name_forbids_is_never_used() -> None:
    forbidden = replace(EVIDENCE, basics=replace(BASICS, flip_named=False), symmetry=symmetry(mirror=0.1))
    assert not scheme_of(forbidden).augment.flip


def test_right_angles_are_turned_by_where_that_is_useful_and_never_characters() -> None:
    assert not scheme_of(EVIDENCE).augment.quarter_turns
    for evidence in (EVIDENCE, PHOTOS):
        assert scheme_of(replace(evidence, symmetry=symmetry(quarter_turn=0.05))).augment.quarter_turns
    letters = replace(EVIDENCE, basics=replace(BASICS, characters=True), symmetry=symmetry(quarter_turn=0.05))
    assert not scheme_of(letters).augment.quarter_turns


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 32), (48, 30), (64, 64)])
def test_maps_end_at_seven_pixels_or_more_but_for_tiny_images(size: tuple[int, int]) -> None:
    last = min(size) / 2 ** (stages_for(size, 1) - 1)
    assert last >= 4
    assert last < 15


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_a_harder_task_has_more_convolutions(stages: int) -> None:
    depths = [sum(convolutions_of(level, stages)) for level in range(4)]
    assert depths == sorted(set(depths))
