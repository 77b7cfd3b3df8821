"""Features in place of images: computed once, kept in the user's cache, and trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from convsmith.data.checks.cache import stamps
from convsmith.data.dataset import Dataset, Split
from convsmith.data.images import FileImages
from convsmith.errors import OutputError
from convsmith.evaluation.features import as_npz, extract
from convsmith.files import user_cache, write_bytes
from convsmith.model.file import Model
from convsmith.transform.part import trunk_and_head


@dataclass(frozen=True, eq=False)
class FeatureArray:
    """Features in place of images: `array` float32 (N, ...), which the loader passes on as they are."""

    array: NDArray[np.float32]
    origin: Split

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """The image that the features are of."""
        return self.origin.images[index]

    def name(self, index: int) -> str:
        return self.origin.images.name(index)


def with_features(dataset: Dataset, features: Mapping[str, NDArray[np.float32]]) -> Dataset:
    """The data set with features for images, in the splits that have some."""
    splits = {name: replace(dataset.splits[name], images=FeatureArray(array, dataset.splits[name]))
              for name, array in features.items()}  # fmt: skip
    return replace(dataset, splits=splits)


def cached_features(model: Model, dataset: Dataset, names: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
    """The classifier's input for these splits, computed once for the same weights, data and preprocessing.

    Kept in the platform's cache folder under convsmith/features, which may be emptied at any time.
    """
    path = user_cache() / "features" / f"{_key(model, dataset, names)}.npz"
    known = _read(path)
    if known is None:
        known = {name: extract(model, dataset.split(name), pool=False) for name in names}
        with suppress(OSError, OutputError):  # without a cache they are computed again next time
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, as_npz(known))
    return known


def _key(model: Model, dataset: Dataset, names: tuple[str, ...]) -> str:
    trunk, _ = trunk_and_head(model.network)
    described = [trunk.to_json(), model.preprocess.to_json(), dataset.fingerprint, names]
    digest = hashlib.sha256(json.dumps(described).encode())
    for name in names:
        images = dataset.split(name).images
        if isinstance(images, FileImages):
            digest.update(stamps(images).tobytes())
    for name in trunk.parameters:
        digest.update(model.weights[name].contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, NDArray[np.float32]] | None:
    """The arrays of an earlier run; None where there are none, or none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, EOFError):
        return None
