from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convsmith
from convsmith.data import open_dataset
from convsmith.errors import DataError, UsageError
from convsmith.evaluation.evaluate import evaluate, side_by_side
from convsmith.model import Header, save_model
from convsmith.network import Preprocess

CLASSES = ("tabby", "tench", "crane")
IDS = ("n02123045", "n01440764", "n02012849")


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    net = convsmith.create("lenet5", classes=3, input=(1, 28, 28))
    header = Header(net, CLASSES, Preprocess(1, (28, 28), 28, (0.5,), (0.5,)), {"wordnet_ids": list(IDS)})
    save_model(header.with_weights(convsmith.build(net).state_dict()), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def images(root: Path, names: tuple[str, ...]) -> Path:
    """A data set of noise, of ten images for each class in each split."""
    for place, split in enumerate(("train", "val", "test")):
        for label, name in enumerate(names):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(10):
                pixels = np.random.default_rng([place, label, number]).integers(0, 256, (28, 28), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def test_classes_may_be_called_by_their_wordnet_ids(model_file: Path, tmp_path: Path) -> None:
    by_name = evaluate(model_file, images(tmp_path / "names", CLASSES)).metrics
    by_id = evaluate(model_file, images(tmp_path / "ids", IDS)).metrics
    assert by_id.images == 30
    assert by_id.confusion == by_name.confusion


# There are two classes of cranes, so a crane's name has its id in it.
NAMES = (*CLASSES[:2], "crane (n02012849)")


@pytest.mark.parametrize(("learned", "asked"), [(NAMES, IDS), (IDS, NAMES)])
def test_imagenets_names_and_ids_mean_the_same_to_any_model(
    tmp_path: Path, learned: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    net = convsmith.create("lenet5", classes=3, input=(1, 28, 28))
    header = Header(net, learned, Preprocess(1, (28, 28), 28, (0.5,), (0.5,)))
    save_model(header.with_weights(convsmith.build(net).state_dict()), tmp_path / "model.safetensors")
    same, other = (
        evaluate(tmp_path / "model.safetensors", images(tmp_path / name, names))
        for name, names in (("same", learned), ("other", asked))
    )
    assert other.metrics.confusion == same.metrics.confusion


def test_a_class_that_the_model_does_not_know_is_named(model_file: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not have: zebra"):
        evaluate(model_file, images(tmp_path / "data", ("tabby", "tench", "zebra")))


@pytest.fixture
def any_side(tmp_path: Path) -> Path:
    """A model whose network takes images of any size."""
    net = convsmith.create("resnet20", classes=3, input=(1, 28, 28))
    header = Header(net, CLASSES, Preprocess(1, (28, 28), 32, (0.5,), (0.5,)))
    save_model(header.with_weights(convsmith.build(net).state_dict()), tmp_path / "any.safetensors")
    return tmp_path / "any.safetensors"


def test_other_sides_are_the_same_weights_on_larger_images(any_side: Path, tmp_path: Path) -> None:
    data = images(tmp_path / "data", CLASSES)
    own, larger = evaluate(any_side, data, side=28), evaluate(any_side, data, side=56)
    assert own.metrics.loss == evaluate(any_side, data).metrics.loss
    assert (own.side, larger.side) == (28, 56)
    assert larger.macs == pytest.approx(4 * own.macs, rel=0.001)
    assert larger.metrics.loss != own.metrics.loss


def test_sides_are_a_table_that_says_where_to_choose(any_side: Path, tmp_path: Path) -> None:
    data = open_dataset(images(tmp_path / "data", CLASSES))
    lines = side_by_side([evaluate(any_side, data, side=side) for side in (28, 56)]).splitlines()
    assert lines[1].split()[:3] == ["side", "MACs", "top-1"]
    assert [line.split()[0] for line in lines[3:5]] == ["28", "56"]
    assert "val split" in lines[5]
    assert len(side_by_side([evaluate(any_side, data, split="val", side=side) for side in (28, 56)]).splitlines()) == 5


def test_a_side_that_the_network_cannot_take_is_bad_usage(model_file: Path) -> None:
    with pytest.raises(UsageError, match="lenet5 cannot take images of 56x56"):
        evaluate(model_file, "no data is read before", side=56)
