"""A model file measured on a split of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from convsmith.backend.torch import build
from convsmith.cost import cost_of
from convsmith.cost.table import aligned
from convsmith.data import open_dataset
from convsmith.data.dataset import Dataset, Split
from convsmith.errors import DataError
from convsmith.evaluate.inference import predict_logits
from convsmith.evaluate.metrics import Metrics, measure
from convsmith.model.file import Model, load_model
from convsmith.transform.side import at_side
from convsmith.weights.imagenet import labels, synsets


@dataclass(frozen=True)
class AtSide:
    """A model measured on images of `side` pixels, and its multiply-adds for one of them."""

    side: int
    macs: int
    metrics: Metrics

    def to_json(self) -> dict[str, Any]:
        return {"side": self.side, "macs": self.macs, **self.metrics.to_json()}


def evaluate(model_file: Path, data: str | Path, *, split: str = "test", k: int = 5, seed: int = 0) -> Metrics:
    """Metrics of a model on a named split. Classes are matched by name, whatever their order in the data; the
    WordNet ids of ImageNet's classes are names too.

    Raises ModelFileError for a bad file, DataError for data that lacks the split or has a class that the model does
    not know.
    """
    model = load_model(model_file)
    images = _known_split(model, model_file, open_dataset(data, seed=seed), split)
    return _measured(model, images, split, k)


def evaluate_at(
    model_file: Path, data: str | Path, sides: Sequence[int], *, split: str = "test", k: int = 5, seed: int = 0
) -> tuple[AtSide, ...]:
    """The same with images of other sizes than the model was made for, one after another (see `at_side`).

    Networks that were trained on random crops do best on somewhat larger images, for in crops things are larger
    (Touvron et al. 2019, arXiv 1906.06423, section 4.1). Raises as `evaluate` does, and UsageError for a side that the
    network cannot take.
    """
    model = load_model(model_file)
    resized = [at_side(model.network.inference, model.preprocess, side) for side in sides]
    images = _known_split(model, model_file, open_dataset(data, seed=seed), split)
    found = []
    for side, (network, preprocess) in zip(sides, resized, strict=True):
        header = replace(model.header, network=network, preprocess=preprocess)
        metrics = _measured(Model(header, model.weights), images, split, k)
        found.append(AtSide(side, cost_of(network).macs, metrics))
    return tuple(found)


def side_by_side(found: Sequence[AtSide]) -> str:
    """As a table, a row for each side; all of the metrics if it is one."""
    if len(found) == 1:
        return f"at a side of {found[0].side} pixels, {found[0].macs:,} multiply-adds\n{found[0].metrics}"
    first = found[0].metrics
    columns = ("side", "MACs", "top-1 accuracy", f"top-{first.k} accuracy", "cross-entropy")
    rows = [
        (str(one.side), f"{one.macs:,}", str(one.metrics.top1), str(one.metrics.topk), f"{one.metrics.loss.value:.4f}")
        for one in found
    ]
    lines = [
        f"{first.split} split, {first.images:,} images; 95% intervals in brackets",
        aligned(columns, rows, "rrllr"),
    ]
    if first.split == "test":
        lines.append("Choose a side by `--split val`: a figure that was chosen for being the highest is no test.")
    return "\n".join(lines)


def _known_split(model: Model, model_file: Path, dataset: Dataset, split: str) -> Split:
    """The split with the model's own numbers for its labels."""
    images = dataset.split(split)
    places = _places(model)
    unknown = [name for name in dataset.classes if name not in places]
    if unknown:
        raise DataError(f"{dataset.name} has classes that {model_file} does not know: {', '.join(unknown[:5])}")
    return Split(images.images, np.array([places[name] for name in dataset.classes])[images.labels])


def _measured(model: Model, images: Split, split: str, k: int) -> Metrics:
    module = build(model.network)
    module.load_state_dict(dict(model.weights), strict=False)
    logits = predict_logits(module, images, model.preprocess)
    return measure(logits, images.labels, model.classes, split=split, k=k)


def _places(model: Model) -> dict[str, int]:
    """The model's output for each name that a class may have in data."""
    places = {name: place for place, name in enumerate(model.provenance.get("wordnet_ids", ()))}
    places |= {name: place for place, name in enumerate(model.classes)}
    # Folders of images are called by WordNet ids, ImageNet's archives and published classifiers by names.
    for synset, name in zip(synsets(), labels(), strict=True):
        for known, other in ((synset.wordnet_id, name), (name, synset.wordnet_id)):
            if known in places:
                places.setdefault(other, places[known])
    return places
