"""Which published weights can be read without fetching."""

from __future__ import annotations

import pytest

from convsmith.weights import at_hand
from convsmith.weights.at_hand import weights_at_hand
from convsmith.weights.importing import import_weights


def test_an_installed_package_is_at_hand_and_can_be_imported() -> None:
    [(weights, file)] = weights_at_hand("efficientnet_pytorch/efficientnet_lite0")
    assert weights.model == "timm/tf_efficientnet_lite0"
    assert import_weights(file).published == weights


def test_a_package_with_other_bytes_is_not_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_hand, "sha256", lambda path: "0" * 64)
    assert weights_at_hand("efficientnet_pytorch/*") == []


def test_weights_that_would_have_to_be_fetched_are_not_at_hand() -> None:
    assert weights_at_hand("torchvision/*") == []
