"""Entries from models: five guesses for every validation or test image, in the order of their numbers."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.images import AnyImages
from convsmith.data.load.loader import WORKERS
from convsmith.data.sources.imagenet.devkit import open_kit
from convsmith.data.sources.imagenet.ilsvrc import TEST, VAL
from convsmith.data.sources.tar import read_tar
from convsmith.data.unlabelled import gather
from convsmith.deploy.classifier import open_classifier
from convsmith.deploy.streams import results
from convsmith.errors import DataError
from convsmith.evaluation.nouns.meaning import meant_by
from convsmith.ilsvrc.entry import GUESSES, write_entry
from convsmith.model import Model
from convsmith.resolve import model_of

NUMBERED = re.compile(r"(?:^|/)ILSVRC2012_(val|test)_(\d{8})\.JPEG$", re.IGNORECASE)


def write_guesses(
    models: Sequence[Model | str | Path], data: str | Path, out: str | Path, *, kit: str | Path | None = None
) -> int:
    """Writes the five likeliest classes of each image; of several models, by the mean of their probabilities.

    `data` holds ILSVRC's validation or test images, a folder or a tar, with names like ILSVRC2012_val_00000001.JPEG;
    or it is the folder in which these lie. The kit, which says the ids of the classes, lies there or beside it, or is
    `kit`. Returns the number of images.

    Raises DataError for a model that lacks a class of the kit, for images whose numbers have gaps, and naming an image
    that cannot be read; then nothing is written.
    """
    place = _images_in(Path(data))
    known = open_kit(Path(kit) if kit is not None else Path(data))
    opened = [model_of(model) for model in models]
    numbers = {wordnet_id: number for number, wordnet_id in known.wordnet_ids.items()}
    columns = [_columns(model, numbers) for model in opened]
    ids = np.array(list(numbers.values()), np.int64)
    classifiers = [open_classifier(model) for model in opened]
    images = _in_order(place)

    def guesses() -> Generator[list[int]]:
        # Each model goes through the images with its own preprocessing, side by side.
        streams = [results(classifier, images, WORKERS) for classifier in classifiers]
        for row, each in enumerate(zip(*streams, strict=True)):
            bad = next((one for one in each if isinstance(one, str)), None)
            if bad is not None:
                raise DataError(f"{images.name(row)}: {bad}")
            mean = np.mean([one[places] for one, places in zip(each, columns, strict=True)], axis=0)
            yield ids[np.argsort(-mean, kind="stable")[:GUESSES]].tolist()

    with closing(guesses()) as lines:
        return write_entry(Path(out), lines)


def _images_in(data: Path) -> Path:
    """The place of the images: the data themselves, or what of ILSVRC lies there, validation first."""
    if not data.is_dir():
        return data
    for name in (VAL, "val", TEST, "test"):
        for place in (data / f"{name}.tar", data / name):
            if place.exists():
                return place
    return data


def _columns(model: Model, numbers: dict[str, int]) -> NDArray[np.int64]:
    """The model's output for each class of the kit."""
    places = {wordnet_id: place for place, wordnet_id in enumerate(meant_by(model).ids)}
    missing = [wordnet_id for wordnet_id in numbers if wordnet_id not in places]
    if missing:
        shown = ", ".join(missing[:5])
        raise DataError(f"{model.network.name} lacks {len(missing):,} of the kit's {len(numbers):,} classes: {shown}")
    return np.array([places[wordnet_id] for wordnet_id in numbers], np.int64)


def _in_order(place: Path) -> AnyImages:
    """The images by number, from 1 on. Raises DataError where one is missing, or two are of the same number."""
    images: AnyImages = read_tar(place, place.parent) if place.is_file() else gather([place]).parts[0]
    found = [NUMBERED.search(images.name(row)) for row in range(len(images))]
    numbers = [int(match[2]) for match in found if match]
    kinds = {match[1].lower() for match in found if match}
    if not numbers or len(kinds) > 1:
        both = "both val and test images" if numbers else "no images called like ILSVRC2012_val_00000001.JPEG"
        raise DataError(f"{place} holds {both}")
    missing = set(range(1, max(numbers) + 1)) - set(numbers)
    if missing or len(set(numbers)) < len(numbers):
        what = f"lacks image {min(missing)}" if missing else "holds an image twice"
        raise DataError(f"{place} {what}: an entry has a line for each image in order")
    rows = np.array([row for row, match in enumerate(found) if match], np.int64)
    return images.take(rows[np.argsort(numbers, kind="stable")])
