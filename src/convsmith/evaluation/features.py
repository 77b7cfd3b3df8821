"""Features: the output of one of a network's layers for images, for use elsewhere or by a new classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from convsmith.backend.runtime.module import OnnxModule
from convsmith.data.dataset import Dataset, Finding, Images, Split
from convsmith.data.given import GivenImages, images_of, is_data
from convsmith.errors import DataError, ExportError, UsageError
from convsmith.evaluation.inference import predict_logits
from convsmith.evaluation.measured import opened_for
from convsmith.evaluation.metrics import left_out
from convsmith.evaluation.training_data import TrainingData
from convsmith.files import write_bytes
from convsmith.model.file import Model
from convsmith.network.network import Network
from convsmith.resolve import model_of
from convsmith.transform.part import trunk_and_head, up_to

FORMATS = (".npz", ".parquet")


@dataclass(frozen=True, eq=False)
class Features:
    """The output of `layer` for images: `values` float32 (N, F), or (N, C, H, W) of maps.

    `names` say which images. Those of a data set have `labels` int64 (N,), indices into `classes`, and `splits`, the
    name of the split of each; of images without labels all three are empty. `unreadable` files of the data set are left
    out.
    """

    layer: str
    values: NDArray[np.float32]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    splits: tuple[str, ...]
    unreadable: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the features of one image: (F,), or (C, H, W) of a map."""
        return self.values.shape[1:]

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.shape))
        images = "1 image" if len(self) == 1 else f"{len(self):,} images"
        return f"{shape} features of {self.layer} for each of {images}{left_out(len(self.unreadable))}"


def features(
    model: Model | str | Path,
    data: Dataset | str | Path | GivenImages,
    *,
    layer: str | None = None,
    pool: bool = True,
    splits: Sequence[str] | None = None,
    seed: int | None = None,
) -> Features:
    """The output of a layer, by default of what the classifier sees, for every image in order.

    `model` is a model, its file or published weights by name; `data` a data set, its path or name, or images (a file,
    arrays, Pillow's images; see `images_of`). `pool` takes the mean over each map, so that (N, C) is left. Of a data
    set, `splits` are those that are wanted, by default all; they are the data's own, or made as for `evaluate`.

    Raises UnknownNameError for a layer that the network does not have, and as `model_of`, `open_dataset` and
    `images_of` do; DataError for an image that cannot be read.
    """
    model = model_of(model)
    layer = layer or trunk_and_head(model.network)[0].output
    up_to(model.network, layer)  # an unknown name is an error before any image is read
    if isinstance(data, Dataset) or is_data(data):
        return _of_data(model, opened_for(model, data, seed), layer, pool, splits)
    images = images_of(data, TrainingData.known_to(model.provenance).decoding)
    if not len(images):
        raise DataError("there are no images to compute features of")
    values = extract(model, Split(images, np.zeros(len(images), np.int64)), layer, pool=pool)
    return Features(layer, values, _names(images), np.zeros(0, np.int64), (), ())


def _of_data(model: Model, dataset: Dataset, layer: str, pool: bool, splits: Sequence[str] | None) -> Features:
    chosen = {name: dataset.split(name) for name in splits or dataset.splits}
    return Features(
        layer,
        np.concatenate([extract(model, split, layer, pool=pool) for split in chosen.values()]),
        tuple(name for split in chosen.values() for name in _names(split.images)),
        np.concatenate([split.labels for split in chosen.values()]),
        dataset.classes,
        tuple(name for name, split in chosen.items() for _ in range(len(split))),
        tuple(dict.fromkeys(finding for split in chosen.values() for finding in split.unreadable)),
    )


def _names(images: Images) -> tuple[str, ...]:
    return tuple(images.name(row) for row in range(len(images)))


def extract(model: Model, split: Split, layer: str | None = None, *, pool: bool = True) -> NDArray[np.float32]:
    """The output of a layer for every image of a split: float32 (N, F), or (N, C, H, W). See `features`."""
    part = up_to(model.network, layer) if layer is not None else trunk_and_head(model.network)[0]
    found = predict_logits(part_of(model, part), split, model.preprocess)
    return found.mean(axis=(2, 3)) if pool and found.ndim == 4 else found


def part_of(model: Model, part: Network) -> nn.Module:
    """A part of a model's network with the model's weights, to compute with: in ONNX Runtime, or in PyTorch what an
    ONNX file cannot hold and what computes in integers."""
    if model.grids:
        return model.module(part)
    weights = {key: model.weights[key].detach().float().numpy() for key in part.parameters}
    try:
        return OnnxModule(part, weights)
    except ExportError:
        return model.module(part)


def write_features(features: Features, path: Path) -> None:
    """Writes features with the names of the images, their labels and splits to an npz or Parquet file, or nothing.

    An npz file has the arrays `features`, `name` and, of a data set, `labels`, `classes` and `split`; a Parquet file
    has a row for each image. Raises UsageError for another kind of file, OutputError.
    """
    check_feature_file(path)
    columns: dict[str, NDArray[Any]] = {"name": np.array(features.names)}
    if features.classes:
        columns = {"labels": features.labels, "split": np.array(features.splits), **columns}
    classes = np.array(features.classes)
    if path.suffix == ".npz":
        extra = {"classes": classes} if features.classes else {}
        write_bytes(path, as_npz({"features": features.values, **extra, **columns}))
    else:
        extra = {"class": classes[features.labels]} if features.classes else {}
        write_bytes(path, _as_parquet(features.values, {**extra, **columns}))


def check_feature_file(path: Path) -> None:
    """Raises UsageError for a file that features are not written to: told before they are computed."""
    if path.suffix not in FORMATS:
        raise UsageError(f"{path}: features are written to {' or '.join(FORMATS)}")


def _as_parquet(features: NDArray[np.float32], columns: Mapping[str, NDArray[Any]]) -> bytes:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    flat = features.reshape(len(features), -1)
    values = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])
    buffer = BytesIO()
    parquet.write_table(pa.table({**{name: pa.array(c) for name, c in columns.items()}, "features": values}), buffer)
    return buffer.getvalue()


def as_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of an npz file without pickled objects."""
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
