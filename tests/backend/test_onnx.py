from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import convsmith
from convsmith.backend.onnx import emit, to_onnx
from convsmith.backend.onnx.pool import averaging
from convsmith.backend.preprocess import PreprocessModule
from convsmith.errors import ExportError
from convsmith.network import INPUT, Auxiliary, Network, Node, Preprocess
from convsmith.network import builder as b
from convsmith.network.ops import OPS, AvgPool, MaxPool, Op, Pad
from convsmith.network.ops.pointwise import Function

FUNCTIONS: tuple[Function, ...] = (
    "relu", "relu6", "sigmoid", "tanh", "scaled_tanh", "silu", "hard_sigmoid", "hard_swish", "gelu",
)  # fmt: skip


def run(model: onnx.ModelProto, feed: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logits that ONNX Runtime computes, after the checker has found nothing wrong."""
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    logits, _ = session.run(["logits", "probabilities"], {"input": feed})
    return np.asarray(logits)


def randomised(net: Network, seed: int = 0) -> torch.nn.Module:
    """The built network in evaluation mode, with every parameter and running statistic away from 0 and 1."""
    module = convsmith.build(net, seed).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if name.endswith(("running_var", "variance")):
            tensor.uniform_(0.5, 2, generator=generator)
        elif name.endswith(("bias", "mean", "gain")) or (name.endswith("weight") and tensor.ndim == 1):
            tensor.uniform_(-0.5, 1.5, generator=generator)
    return module


def arrays(module: torch.nn.Module) -> dict[str, NDArray[np.float32]]:
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def assert_same(net: Network, batch: int = 2) -> None:
    module = randomised(net)
    images = torch.randn(batch, *net.input, generator=torch.Generator().manual_seed(1)) * 2
    with torch.inference_mode():
        expected = module(images).numpy()
    logits = run(to_onnx(net, arrays(module)), images.numpy())
    assert logits.shape == expected.shape
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(expected).max())))


def single(op: Op, shape: tuple[int, int, int]) -> Network:
    return Network("single", shape, (Node("layer", op, (INPUT,)),), "layer")


def test_every_op_has_a_rule() -> None:
    assert [kind for kind, op in OPS.items() if emit.dispatch(op) is emit.dispatch(object)] == []


ONE_LAYER: dict[str, Callable[[b.Tensor], b.Tensor]] = {
    "conv": lambda x: b.conv(x, 6, 3),
    "conv with uneven padding": lambda x: b.conv(x, 6, (3, 5), 2, padding=(0, 1, 2, 1), bias=False),
    "conv with same padding": lambda x: b.conv(x, 6, 3, 2, padding="same"),
    "dilated conv": lambda x: b.conv(x, 6, 3, padding=(2, 2, 2, 2), dilation=2),
    "grouped conv": lambda x: b.conv(x, 8, 3, groups=2),
    "depthwise conv": lambda x: b.conv(x, 4, 3, 2, groups=4),
    "standardized conv": lambda x: b.standardized_conv(x, 6, 3, 2, groups=2),
    "conv_transpose": lambda x: b.conv_transpose(x, 5, 3, 2),
    "table_conv": lambda x: b.table_conv(x, ((0, 1), (3,), (0, 2, 3)), 3),
    "linear": lambda x: b.linear(x, 7),
    "linear without bias": lambda x: b.linear(x, 7, bias=False),
    "radial_basis": lambda x: b.radial_basis(b.linear(x, 5), 6),
    "batch_norm": lambda x: b.batch_norm(x),
    "batch_norm without scale": lambda x: b.batch_norm(x, scale=False),
    "fixed_norm": lambda x: b.fixed_norm(x),
    "local_response_norm": lambda x: b.local_response_norm(x, 3, 0.5, 0.75, 2.0),
    "local_response_norm of even size": lambda x: b.local_response_norm(x, 2, 0.5, 0.75, 1.0),
    "affine": lambda x: b.affine(x),
    "scale": lambda x: b.scale(x, 0.17),
    "skip_init": lambda x: b.skip_init(x),
    "dropout": lambda x: b.relu(b.dropout(x)),
    "stochastic_depth": lambda x: b.relu(b.stochastic_depth(x, 0.5)),
    "max_pool": lambda x: b.max_pool(x, 3, 2),
    "max_pool with same padding": lambda x: b.max_pool(x, 3, 2, padding="same"),
    "avg_pool": lambda x: b.avg_pool(x, 2),
    "avg_pool with same padding": lambda x: b.avg_pool(x, 3, 2, padding="same"),
    "adaptive_avg_pool to a grid": lambda x: b.adaptive_avg_pool(x, 4),
    "adaptive_avg_pool to a larger grid": lambda x: b.adaptive_avg_pool(x, 13),
    "adaptive_avg_pool of the same size": lambda x: b.adaptive_avg_pool(b.conv(x, 3, 3, padding=(0, 0, 0, 1)), 7),
    "global_avg_pool": lambda x: b.global_avg_pool(x),
    "add": lambda x: b.add(x, b.relu(x)),
    "add of three": lambda x: b.add(x, b.relu(x), b.scale(x, 3.0)),
    "multiply": lambda x: b.multiply(x, b.relu(x)),
    "multiply by channel": lambda x: b.multiply(x, b.global_avg_pool(x)),
    "concat": lambda x: b.concat(x, b.relu(x)),
    "slice": lambda x: b.channel_slice(x, 1, 3),
    "channel_shuffle": lambda x: b.channel_shuffle(x, 2),
    "pad": lambda x: b.pad(x, (1, 0, 2, 3), channels=(1, 2)),
    "pad that cuts": lambda x: b.pad(x, (-1, 2, -2, -1), channels=(-1, 1)),
    "quantize": lambda x: b.quantize(x, 0.031, 117),
    "quantize to 4 bits": lambda x: b.quantize(x, 0.31, 3, bits=4),
    "upsample": lambda x: b.upsample(x, 3),
    **{f"activation {name}": lambda x, name=name: b.activation(x, name) for name in FUNCTIONS},
}


@pytest.mark.parametrize("layer", ONE_LAYER)
def test_a_layer_gives_the_same_in_onnx_runtime_and_torch(layer: str) -> None:
    assert_same(b.write("single", (4, 9, 8), ONE_LAYER[layer]))


def test_the_cases_cover_every_op() -> None:
    nets = [b.write("single", (4, 9, 8), layer) for layer in ONE_LAYER.values()]
    assert {node.op.kind for net in nets for node in net} == set(OPS)


@st.composite
def pools(draw: st.DrawFn) -> tuple[MaxPool | AvgPool, tuple[int, int, int]]:
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    top, left = (draw(st.integers(0, k // 2)) for k in kernel)
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    size = draw(st.tuples(st.integers(4, 11), st.integers(4, 11)))
    geometry = (kernel, stride, (top, top, left, left), draw(st.booleans()))
    kind = draw(st.sampled_from(["max", "avg", "avg with padding"]))
    return MaxPool(*geometry) if kind == "max" else AvgPool(*geometry, kind != "avg"), (2, *size)


@settings(max_examples=60, deadline=None)
@given(pools())
def test_pooling_of_any_geometry_is_as_in_torch_rounding_up_included(
    case: tuple[MaxPool | AvgPool, tuple[int, int, int]],
) -> None:
    assert_same(single(*case))


def test_uneven_padding_counts_in_a_mean_only_when_it_should() -> None:
    image = np.ones((1, 1, 3, 3), np.float32)
    for counted, corner in ((False, 1.0), (True, 0.25)):
        net = single(AvgPool((2, 2), (2, 2), (1, 0, 1, 0), count_padding=counted), (1, 3, 3))
        assert run(to_onnx(net, {}), image)[0, 0, 0, 0] == corner


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("pool", [MaxPool, partial(AvgPool, count_padding=True), partial(AvgPool, count_padding=False)])
def test_uneven_padding_is_the_same_in_onnx_runtime_and_torch(pool: Callable[..., MaxPool], ceil: bool) -> None:
    for padding in ((1, 0, 1, 0), (0, 1, 1, 0), "same"):
        assert_same(single(pool((3, 3), (2, 2), padding, ceil=ceil), (2, 8, 7)))


@given(st.integers(1, 12), st.integers(1, 12))
def test_averaging_matrix_is_adaptive_pooling(size: int, cells: int) -> None:
    row = torch.arange(size, dtype=torch.float32) ** 2
    expected = torch.nn.functional.adaptive_avg_pool1d(row[None], cells)[0].numpy()
    np.testing.assert_allclose(averaging(size, cells) @ row.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("lenet5", (1, 28, 28)),
        ("lenet5_1998", (1, 32, 32)),
        ("resnet20", (3, 32, 32)),
        ("mobilenet_v2", (3, 64, 64)),
        ("mnasnet_a1", (3, 64, 64)),
        ("resnext50_32x4d", (3, 64, 64)),
        ("se_resnet50", (3, 64, 64)),
        ("wrn_16_4", (3, 32, 32)),
        ("keras/EfficientNetB0", (3, 64, 64)),
        ("timm/nfnet_l0", (3, 64, 63)),
        ("timm/tf_efficientnet_lite0", (3, 64, 63)),
        ("nasnet_mobile", (3, 48, 48)),
        ("keras/NASNetMobile", (3, 48, 48)),
    ],
)
def test_networks_give_the_same_in_onnx_runtime_and_torch(name: str, shape: tuple[int, int, int]) -> None:
    assert_same(convsmith.create(name, classes=10, input=shape), batch=2)


def test_nodes_are_named_after_the_layers() -> None:
    net = convsmith.create("resnet20", classes=10, input=(3, 32, 32)).inference
    model = to_onnx(net, arrays(convsmith.build(net)))
    assert {node.name for node in model.graph.node} >= {node.name for node in net}


def shared(x: b.Tensor) -> b.Tensor:
    first = b.conv(x, 3, 3, name="first")
    return b.conv(first, 3, 3, name="second", shares=first)


def test_shared_parameters_are_stored_once() -> None:
    net = b.write("shared", (3, 6, 6), shared)
    assert_same(net)
    model = to_onnx(net, arrays(convsmith.build(net)))
    assert [constant.name for constant in model.graph.initializer] == ["first.weight", "first.bias"]


def test_auxiliary_heads_are_not_exported() -> None:
    def family(x: b.Tensor) -> b.Tensor:
        b.auxiliary(b.linear(x, 2, name="head"), 0.3)
        return b.linear(b.dropout(x), 2, name="fc")

    net = b.write("heads", (1, 2, 2), family)
    assert net.auxiliary == (Auxiliary("head", 0.3),)
    assert_same(net)
    model = to_onnx(net, arrays(convsmith.build(net)))
    assert not [node.name for node in model.graph.node if "head" in node.name or "dropout" in node.name]


def test_layers_may_have_names_that_the_graph_uses() -> None:
    def family(x: b.Tensor) -> b.Tensor:
        x = b.relu(b.linear(x, 3, name="logits"), name="image")
        x = b.activation(x, "silu", name="act")
        x = b.relu(b.linear(x, 3, name="act/Sigmoid"), name="probabilities_2")
        return b.linear(x, 4, name="probabilities")

    assert_same(b.write("names", (1, 2, 2), family))


def test_probabilities_are_the_softmax_of_logits() -> None:
    net = b.write("soft", (1, 2, 2), lambda x: b.linear(x, 3))
    session = onnxruntime.InferenceSession(to_onnx(net, arrays(randomised(net))).SerializeToString())
    logits, probabilities = session.run(["logits", "probabilities"], {"input": np.ones((2, 1, 2, 2), np.float32)})
    np.testing.assert_allclose(probabilities, torch.softmax(torch.from_numpy(logits), 1).numpy(), rtol=1e-6)


def test_a_missing_weight_is_an_export_error_that_names_it() -> None:
    net = b.write("bare", (1, 2, 2), lambda x: b.linear(x, 3, name="fc"))
    with pytest.raises(ExportError, match=r"fc\.weight"):
        to_onnx(net, {})


def test_an_op_without_a_rule_is_an_export_error_that_names_the_layer() -> None:
    with pytest.raises(ExportError, match="layer: op Op"):
        emit.dispatch(Op)(Op(), type("Named", (), {"name": "layer"})())


def test_metadata_holds_classes_network_preprocessing_and_more() -> None:
    net = b.write("told", (3, 2, 2), lambda x: b.linear(x, 2))
    preprocess = Preprocess(3, (2, 2), 2, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    model = to_onnx(net, arrays(convsmith.build(net)), preprocess, classes=["Zwölf", "cat"], metadata={"seed": "3"})
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(properties["classes"]) == ["Zwölf", "cat"]
    assert Network.from_json(properties["network"]) == net
    assert Preprocess.from_json(json.loads(properties["preprocess"])) == preprocess
    assert properties["seed"] == "3"
    assert properties["convsmith_version"] == convsmith.__version__


DESCRIPTIONS = {
    "shorter side, bilinear": Preprocess(3, (20, 24), 26, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "shorter side, bicubic": Preprocess(3, (20, 20), 20, (0.5,) * 3, (0.5,) * 3, "bicubic"),
    "exact size, bilinear": Preprocess(3, (17, 21), (17, 21), (0.0,) * 3, (1.0,) * 3),
    "exact size, cropped": Preprocess(3, (16, 15), (19, 24), (0.0,) * 3, (1.0,) * 3),
    "nearest": Preprocess(3, (20, 20), 23, (0.0,) * 3, (1.0,) * 3, "nearest"),
    "blue first": Preprocess(3, (20, 20), 24, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), order="BGR"),
    "grey": Preprocess(1, (28, 28), 28, (0.1307,), (0.3081,)),
}


def preprocessed(preprocess: Preprocess, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the graph makes of an image: the logits of a network that does nothing."""
    shape = (preprocess.channels, *preprocess.crop)
    model = to_onnx(single(Pad(), shape), {}, preprocess)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], {"image": image})[0])


