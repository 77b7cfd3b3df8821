"""What a network sees in images: the output of one of its layers, for use elsewhere or by a new classifier."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray

from convsmith.backend.torch import NetworkModule, build
from convsmith.data import open_dataset
from convsmith.data.checks.cache import stamps
from convsmith.data.dataset import Dataset, Split
from convsmith.data.images import FileImages
from convsmith.errors import ModelFileError, UsageError
from convsmith.evaluate.inference import predict_logits
from convsmith.files import write_bytes
from convsmith.model.file import Model, load_model
from convsmith.network.network import Network
from convsmith.transform.part import trunk_and_head, up_to


def extract(model: Model, split: Split, layer: str | None = None, *, pool: bool = True) -> NDArray[np.float32]:
    """The output of a layer for every image of a split, in order: float32 (N, F), or (N, C, H, W) of a map.

    Without `layer` it is what the classifier sees. `pool` takes the mean over each map, so that (N, C) is left.
    Raises UnknownNameError for a layer that the network does not have, DataError for a file that cannot be read.
    """
    part = up_to(model.network, layer) if layer is not None else trunk_and_head(model.network)[0]
    found = predict_logits(part_of(model, part), split, model.preprocess)
    return found.mean(axis=(2, 3)) if pool and found.ndim == 4 else found


def part_of(model: Model, part: Network) -> NetworkModule:
    """A part of a model's network with the model's weights."""
    module = build(part)
    module.load_state_dict({name: model.weights[name] for name in part.parameters}, strict=False)
    return module.eval()


@dataclass(frozen=True, eq=False)
class FeatureArray:
    """Features in the place of images: `array` float32 (N, ...), which the loader hands over as they are."""

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
    splits = {name: Split(FeatureArray(array, dataset.splits[name]), dataset.splits[name].labels)
              for name, array in features.items()}  # fmt: skip
    return Dataset(dataset.name, dataset.classes, splits, dataset.channels, dataset.size, dataset.fingerprint)


def cached_features(model: Model, dataset: Dataset, names: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
    """What the classifier sees of these splits, computed once for the same weights, data and preprocessing.

    Kept in the platform's cache folder under convsmith/features, which may be emptied at any time.
    """
    path = platformdirs.user_cache_path("convsmith") / "features" / f"{_key(model, dataset, names)}.npz"
    known = _read(path)
    if known is None:
        known = {name: extract(model, dataset.split(name), pool=False) for name in names}
        with suppress(OSError, ModelFileError):  # where the cache cannot be written, it is only not there next time
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, as_npz(known))
    return known


def as_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of an npz file without pickled objects."""
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


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


@dataclass(frozen=True)
class Written:
    """What `write_features` wrote: how many images, of which layer, and the shape of each one's features."""

    images: int
    layer: str
    shape: tuple[int, ...]


def write_features(
    model_file: Path,
    data: str | Path,
    out: Path,
    *,
    layer: str | None = None,
    pool: bool = True,
    splits: Sequence[str] | None = None,
    seed: int = 0,
) -> Written:
    """Write features, labels, splits and names of a data set's images to an npz or Parquet file, or nothing.

    Raises UsageError for another kind of file, and as `load_model`, `open_dataset` and `extract` do.
    """
    if out.suffix not in (".npz", ".parquet"):
        raise UsageError(f"{out}: features are written to .npz or .parquet")
    model = load_model(model_file)
    layer = layer or trunk_and_head(model.network)[0].output
    up_to(model.network, layer)  # an unknown name is an error before any file is read
    dataset = open_dataset(data, seed=seed)
    chosen = {name: dataset.split(name) for name in splits or dataset.splits}
    features = np.concatenate([extract(model, split, layer, pool=pool) for split in chosen.values()])
    columns: dict[str, NDArray[Any]] = {
        "labels": np.concatenate([split.labels for split in chosen.values()]),
        "split": np.repeat(list(chosen), [len(split) for split in chosen.values()]),
        "name": np.array([split.images.name(row) for split in chosen.values() for row in range(len(split))]),
    }
    if out.suffix == ".npz":
        write_bytes(out, as_npz({"features": features, "classes": np.array(dataset.classes), **columns}))
    else:
        write_bytes(out, _as_parquet(features, {"class": np.array(dataset.classes)[columns["labels"]], **columns}))
    return Written(len(features), layer, features.shape[1:])


def _as_parquet(features: NDArray[np.float32], columns: Mapping[str, NDArray[Any]]) -> bytes:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    flat = features.reshape(len(features), -1)
    values = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])
    buffer = BytesIO()
    parquet.write_table(pa.table({**{name: pa.array(c) for name, c in columns.items()}, "features": values}), buffer)
    return buffer.getvalue()
