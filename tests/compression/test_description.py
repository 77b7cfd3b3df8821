"""Descriptions without what only training needed."""

from dataclasses import replace

from small import trained

from convsmith.compression import lean


def test_what_only_training_needed_is_left_out_and_the_rest_stays():
    model = replace(
        trained(),
        provenance={"seed": 1, "tuned": {"parts": 1}, "data": {"sketch": "abc", "fingerprint": "f"}},
        metrics={"top1": 0.5, "confusion": [[1]]},
    )
    found = lean(model)
    assert found.provenance == {"seed": 1, "data": {"fingerprint": "f"}}
    assert found.metrics == {"top1": 0.5}
    assert found.weights == model.weights


def test_a_model_without_provenance_stays_as_it_is():
    assert lean(trained()).header == trained().header
