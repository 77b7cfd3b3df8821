import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import convsmith
from convsmith import create
from convsmith.errors import ShapeError, UnknownNameError, UsageError
from convsmith.network import Origin
from convsmith.transform.width import scale_width
from convsmith.zoo import origin_of
from convsmith.zoo.residual.resnet import bottleneck


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown model 'resnet51'; nearest: .*resnet50"):
        create("resnet51")


def test_an_unknown_hyperparameter_gives_the_nearest():
    with pytest.raises(UnknownNameError, match=r"hyperparameter of mobilenet_v1 'widht'; nearest: width"):
        create("mobilenet_v1", widht=0.5)


def test_too_small_an_input_says_the_smallest_that_is_not():
    with pytest.raises(ShapeError, match=r"vgg16 cannot take an input of 1x28x28: .*smallest square input is 32x32"):
        create("vgg16", input=(1, 28, 28))
    create("vgg16", input=(1, 32, 32))


@pytest.mark.parametrize("side", [1, 2, 5, 28, 33, 64, 225])
@pytest.mark.parametrize("name", ["resnet50", "resnet20", "mobilenet_v1", "mobilenet_v2", "keras/MobileNet"])
def test_networks_with_global_pooling_take_any_size(name, side):
    assert create(name, input=(3, side, side)).classes in (10, 1000)


@pytest.mark.parametrize(
    "name",
    ["mobilenet_v1:", "mobilenet_v1:wide", "mobilenet_v1:-1", "mobilenet_v1:0", "mobilenet_v1:1-", "mobilenet_v1:1-x"],
)
def test_a_width_that_is_no_number_is_refused(name):
    if name.endswith(":"):
        assert create(name).name == name
    else:
        with pytest.raises(UsageError, match="width multiplier"):
            create(name)


def test_a_side_may_follow_the_width():
    net = create("mobilenet_v1:0.5-160")
    assert net.input == (3, 160, 160)
    assert net.nodes == create("mobilenet_v1", width=0.5).nodes
    assert create("mobilenet_v1:0.5-160", input=(1, 64, 64)).input == (1, 64, 64)


def test_a_width_is_refused_by_a_family_that_has_none():
    with pytest.raises(UnknownNameError, match="width"):
        create("vgg16:0.5")


@pytest.mark.parametrize("shape", [(3, 224), (3, 0, 224), (0, 32, 32)])
def test_an_input_that_is_no_feature_map_is_refused(shape):
    with pytest.raises(UsageError, match="input must be"):
        create("resnet18", input=shape)


def test_models_can_be_filtered_like_files():
    assert convsmith.models("resnet1*") == ["resnet18", "resnet101", "resnet152"] + [
        name for name in convsmith.models() if name.startswith("resnet1") and name[6:] not in ("18", "101", "152")
    ]
    assert all(name.startswith("keras/") for name in convsmith.models("keras/*"))
    assert convsmith.models("nothing*") == []


def test_the_three_versions_of_resnet50_stride_in_different_places():
    strides = {version: create(f"resnet50{version}")["layer2.0.conv1"].op.stride for version in ("", "_v1_5", "_v2")}
    assert strides == {"": (2, 2), "_v1_5": (1, 1), "_v2": (1, 1)}


def test_creating_is_reproducible_and_networks_are_hashable():
    assert create("resnet50") == create("resnet50")
    assert hash(create("mobilenet_v2")) == hash(create("mobilenet_v2"))
    assert create("resnet50") != create("torchvision/resnet50")


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("resnet50", Origin("resnet50", "resnet", "resnet50")),
        ("torchvision/resnet50", Origin("torchvision/resnet50", "resnet", "resnet50_v1_5", "torchvision")),
        ("timm/mobilenetv1_125", Origin("timm/mobilenetv1_125", "mobilenet_v1", "mobilenet_v1", "timm")),
        (
            "keras/MobileNet:0.25-128",
            Origin("keras/MobileNet", "mobilenet_v1", "mobilenet_v1", "keras", (("width", 0.25),)),
        ),
    ],
)
def test_a_network_says_where_it_comes_from(name, origin):
    assert create(name).origin == origin
    assert create(name, classes=7).origin == origin


def test_the_origin_holds_what_is_set_otherwise_than_the_name_has_it():
    assert create("mobilenet_v1", width=0.5).origin == create("mobilenet_v1:0.5").origin
    assert create("mobilenet_v1", width=1).origin.as_named
    assert create("mobilenet_v1:1.0").origin.as_named
    assert create("efficientnet_b2", width=1.1).origin.as_named
    assert create("nasnet_mobile", aux=0, drop=0.5).origin.settings == (("aux", 0),)


def test_functions_and_tables_are_in_the_origin_by_their_names():
    settings = create("resnet18", blocks=(1, 1, 1, 1), block=bottleneck).origin.settings
    assert settings == (("blocks", "(1, 1, 1, 1)"), ("block", "bottleneck"))
    settings = create("resnet18", block=partial(bottleneck, groups=2)).origin.settings
    assert settings == (("block", "bottleneck"),)


def test_a_network_that_stands_for_many_candidates_has_no_single_origin():
    assert create("mobilenet_v1", width=np.array([0.5, 0.75])).origin is None
    assert create("mobilenet_v1", width=np.float32(0.5)).origin == create("mobilenet_v1:0.5").origin


@pytest.mark.parametrize("name", convsmith.models())
def test_a_network_written_by_an_older_version_is_known_by_being_the_same(name):
    net = create(name)
    assert net.origin is not None
    assert origin_of(replace(net, origin=None)) == net.origin


def test_no_network_is_known_by_its_name_alone():
    net = replace(create("torchvision/resnet18"), origin=None)
    assert origin_of(scale_width(net, 0.5)) is None
    assert origin_of(replace(create("resnet18"), name="mine", origin=None)) is None
    assert origin_of(replace(create("resnet18"), name="vgg16", origin=None)) is None


def test_our_own_networks_load_neither_the_libraries_records_nor_what_reads_json():
    code = "import convsmith, sys; convsmith.create('resnet50').shapes; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = run.stdout.split()
    assert "convsmith.zoo.residual.resnet" in loaded
    assert "convsmith.zoo.libraries" not in loaded
    assert "msgspec" not in loaded
