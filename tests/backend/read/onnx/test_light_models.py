"""The classifiers that the onnx package brings along: nodes fill in their weights, their structure is whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, shape_inference
from onnx_graphs import answers, assert_same, module_answers, numbers

import convsmith
from convsmith.backend.read.onnx import read_onnx
from convsmith.cost import Cost

FOLDER = Path(onnx.__file__).parent / "backend/test/data/light"
MODELS = sorted(path.stem for path in FOLDER.glob("light_*.onnx"))
SMALL = [name for name in MODELS if not name.endswith(("alexnet", "vgg19", "zfnet512"))]


def filled(path: Path) -> onnx.ModelProto:
    """The model with random weights where nodes would fill in one number, and its logits beside its probabilities."""
    model = onnx.load(path)
    sizes = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    generator = np.random.default_rng(0)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        if node.op_type != "ConstantOfShape":
            model.graph.node.append(node)
            continue
        shape = tuple(int(size) for size in sizes[node.input[0]])
        spread = 2 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.5
        array = generator.standard_normal(shape).astype(np.float32) * np.float32(spread)
        if len(shape) == 1 and "riv" in node.output[0] + "riv" * ("var" in node.output[0]):
            array = np.abs(array) + 0.5
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
    return model


@pytest.fixture(scope="module", params=SMALL)
def random(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("light") / f"{request.param}.onnx"
    path.write_bytes(filled(FOLDER / f"{request.param}.onnx").SerializeToString())
    return path


def test_answers_are_those_of_onnx_runtime(random: Path) -> None:
    read = read_onnx(random)
    images = numbers(1, *read.network.input, seed=3)
    logits = module_answers(read, images)
    expected = answers(random, images)[0].reshape(1, -1)
    if "softmax" in "".join(read.notes):
        logits = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert np.ptp(expected) > 1e-3  # random weights tell the classes apart
    np.testing.assert_allclose(logits, expected, rtol=2e-4, atol=1e-4 * float(np.abs(expected).max()))


def counted(path: Path) -> tuple[int, int]:
    """Numbers in weights, and multiply-adds, counted on the graph itself by ONNX's shape inference."""
    model = shape_inference.infer_shapes(onnx.load(path), data_prop=True)
    fills = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = {n.output[0]: fills[n.input[0]] for n in model.graph.node if n.op_type == "ConstantOfShape"}
    taken = {name for n in model.graph.node if n.op_type not in ("ConstantOfShape", "Reshape") for name in n.input}
    weights |= {name: array.shape for name, array in fills.items() if name in taken}
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.value_info, *model.graph.output)
    }
    macs = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            macs += int(np.prod(shapes[node.output[0]])) * int(np.prod(weights[node.input[1]][1:]))
        elif node.op_type == "Gemm":
            macs += int(np.prod(shapes[node.output[0]])) * shapes[node.input[0]][1]
    return sum(int(np.prod(shape)) for shape in weights.values()), macs


def cost(name: str) -> Cost:
    return convsmith.cost_of(read_onnx(FOLDER / f"{name}.onnx").network)


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_multiply_adds_are_those_of_the_graph(name: str) -> None:
    figures = cost(name)
    assert (figures.params + figures.buffers, figures.macs) == counted(FOLDER / f"{name}.onnx")


@pytest.mark.parametrize(
    ("name", "ours", "exact"),
    [
        ("light_vgg19", "vgg19", True),
        ("light_resnet50", "resnet50", False),
        ("light_inception_v1", "googlenet", False),
        ("light_bvlc_alexnet", "alexnet", False),
        ("light_densenet121", "densenet121", False),
    ],
)
def test_networks_that_the_zoo_has_cost_as_much(name: str, ours: str, exact: bool) -> None:
    theirs, mine = cost(name), convsmith.cost_of(convsmith.create(ours).inference)
    if exact:
        assert (theirs.params, theirs.buffers, theirs.macs) == (mine.params, mine.buffers, mine.macs)
    # Caffe's DenseNet has an affine after every norm; Caffe2's ResNet and Inception round sizes in other places.
    extra = mine.buffers if ours == "densenet121" else 0
    assert theirs.params == mine.params + extra
    assert theirs.macs == pytest.approx(mine.macs, rel=0.12)


def test_layers_are_named_after_weights() -> None:
    names = [node.name for node in read_onnx(FOLDER / "light_squeezenet.onnx").network]
    assert names[:3] == ["conv1", "relu", "pool"]
    assert "fire2.squeeze1x1" in names


def test_shuffles_of_channels_are_recognised() -> None:
    kinds = [node.op.kind for node in read_onnx(FOLDER / "light_shufflenet.onnx").network]
    assert kinds.count("channel_shuffle") == 16
    assert "permute" not in kinds


def test_a_softmax_at_the_end_is_noted() -> None:
    assert "softmax" in read_onnx(FOLDER / "light_squeezenet.onnx").notes[0]


def test_a_file_of_one_image_is_read_for_any_batch() -> None:
    read = read_onnx(FOLDER / "light_shufflenet.onnx")
    assert module_answers(read, numbers(3, 3, 224, 224)).shape == (3, 1000)
    assert_same(FOLDER / "light_densenet121.onnx", read_onnx(FOLDER / "light_densenet121.onnx"), batch=1)
