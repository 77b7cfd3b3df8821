"""A model file measured on a split of a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from convsmith.backend.torch import build
from convsmith.data import open_dataset
from convsmith.errors import DataError
from convsmith.evaluate.inference import predict_logits
from convsmith.evaluate.metrics import Metrics, measure
from convsmith.weights.file import Model, load_model
from convsmith.weights.imagenet import labels, synsets


def evaluate(model_file: Path, data: str | Path, *, split: str = "test", k: int = 5, seed: int = 0) -> Metrics:
    """Metrics of a model on a named split. Classes are matched by name, whatever their order in the data; the
    WordNet ids of ImageNet's classes are names too.

    Raises ModelFileError for a bad file, DataError for data that lacks the split or has a class that the model does
    not know.
    """
    model = load_model(model_file)
    dataset = open_dataset(data, seed=seed)
    images = dataset.split(split)
    places = _places(model)
    unknown = [name for name in dataset.classes if name not in places]
    if unknown:
        raise DataError(f"{dataset.name} has classes that {model_file} does not know: {', '.join(unknown[:5])}")
    position = np.array([places[name] for name in dataset.classes])
    module = build(model.network)
    module.load_state_dict(dict(model.weights), strict=False)
    logits = predict_logits(module, images, model.preprocess)
    return measure(logits, position[images.labels], model.classes, split=split, k=k)


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
