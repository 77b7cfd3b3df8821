from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from runtime import arrays, assert_same, randomised, single

import convsmith
from convsmith.backend.onnx import emit, to_onnx
from convsmith.backend.preprocess import PreprocessModule
from convsmith.errors import ExportError
from convsmith.network import Auxiliary, Network, Preprocess, builder as b
from convsmith.network.ops import Op, Pad


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
    return b.again(first, first, name="second")


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
