import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import convsmith
from convsmith.errors import ModelFileError, UnknownNameError, UsageError
from convsmith.weights import from_library, match, to_library
from convsmith.weights.translate.keras_numbers import renumbered

REFERENCES = sorted((Path(__file__).parents[2] / "reference").glob("*__*.json"))


def counted(shapes):
    """Tensors of these shapes whose neighbouring values all differ."""
    numbers = torch.arange(2039).half()
    sizes = {key: int(np.prod(shape)) for key, shape in shapes}
    return {key: numbers.repeat(sizes[key] // 2039 + 1)[: sizes[key]].reshape(shape) for key, shape in shapes}


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
    with pytest.raises(UsageError, match="keras has no known counterpart of lenet5"):
        from_library(convsmith.create("lenet5"), {}, "keras")


@pytest.mark.parametrize("path", REFERENCES, ids=lambda p: p.stem)
def test_writing_a_checkpoint_is_the_inverse_of_reading_it(path):
    reference = json.loads(path.read_text())
    net = convsmith.create(f"{reference['source']}/{reference['name'].removesuffix(':1.0')}")
    state = counted(reference["state"])
    written = to_library(net, from_library(net, state, reference["source"]), reference["source"])
    state = {"/".join(key.split("/")[-2:]): tensor for key, tensor in state.items()}  # files have no name scopes
    if reference["source"] == "keras":  # whose reference was made in a session that had counted other layers before
        written = dict(zip(renamed(written, state), written.values(), strict=True))
    assert written.keys() == state.keys()
    counters = {key for key in state if key.endswith(("num_batches_tracked", "normalization/count"))}
    assert all(torch.equal(written[key], state[key]) for key in state.keys() - counters)
    assert all(written[key].dtype == torch.int64 and written[key] == 0 for key in counters)


def renamed(written, state):
    """The keys of `written` with the numbers of `state` in place of a fresh session's."""
    names = {name: name for name in (key.partition("/")[0] for key in written)}
    theirs = renumbered(names, state)
    return [f"{theirs[layer]}/{parameter}" for layer, _, parameter in (key.partition("/") for key in written)]


@pytest.mark.parametrize("name", ["timm/vgg11", "timm/resnetv2_50", "keras/MobileNet:0.25"])
def test_dense_layers_go_out_as_the_convolutions_that_the_library_has(name):
    net = convsmith.create(name, classes=7)
    weights = convsmith.build(net).state_dict()
    source = name.partition("/")[0]
    written = to_library(net, weights, source)
    shapes = {
        "timm/vgg11": {"pre_logits.fc1.weight": (4096, 512, 7, 7), "pre_logits.fc2.weight": (4096, 4096, 1, 1)},
        "timm/resnetv2_50": {"head.fc.weight": (7, 2048, 1, 1)},
        "keras/MobileNet:0.25": {"conv_preds/kernel": (1, 1, 256, 7)},
    }[name]
    assert {key: tuple(written[key].shape) for key in shapes} == shapes
    back = from_library(net, written, source)
    assert all(torch.equal(back[key], weights[key]) for key in net.parameters)


def test_weights_that_lack_a_parameter_are_not_written():
    net = convsmith.create("torchvision/resnet18")
    weights = convsmith.build(net).state_dict()
    del weights["layer1.0.conv2.weight"]
    with pytest.raises(ModelFileError, match=r"the weights lack layer1\.0\.conv2\.weight"):
        to_library(net, weights, "torchvision")


def test_what_fits_is_told_apart_from_what_does_not_and_can_be_filled_up():
    net = convsmith.create("torchvision/resnet18", classes=10)
    found = match(net, checkpoint(convsmith.create("torchvision/resnet18")), "torchvision")
    assert set(net.parameters) - set(found.weights) == {"fc.weight", "fc.bias"}
    assert found.problems == (
        "fc.weight has shape (1000, 512), fc needs (10, 512)",
        "fc.bias has shape (1000,), fc needs (10,)",
    )
    fresh, filled = convsmith.build(net, 3).state_dict(), found.filled(seed=3)
    assert set(filled) == set(net.parameters)
    assert torch.equal(filled["fc.weight"], fresh["fc.weight"])
    assert torch.equal(filled["conv1.weight"], found.weights["conv1.weight"])


def test_numbers_that_are_not_floating_point_are_refused():
    net = convsmith.create("torchvision/resnet18")
    state = {**checkpoint(net), "fc.bias": np.zeros(1000, np.int64)}
    with pytest.raises(ModelFileError, match=r"fc\.bias holds torch\.int64"):
        from_library(net, state, "torchvision")


def test_old_densenet_keys_are_read():
    net = convsmith.create("torchvision/densenet121")
    state = to_library(net, convsmith.build(net).state_dict(), "torchvision")
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): value for key, value in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert set(from_library(net, old, "torchvision")) == set(net.parameters)


def test_a_shape_that_cannot_even_be_rearranged_is_listed():
    net = convsmith.create("keras/MobileNet:0.25")
    state = to_library(net, convsmith.build(net).state_dict(), "keras")
    state["conv_dw_1/kernel"] = torch.zeros(5, 5, 8, 1)
    state["conv_preds/kernel"] = torch.zeros(3)
    assert len(match(net, state, "keras").misshapen) == 2
