import numpy as np
import pytest

import convsmith
from convsmith.errors import ModelFileError, UnknownNameError, UsageError
from convsmith.weights import from_library


def checkpoint(net):
    module = convsmith.build(net)
    return {
        key.replace("downsample.conv1", "downsample.0").replace("downsample.bn1", "downsample.1"): value.numpy()
        for key, value in module.state_dict().items()
    }


def test_missing_left_over_and_misshapen_keys_are_all_listed():
    net = convsmith.create("torchvision/resnet18")
    state = checkpoint(net)
    del state["conv1.weight"]
    state["fc.bias"] = np.zeros(999)
    state["extra.weight"] = np.zeros(3)
    with pytest.raises(ModelFileError) as caught:
        from_library(net, state, "torchvision")
    message = str(caught.value)
    assert "missing conv1.weight" in message
    assert "fc.bias has shape (999,), fc needs (1000,)" in message
    assert "left over extra.weight" in message


def test_weights_go_through_unchanged_and_in_their_own_type():
    net = convsmith.create("torchvision/resnet18")
    state = {key: value.astype(np.float64) for key, value in checkpoint(net).items()}
    weights = from_library(net, state, "torchvision")
    assert set(weights) == set(net.parameters)
    assert weights["layer2.0.downsample.conv1.weight"].numpy().dtype == np.float64
    assert np.array_equal(weights["fc.weight"], state["fc.weight"])


def test_an_unknown_library_gives_the_nearest():
    with pytest.raises(UnknownNameError, match="nearest: torchvision"):
        from_library(convsmith.create("resnet18"), {}, "torchvison")


def test_a_family_that_the_library_lacks_is_refused():
    with pytest.raises(UsageError, match="keras has no network of the family of lenet5"):
        from_library(convsmith.create("lenet5"), {}, "keras")