@pytest.mark.parametrize("description", DESCRIPTIONS)
@pytest.mark.parametrize("size", [(28, 28), (61, 97), (130, 43), (7, 9), (26, 26), (200, 201)])
def test_preprocessing_in_the_graph_is_that_of_training(description: str, size: tuple[int, int]) -> None:
    preprocess = DESCRIPTIONS[description]
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = PreprocessModule(preprocess)(torch.from_numpy(image)).numpy()
    actual = preprocessed(preprocess, image)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=0.005 / 255 / min(preprocess.std))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 24), st.integers(0, 9))
def test_resized_and_cropped_sizes_are_those_of_the_description(height: int, width: int, crop: int, more: int) -> None:
    preprocess = Preprocess(1, (crop, crop), crop + more, (0.0,), (1.0,), "nearest")
    # A picture whose value is its position along the longer side tells which part was cut out.
    ramp = np.linspace(0, 255, max(height, width)).astype(np.uint8)
    plane = np.broadcast_to(ramp if width >= height else ramp[:, None], (height, width))
    image = np.ascontiguousarray(np.repeat(plane[..., None], 3, axis=2))
    expected = PreprocessModule(preprocess)(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(preprocessed(preprocess, image), expected, atol=1e-5)


def test_a_network_of_four_channels_cannot_take_images() -> None:
    with pytest.raises(ExportError, match="4"):
        to_onnx(single(Pad(), (4, 2, 2)), {}, Preprocess(4, (2, 2), 2, (0.0,) * 4, (1.0,) * 4))
