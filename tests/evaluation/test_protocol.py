"""Protocols: how many views, which; refusals."""

from __future__ import annotations

import pytest

from convsmith.errors import UnknownNameError, UsageError
from convsmith.evaluation.protocol import NAMED, Protocol, changed, protocol_named
from convsmith.network import Preprocess

OWN = Preprocess(3, (224, 224), 256, (0.5,) * 3, (0.2,) * 3)


@pytest.mark.parametrize(
    ("name", "views", "sizes"),
    [
        ("own", 1, (256,)),
        ("torchvision", 1, (256,)),
        ("timm", 1, (256,)),
        ("keras", 1, ((224, 224),)),
        ("alexnet", 10, (256,)),
        ("resnet-10-crop", 10, (256,)),
        ("googlenet-144", 144, (256, 288, 320, 352)),
    ],
)
def test_the_fields_protocols_have_the_views_of_their_papers(name: str, views: int, sizes: tuple[int, ...]) -> None:
    found = protocol_named(name, OWN)
    assert (found.views, found.sizes) == (views, sizes)


def test_caffe_takes_crops_of_227_out_of_256() -> None:
    caffe = protocol_named("caffe-10-crop", Preprocess(3, (227, 227), 256, (0.5,) * 3, (0.2,) * 3))
    assert (caffe.sizes, caffe.views, caffe.framing) == (((256, 256),), 10, "squash")


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("crop", [(28, 28), (32, 48), (299, 299), (1, 1)])
def test_every_protocol_fits_an_input_of_any_size(name: str, crop: tuple[int, int]) -> None:
    assert NAMED[name](crop).crop == crop


def test_an_unknown_protocol_comes_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="resnet-10-crop"):
        protocol_named("resnet-10crop", OWN)


def test_a_crop_that_is_larger_than_the_image_is_refused() -> None:
    with pytest.raises(UsageError, match="resize: crops of 224x224 cannot be taken of images of 200x200"):
        changed(protocol_named("own", OWN), sizes=[200])


@pytest.mark.parametrize("crops", [0, 2, 3, 6, -1])
def test_a_number_of_crops_without_places_is_refused(crops: int) -> None:
    with pytest.raises(UsageError, match="crops: must be 1"):
        changed(protocol_named("own", OWN), crops=crops)


def test_what_is_changed_is_called_so() -> None:
    assert changed(protocol_named("own", OWN)).name == "own"
    assert changed(protocol_named("own", OWN), crops=9).name == "custom"
    assert changed(protocol_named("alexnet", OWN), average="logits").name == "alexnet, changed"


def test_a_protocol_says_all_of_itself() -> None:
    said = str(protocol_named("googlenet-144", OWN))
    for part in ("256, 288, 320, 352", "both ends and the middle", "mirrored", "144 views", "probabilities"):
        assert part in said


def test_the_json_of_a_protocol_has_its_views() -> None:
    assert protocol_named("alexnet", OWN).to_json()["views"] == 10
    assert Protocol.own(OWN).single
