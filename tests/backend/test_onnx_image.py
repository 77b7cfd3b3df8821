"""The exported graph's preprocessing, held against the torch module's: any size of image, any description."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from convsmith.backend.onnx.graph import Graph
from convsmith.backend.onnx.grids import Grids
from convsmith.backend.onnx.image.preprocess import emit_preprocess
from convsmith.backend.preprocess import PreprocessModule
from convsmith.network import Network, Node, Preprocess
from convsmith.network.ops import Pad
from convsmith.network.preprocess import Framing

SIDE = st.integers(1, 90)
CROP = st.integers(1, 40)
ROUNDING = 0.02
"""Of 255: torch's own resize tells a place in a long image less exactly than the graph does."""


def graph_of(preprocess: Preprocess, *, batch: bool = False, size: tuple[int, int] | None = None) -> onnx.ModelProto:
    """Preprocessing alone, from `image` to `input`."""
    nothing = Network("nothing", (3, 1, 1), (Node("layer", Pad(), ("input",)),), "layer")
    graph = Graph(("image",), Grids(nothing, {}))
    made = emit_preprocess(graph, preprocess, "image", batch=batch, size=size)
    shape = [*(["N"] if batch else []), *(size or ("H", "W")), 3]
    entry = helper.make_tensor_value_info("image", TensorProto.UINT8, shape)
    leaving = helper.make_tensor_value_info(made, TensorProto.FLOAT, [None, preprocess.channels, *preprocess.crop])
    whole = helper.make_graph(graph.nodes, "preprocess", [entry], [leaving], graph.constants)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model: onnx.ModelProto, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"image": images})[0])


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


def in_torch(preprocess: Preprocess, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(PreprocessModule(preprocess)(torch.from_numpy(images)))


@st.composite
def descriptions(draw: st.DrawFn) -> Preprocess:
    channels = draw(st.sampled_from([1, 3]))
    crop = draw(CROP), draw(CROP)
    more = st.integers(0, 12)
    shorter, exact = max(crop) + draw(more), (crop[0] + draw(more), crop[1] + draw(more))
    return Preprocess(
        channels,
        crop,
        draw(st.sampled_from([shorter, exact])),
        (0.0,) * channels,
        (1 / 255,) * channels,
        draw(st.sampled_from(["nearest", "bilinear", "bicubic"])),
        draw(st.sampled_from(["RGB", "BGR"])) if channels == 3 else "RGB",
        draw(st.sampled_from([None, (0.2, 0.4, 0.9)])),
    )


@settings(max_examples=150, deadline=None)
@given(descriptions(), SIDE, SIDE)
def test_every_description_gives_what_the_torch_module_gives(preprocess: Preprocess, height: int, width: int) -> None:
    image = noise(height, width, 3)
    np.testing.assert_allclose(run(graph_of(preprocess), image), in_torch(preprocess, image), rtol=0, atol=ROUNDING)


@settings(max_examples=50, deadline=None)
@given(descriptions(), SIDE, SIDE)
def test_a_graph_for_one_size_gives_what_the_one_for_all_sizes_gives(
    preprocess: Preprocess, height: int, width: int
) -> None:
    image = noise(height, width, 3)
    fixed = graph_of(preprocess, size=(height, width))
    np.testing.assert_allclose(run(fixed, image), run(graph_of(preprocess), image), rtol=0, atol=1e-3)
    assert not {"Shape", "Range", "Div"} & {node.op_type for node in fixed.graph.node}


@settings(max_examples=30, deadline=None)
@given(descriptions(), SIDE, SIDE, st.integers(1, 3))
def test_a_batch_gives_what_its_images_give_one_by_one(
    preprocess: Preprocess, height: int, width: int, count: int
) -> None:
    images = noise(count, height, width, 3)
    alone = graph_of(preprocess)
    expected = np.concatenate([run(alone, image) for image in images])
    np.testing.assert_allclose(run(graph_of(preprocess, batch=True), images), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("framing", ["crop", "squash", "pad"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(1, 6000), (6000, 1), (1999, 1333), (7, 2048)])
def test_long_and_large_images_are_resized_alike(interpolation: str, size: tuple[int, int], framing: Framing) -> None:
    cropped = Preprocess(3, (224, 224), 256, (0.0,) * 3, (1 / 255,) * 3, interpolation)  # type: ignore[arg-type]
    preprocess = cropped.framed(framing)
    image = noise(*size, 3)
    np.testing.assert_allclose(run(graph_of(preprocess), image), in_torch(preprocess, image), rtol=0, atol=0.1)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_an_image_of_the_right_size_is_not_changed(interpolation: str) -> None:
    preprocess = Preprocess(3, (37, 53), (37, 53), (0.0,) * 3, (1 / 255,) * 3, interpolation)  # type: ignore[arg-type]
    image = noise(37, 53, 3)
    np.testing.assert_array_equal(run(graph_of(preprocess), image)[0], image.transpose(2, 0, 1))


@settings(max_examples=30, deadline=None)
@given(descriptions())
def test_only_elementary_ops_are_used(preprocess: Preprocess) -> None:
    """Engines differ on Resize, and Where, If or Loop are missing from some."""
    elementary = {
        "Abs", "Add", "Cast", "Clip", "Div", "Floor", "Gather", "MatMul", "Max", "Min", "Mul", "Range", "ReduceSum",
        "Reshape", "Round", "Shape", "Slice", "Squeeze", "Sub", "Transpose", "Unsqueeze",
    }  # fmt: skip
    assert Counter(node.op_type for node in graph_of(preprocess).graph.node).keys() <= elementary
