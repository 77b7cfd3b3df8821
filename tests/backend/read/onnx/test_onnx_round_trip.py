"""What convsmith writes as ONNX, it reads back: the same layers, cost and answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_graphs import assert_same, module_answers, numbers
from test_onnx_ops import MORE_LAYERS, ONE_LAYER

import convsmith
from convsmith.backend.onnx import to_onnx
from convsmith.backend.read.onnx import read_onnx
from convsmith.backend.read.onnx.told import told_by
from convsmith.errors import ShapeError
from convsmith.model import Model, round_to_int8
from convsmith.network import Network, Preprocess, builder as b
from convsmith.network.ops import StandardizedConv, TableConv
from convsmith.transform.width import scale_width

FIGURES = ("params", "buffers", "macs", "flops", "activations")
FAMILIES = (
    "alexnet", "densenet40_k12", "densenet121", "efficientnet_b0", "efficientnet_lite0", "googlenet", "googlenet_bn",
    "inception_v2", "inception_v3", "lenet5", "lenet5_1998", "lenet5_caffe", "lenet_300_100", "mnasnet_a1",
    "mobilenet_v1", "mobilenet_v2", "nasnet_mobile", "nfnet_l0", "plain18", "resnet18", "resnet20", "resnet50",
    "resnet50_v2", "resnext29_8x64d", "se_resnet18", "se_wrn_16_8", "shufflenet_v2_x0_5", "squeezenet1_1", "unet",
    "unet_padded", "vgg11", "vgg11_bn", "vgg11_lrn", "wrn_16_4", "xception", "keras/EfficientNetB0",
    "keras/InceptionV3", "keras/MobileNetV2", "keras/ResNet50", "keras/ResNet50V2", "timm/nfnet_f0",
    "timm/tf_efficientnet_b0", "torchvision/googlenet", "torchvision/inception_v3",
)  # fmt: skip
SIDES = (28, 32, 48, 64, 96, 128, 160, 224, 299, 331, 572)


def smallest(name: str) -> Network:
    """The network for the smallest picture that it takes, at an eighth of its width where its channels allow it."""
    for side in SIDES:
        for channels in (3, 1):
            try:
                net = convsmith.create(name, classes=10, input=(channels, side, side))
            except (ShapeError, convsmith.ConvsmithError):
                continue
            try:
                return scale_width(net, 1 / 8)
            except ShapeError:
                return net
    raise AssertionError(f"{name} takes no picture of {SIDES}")


def weights(net: Network) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    """Initial weights, with norms and biases away from 0 and 1."""
    state = convsmith.build(net).state_dict()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in state.items():
        if name.endswith(("running_var", "variance")):
            tensor.uniform_(0.5, 2, generator=generator)
        elif name.endswith(("bias", "mean", "gain")) or (name.endswith("weight") and tensor.ndim == 1):
            tensor.uniform_(-0.5, 1.5, generator=generator)
    return {name: tensor.numpy() for name, tensor in state.items()}


def saved(folder: Path, net: Network, *, tells: bool = True, preprocess: Preprocess | None = None) -> Path:
    """The network's ONNX file; one that does not tell what it was written from is as any other exporter's."""
    model = to_onnx(net, weights(net), preprocess, classes=("a", "b"), metadata={"seed": "3"})
    if not tells:
        del model.metadata_props[:]
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def differing(one: Network, other: Network) -> dict[str, tuple[int, int]]:
    costs = convsmith.cost_of(one), convsmith.cost_of(other)
    both = {figure: (getattr(costs[0], figure), getattr(costs[1], figure)) for figure in FIGURES}
    return {figure: pair for figure, pair in both.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_comes_back_with_its_layers_and_cost(name: str, tmp_path: Path) -> None:
    net = smallest(name)
    path = saved(tmp_path, net)
    read = read_onnx(path)
    assert differing(net.inference, read.network) == {}
    assert set(read.network.parameters) == set(net.inference.parameters)
    assert_same(path, read)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_file_that_tells_nothing_has_the_same_cost_but_for_what_onnx_cannot_say(name: str, tmp_path: Path) -> None:
    net = smallest(name)
    read = read_onnx(saved(tmp_path, net, tells=False))
    differs = differing(net.inference, read.network)
    if not any(isinstance(node.op, StandardizedConv | TableConv) for node in net):
        # A norm without a weight is written with ones.
        ones = sum(net.shapes[node.name][0] for node in net.inference if not getattr(node.op, "scale", True))
        assert differs == (
            {"params": (figure := convsmith.cost_of(net.inference).params, figure + ones)} if ones else {}
        )
    else:
        assert differs.keys() <= {"params", "macs", "flops"}


EVERY_LAYER = ONE_LAYER | MORE_LAYERS
UNSAID = ("adaptive_max_pool of the same size",)
"""Of these nothing is left in the graph."""


@pytest.mark.parametrize("layer", EVERY_LAYER)
def test_a_layer_comes_back_as_itself(layer: str, tmp_path: Path) -> None:
    net = b.write("single", (4, 9, 8), EVERY_LAYER[layer])
    read = read_onnx(saved(tmp_path, net))
    assert read.network == net.inference
    assert differing(net.inference, read.network) == {}


@pytest.mark.parametrize("layer", [name for name in EVERY_LAYER if name not in UNSAID])
def test_a_layer_is_read_from_its_graph_alone(layer: str, tmp_path: Path) -> None:
    """Reading compares the answers itself: it refuses what it does not read right."""
    path = saved(tmp_path, b.write("single", (4, 9, 8), EVERY_LAYER[layer]), tells=False)
    assert_same(path, read_onnx(path))


@pytest.mark.slow
def test_the_whole_zoo_comes_back(tmp_path: Path) -> None:
    known = set()
    for name in convsmith.models():
        net = smallest(name)
        if net.nodes in known:
            continue
        known.add(net.nodes)
        read = read_onnx(saved(tmp_path, net))
        assert differing(net.inference, read.network) == {}, name
        assert set(read.network.parameters) == set(net.inference.parameters), name


def test_what_is_read_of_a_told_file_is_the_network_itself(tmp_path: Path) -> None:
    net = b.write("plain", (3, 8, 8), lambda x: b.linear(b.global_avg_pool(b.conv_norm_act(x, 4, 3, 2)), 5))
    assert read_onnx(saved(tmp_path, net)).network.nodes == net.inference.nodes


def test_weights_come_back_bit_for_bit(tmp_path: Path) -> None:
    net = smallest("resnet20")
    read, written = read_onnx(saved(tmp_path, net)), weights(net)
    for name, tensor in read.weights.items():
        np.testing.assert_array_equal(tensor.numpy(), written[name])


@pytest.mark.parametrize("channels", [1, 3])
def test_preprocessing_is_left_out(channels: int, tmp_path: Path) -> None:
    net = convsmith.create("resnet20", classes=2, input=(channels, 32, 32))
    preprocess = Preprocess(channels, (32, 32), 40, (0.5,) * channels, (0.2,) * channels, "bicubic", "BGR")
    path = saved(tmp_path, net, preprocess=preprocess)
    read = read_onnx(path)
    assert read.network.input == (channels, 32, 32)
    assert differing(net.inference, read.network) == {}
    bare = saved(tmp_path, net)
    np.testing.assert_array_equal(
        module_answers(read, numbers(2, channels, 32, 32)),
        module_answers(read_onnx(bare), numbers(2, channels, 32, 32)),
    )


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(("name", "sides"), [("lenet5", (1, 28, 28)), ("resnet20", (3, 32, 32))])
def test_a_model_in_8_bit_integers_comes_back(
    name: str, sides: tuple[int, int, int], tells: bool, tmp_path: Path
) -> None:
    net = convsmith.create(name, classes=10, input=sides)
    tensors = {key: torch.from_numpy(array) for key, array in weights(net).items()}
    preprocess = Preprocess(sides[0], sides[1:], sides[1], (0.5,) * sides[0], (0.5,) * sides[0])
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(8, *sides, generator=generator) for _ in range(2)]
    rounded = round_to_int8(Model(net, tensors, tuple("abcdefghij"), preprocess), batches)
    grids = {key: {part: tensor.numpy() for part, tensor in grid.items()} for key, grid in rounded.grids.items()}
    model = to_onnx(rounded.network, {key: tensor.numpy() for key, tensor in rounded.weights.items()}, grids=grids)
    if not tells:
        del model.metadata_props[:]
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    read = read_onnx(path)
    differs = differing(rounded.network.inference, read.network)
    assert differs.keys() <= (set() if tells else {"flops"})  # rectifiers that rounding makes needless are not written
    for key, tensor in rounded.weights.items():
        np.testing.assert_allclose(read.weights[key].numpy(), tensor.numpy(), rtol=1e-6, atol=1e-9)


def test_classes_preprocessing_and_provenance_are_told(tmp_path: Path) -> None:
    net = convsmith.create("lenet5", classes=2, input=(1, 28, 28))
    preprocess = Preprocess(1, (28, 28), 28, (0.5,), (0.2,))
    model = to_onnx(net, weights(net), preprocess, classes=("a", "b"), metadata={"seed": "3"})
    told = told_by({entry.key: entry.value for entry in model.metadata_props})
    assert (told.network, told.classes, told.preprocess) == (net, ("a", "b"), preprocess)
    assert told.notes is not None
    assert told.notes["seed"] == "3"


def test_a_file_that_tells_nonsense_is_read_as_any_other(tmp_path: Path) -> None:
    net = smallest("resnet20")
    model = to_onnx(net, weights(net))
    for entry in model.metadata_props:
        if entry.key == "network":
            entry.value = '{"format": 1, "nodes": []}'
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert differing(net.inference, read_onnx(path).network) == {}


def test_a_file_that_tells_of_another_network_is_read_by_its_graph(tmp_path: Path) -> None:
    """The graph is what runs. What the file tells of it may add words, and never another meaning."""
    net, other = (convsmith.create("resnet20", classes=c, input=(3, 32, 32)) for c in (5, 9))
    model = to_onnx(net, weights(net))
    told = to_onnx(other, weights(other))
    del model.metadata_props[:]
    model.metadata_props.extend(told.metadata_props)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert read_onnx(path).network.classes == 5


def shared(x: b.Tensor) -> b.Tensor:
    first = b.conv(x, 3, 3, name="first")
    return b.linear(b.again(first, first, name="second"), 2)


def test_shared_parameters_stay_shared(tmp_path: Path) -> None:
    net = b.write("shared", (3, 6, 6), shared)
    assert read_onnx(saved(tmp_path, net)).network["second"].shares == "first"
