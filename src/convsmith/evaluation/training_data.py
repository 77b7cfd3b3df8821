"""What a model's file keeps of the data that it was trained on: enough to split and decode them again as then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from convsmith.data.dataset import Dataset
from convsmith.data.decode.decoding import USUAL, Decoding
from convsmith.errors import UsageError
from convsmith.evaluation.overlap import sketch

KEY = "data"
"""Under which a model's provenance has it."""


@dataclass(frozen=True)
class TrainingData:
    """The data set's name and fingerprint, the seed that made splits, how its files are decoded, and the sketch of the
    training images (see `overlap`)."""

    name: str = ""
    fingerprint: str = ""
    seed: int = 0
    decoding: Decoding = USUAL
    sketch: str = ""

    @classmethod
    def of(cls, dataset: Dataset) -> TrainingData:
        """Of a data set that is trained on."""
        content = dataset.split("train").content
        kept = "" if content is None else sketch(content)
        return cls(dataset.name, dataset.fingerprint, dataset.seed or 0, dataset.decoding, kept)

    @classmethod
    def known_to(cls, provenance: Mapping[str, Any]) -> TrainingData:
        """As a model's provenance has it; what is missing or damaged is as if nothing were known."""
        try:
            return msgspec.convert(provenance.get(KEY) or {}, cls)
        except (msgspec.ValidationError, UsageError):
            return cls()
