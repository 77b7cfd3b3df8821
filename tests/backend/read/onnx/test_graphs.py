"""What other exporters write: layouts, old opsets, computed shapes, weights in every place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import assert_same, model, numbers, save

import convsmith
from convsmith.backend.read.onnx import read_onnx
from convsmith.network.ops import BatchNorm, Conv, Dropout, Linear, Quantize

HEAD = "v = GlobalAveragePool (h) f = Flatten (v) y = Gemm <transB=1> (f, w, o) "


def kinds(path: Path) -> list[str]:
    return [node.op.kind for node in read_onnx(path).network]


def body(text: str, channels: int = 3, sides: str = "8,8") -> str:
    """A network from x to h, and a classifier after it."""
    return f"g (float[N,{channels},{sides}] x) => (float[N,4] y) {{ {text} {HEAD} }}"


CASES: dict[str, tuple[str, int, dict[str, tuple[int, ...]]]] = {
    "same upper": ('h = Conv <auto_pad="SAME_UPPER", strides=[2,2]> (x, k)', 17, {"k": (5, 3, 3, 4)}),
    "same lower": ('h = Conv <auto_pad="SAME_LOWER", strides=[2,2]> (x, k)', 17, {"k": (5, 3, 3, 4)}),
    "valid": ('h = Conv <auto_pad="VALID"> (x, k)', 17, {"k": (5, 3, 3, 3)}),
    "uneven padding": ("h = Conv <pads=[0,1,2,1]> (x, k)", 17, {"k": (5, 3, 3, 3)}),
    "convolution and sum": ("c = Conv (x, k) h = Add (c, a)", 17, {"k": (5, 3, 3, 3), "a": (1, 5, 1, 1)}),
    "convolution and sum that others take": (
        "c = Conv (x, k) d = Add (c, a) e = Relu (c) h = Mul (d, e)", 17, {"k": (5, 3, 3, 3), "a": (5, 1, 1)},
    ),
    "same max pool": ('h = MaxPool <auto_pad="SAME_UPPER", kernel_shape=[3,3], strides=[2,2]> (x)', 17, {}),
    "uneven average": (
        "h = AveragePool <kernel_shape=[3,3], strides=[2,2], pads=[0,0,1,1], count_include_pad=1> (x)", 17, {},
    ),
    "ceil max pool": ("h = MaxPool <kernel_shape=[3,3], strides=[2,2], ceil_mode=1> (x)", 17, {}),
    "ceil average": ("h = AveragePool <kernel_shape=[3,3], strides=[2,2], ceil_mode=1> (x)", 17, {}),
    "dilated max pool": ("h = MaxPool <kernel_shape=[2,2], dilations=[2,2]> (x)", 17, {}),
    "power mean": ("h = LpPool <kernel_shape=[2,2], strides=[2,2]> (x)", 17, {}),
    "old clip": ("h = Clip <min=0.0, max=6.0> (x)", 7, {}),
    "min of relu": ("r = Relu (x) s = Constant <value_float=6.0> () h = Min (r, s)", 17, {}),
    "largest of number": ("s = Constant <value_float=0.1> () h = Max (s, x)", 17, {}),
    "old dropout": ("d = Dropout <ratio=0.3> (x) h = Relu (d)", 7, {}),
    "cast": ("d = Cast <to=1> (x) h = Identity (d)", 13, {}),
    "prelu by channel": ("h = PRelu (x, a)", 17, {"a": (3, 1, 1)}),
    "sums of three": ("r = Relu (x) t = Tanh (x) h = Sum (x, r, t)", 17, {}),
    "mean over space": ("h = ReduceMean <axes=[2,3], keepdims=1> (x)", 17, {}),
    "split": ("p, q, r = Split <axis=1> (x) h = Concat <axis=1> (r, q, p)", 17, {}),
    "last of split": ("p, q, r = Split <axis=1> (x) h = Concat <axis=1> (r, r, r)", 17, {}),
    "old slice": ("s = Slice <axes=[1,2], starts=[-2,1], ends=[9999,-1]> (x) h = Concat <axis=1> (s, s)", 9, {}),
    "mean and deviation": ("s = Sub (x, a) h = Div (s, b)", 17, {"a": (1, 3, 1, 1), "b": (1, 3, 1, 1)}),
    "affine": ("s = Mul (x, a) h = Add (s, b)", 17, {"a": (3, 1, 1), "b": (3, 1, 1)}),
    "position by position": ("h = Add (x, a)", 17, {"a": (1, 3, 8, 8)}),
    "one number for each row": ("h = Mul (a, x)", 17, {"a": (8, 1)}),
    "hard sigmoid of its own": ("h = HardSigmoid <alpha=0.2, beta=0.5> (x)", 17, {}),
    "reciprocal": ("e = Exp (x) s = Constant <value_float=2.0> () h = Div (s, e)", 17, {}),
    "power of a number": ("s = Constant <value_float=2.0> () h = Pow (s, x)", 17, {}),
    "sigmoid that others take": ("s = Sigmoid (x) m = Mul (s, x) h = Add (m, s)", 17, {}),
    "space to depth": ("d = SpaceToDepth <blocksize=2> (x) h = Conv (d, k)", 17, {"k": (5, 12, 1, 1)}),
    "depth to space": ('c = Conv (x, k) h = DepthToSpace <blocksize=2, mode="DCR"> (c)', 17, {"k": (12, 3, 1, 1)}),
    "group norm of groups": ("c = Conv (x, k) h = GroupNormalization <num_groups=2> (c, a, b)", 18,
                             {"k": (4, 3, 1, 1), "a": (2,), "b": (2,)}),
    "layer norm of a map": ("h = LayerNormalization <axis=1> (x, a, b)", 17, {"a": (3, 8, 8), "b": (3, 8, 8)}),
    "unit length": ("h = LpNormalization <axis=1> (x)", 17, {}),
    "a choice by a mask": ("m = Greater (a, b) h = Where (m, x, b)", 17, {"a": (1, 3, 8, 8), "b": (1, 3, 1, 1)}),
    "a choice of two": (
        "m = Greater (a, b) r = Relu (x) h = Where (m, x, r)", 17, {"a": (1, 3, 8, 8), "b": (1, 3, 1, 1)},
    ),
    "comparisons": (
        "c = Constant <value_float=0.1> () m = Less (x, c) n = Not (m) z = Constant <value_float=0.0> ()"
        " h = Where (n, x, z)", 17, {},
    ),
    "a comparison with a number": (
        "c = Constant <value_float=0.1> () m = GreaterOrEqual (c, x) b = Cast <to=9> (m)"
        " f0 = Cast <to=1> (b) h = Mul (f0, x)", 17, {},
    ),
    "a choice by comparison": ("t = Tanh (x) m = Greater (x, t) h = Where (m, x, t)", 17, {}),
    "softmax within": ("h = Softmax <axis=1> (x)", 17, {}),
    "transposes that cancel": (
        "t = Transpose <perm=[0,2,3,1]> (x) r = Relu (t) h = Transpose <perm=[0,3,1,2]> (r)", 17, {},
    ),
    "width and height exchanged": ("h = Transpose <perm=[0,1,3,2]> (x)", 17, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_node_is_the_layer_that_onnx_runtime_computes(name: str, tmp_path: Path) -> None:
    text, opset, shapes = CASES[name]
    weights = {key: numbers(*shape, seed=index, low=0.2) for index, (key, shape) in enumerate(shapes.items())}
    graph = body(text)
    channels = onnx.shape_inference.infer_shapes(model(graph, opset, **weights), data_prop=True)
    sizes = {v.name: v.type.tensor_type.shape.dim for v in channels.graph.value_info}
    inferred = sizes["h"][1].dim_value if "h" in sizes else 4
    path = save(tmp_path, graph, opset, **weights, w=numbers(4, inferred, seed=9))
    assert_same(path, read_onnx(path))


DENSE: dict[str, tuple[str, dict[str, tuple[int, ...]]]] = {
    "transposed": ("y = Gemm <transB=1> (f, w, b)", {"w": (4, 192), "b": (4,)}),
    "as it stands": ("y = Gemm (f, w, b)", {"w": (192, 4), "b": (1, 4)}),
    "one bias": ("y = Gemm (f, w, b)", {"w": (192, 4), "b": (1,)}),
    "scaled": ("y = Gemm <alpha=0.5, beta=2.0> (f, w, b)", {"w": (192, 4), "b": (4,)}),
    "without bias": ("y = Gemm (f, w)", {"w": (192, 4)}),
    "product and sum": ("m = MatMul (f, w) y = Add (m, b)", {"w": (192, 4), "b": (4,)}),
    "sum and product": ("m = MatMul (f, w) y = Add (b, m)", {"w": (192, 4), "b": (1, 4)}),
    "product": ("y = MatMul (f, w)", {"w": (192, 4)}),
}


@pytest.mark.parametrize("name", DENSE)
def test_dense_layers_are_linear(name: str, tmp_path: Path) -> None:
    text, shapes = DENSE[name]
    weights = {key: numbers(*shape, seed=index) for index, (key, shape) in enumerate(shapes.items())}
    path = save(tmp_path, f"g (float[N,3,8,8] x) => (float[N,4] y) {{ f = Flatten (x) {text} }}", **weights)
    read = read_onnx(path)
    assert [node.op for node in read.network if node.op.kind == "linear"] == [Linear(4, bias="b" in shapes)]
    assert [node.op.kind for node in read.network] == ["flatten", "linear"]
    assert_same(path, read)


FLATTENED = {
    "constant": "s = Constant <value_ints=[-1,192]> () f = Reshape (x, s)",
    "kept": "s = Constant <value_ints=[0,-1]> () f = Reshape (x, s)",
    "computed": "s = Shape (x) i = Constant <value_int=0> () n = Gather <axis=0> (s, i)"
    " a = Constant <value_ints=[0]> () u = Unsqueeze (n, a)"
    " m = Constant <value_ints=[-1]> () t = Concat <axis=0> (u, m) f = Reshape (x, t)",
    "sliced": "s = Shape <end=1> (x) m = Constant <value_ints=[-1]> () t = Concat <axis=0> (s, m) f = Reshape (x, t)",
    "in two steps": "s = Constant <value_ints=[0,3,64]> () r = Reshape (x, s) f = Flatten (r)",
    "squeezed": "s = Constant <value_ints=[0,192,1]> () r = Reshape (x, s) a = Constant <value_ints=[2]> ()"
    " f = Squeeze (r, a)",
    "divided": "s = Shape (x) i = Constant <value_ints=[1,2,3]> () d = Gather <axis=0> (s, i)"
    " p = ReduceProd <axes=[0]> (d) n = Constant <value_ints=[-1]> () t = Concat <axis=0> (n, p) f = Reshape (x, t)",
}


@pytest.mark.parametrize("batch", ["N", "1", "5"])
@pytest.mark.parametrize("name", FLATTENED)
def test_shapes_are_computed(name: str, batch: str, tmp_path: Path) -> None:
    text = f"g (float[{batch},3,8,8] x) => (float[{batch},4] y) {{ {FLATTENED[name]} y = Gemm (f, w) }}"
    path = save(tmp_path, text, w=numbers(192, 4))
    assert kinds(path) == ["flatten", "linear"]
    assert_same(path, read_onnx(path), batch=3 if batch == "N" else int(batch))


def test_a_view_of_one_image_is_read_though_the_batch_is_open(tmp_path: Path) -> None:
    text = "s = Constant <value_ints=[1,-1]> () f = Reshape (x, s) y = Gemm (f, w)"
    path = save(tmp_path, f"g (float[N,3,8,8] x) => (float[N,4] y) {{ {text} }}", w=numbers(192, 4))
    assert kinds(path) == ["flatten", "linear"]


TENSORFLOW = """g (float[N,8,8,3] x) => (float[N,4] y) {
    a = Transpose <perm=[0,3,1,2]> (x)
    b = Conv <pads=[0,0,1,1], strides=[2,2]> (a, k)
    c = Transpose <perm=[0,2,3,1]> (b)
    d = Add (c, bias)
    e = Relu (d)
    f = Transpose <perm=[0,3,1,2]> (e)
    g1 = MaxPool <kernel_shape=[2,2], strides=[2,2]> (f)
    h = Transpose <perm=[0,2,3,1]> (g1)
    i = %s
    j = MatMul (i, w)
    y = Add (j, v)
}"""


@pytest.mark.parametrize(
    ("middle", "size", "layers"),
    [
        ("ReduceMean <axes=[1,2], keepdims=0> (h)", 5, ["reduce"]),
        ("Flatten (h)", 20, ["flatten"]),
    ],
)
def test_tensorflows_order_of_axes_is_turned_round(middle: str, size: int, layers: list[str], tmp_path: Path) -> None:
    weights = {"k": numbers(5, 3, 3, 3), "bias": numbers(5), "w": numbers(size, 4, seed=1), "v": numbers(4)}
    path = save(tmp_path, TENSORFLOW % middle, **weights)
    read = read_onnx(path)
    assert read.network.input == (3, 8, 8)
    assert [node.op.kind for node in read.network] == ["conv", "activation", "max_pool", *layers, "linear"]
    assert_same(path, read, axes=(0, 2, 3, 1))


def test_channels_last_may_be_flattened_at_once(tmp_path: Path) -> None:
    path = save(
        tmp_path, "g (float[N,5,6,3] x) => (float[N,4] y) { f = Flatten (x) y = Gemm (f, w) }", w=numbers(90, 4)
    )
    assert_same(path, read_onnx(path), axes=(0, 2, 3, 1))


def test_open_sides_are_settled_by_the_shape(tmp_path: Path) -> None:
    path = save(tmp_path, body("h = Conv (x, k)", sides="H,W"), k=numbers(5, 3, 3, 3), w=numbers(4, 5))
    read = read_onnx(path, (3, 11, 9))
    assert read.network.input == (3, 11, 9)
    assert_same(path, read)


@pytest.mark.parametrize("sides", ["H,W,3", "H,W,C", "11,W,C"])
def test_open_sides_of_channels_last_are_settled_as_the_file_has_them(sides: str, tmp_path: Path) -> None:
    text = f"g (float[N,{sides}] x) => (float[N,4] y) {{ t = Transpose <perm=[0,3,1,2]> (x) h = Conv (t, k)"
    text += " v = GlobalAveragePool (h) f = Flatten (v) y = Gemm <transB=1> (f, w, o) }"
    path = save(tmp_path, text, k=numbers(5, 3, 3, 3), w=numbers(4, 5))
    read = read_onnx(path, (11, 9, 3))
    assert read.network.input == (3, 11, 9)
    assert_same(path, read, axes=(0, 2, 3, 1))
    if sides != "H,W,C":
        assert read_onnx(path, (3, 11, 9)).network == read.network


def test_a_network_is_named_after_its_file(tmp_path: Path) -> None:
    path = save(tmp_path, body("h = Relu (x)"), w=numbers(4, 3))
    assert read_onnx(path).network.name == "model"
    assert read_onnx(path, name="mine").network.name == "mine"


def test_pixels_as_bytes_are_floats_to_the_network(tmp_path: Path) -> None:
    text = "g (uint8[N,8,8,3] x) => (float[N,4] y) { c = Cast <to=1> (x) t = Transpose <perm=[0,3,1,2]> (c)"
    text += " s = Sub (t, m) h = Mul (s, d) v = GlobalAveragePool (h) f = Flatten (v) y = Gemm (f, w) }"
    path = save(tmp_path, text, m=numbers(3, 1, 1), d=numbers(3, 1, 1, low=0.1), w=numbers(3, 4))
    assert kinds(path) == ["fixed_norm", "adaptive_avg_pool", "flatten", "linear"]


def test_half_precision_is_read_as_float32(tmp_path: Path) -> None:
    text = "g (float16[N,3,8,8] x) => (float16[N,4] y) { h = Conv (x, k) v = GlobalAveragePool (h) f = Flatten (v)"
    weights = {"k": numbers(5, 3, 3, 3).astype(np.float16), "w": numbers(5, 4).astype(np.float16)}
    path = save(tmp_path, text + " y = Gemm (f, w) }", **weights)
    read = read_onnx(path)
    assert {str(tensor.dtype) for tensor in read.weights.values()} == {"torch.float32"}


def test_weights_may_be_quantized_by_themselves(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    weights = {
        "q": generator.integers(-127, 128, (5, 3, 3, 3)).astype(np.int8),
        "s": numbers(5, low=0.01) / 100,
        "z": np.zeros(5, np.int8),
        "w": numbers(4, 5),
    }
    path = save(tmp_path, body("k = DequantizeLinear <axis=0> (q, s, z) h = Conv (x, k)"), **weights)
    read = read_onnx(path)
    scales = weights["s"].reshape(5, 1, 1, 1)
    filters = next(tensor for tensor in read.weights.values() if tensor.ndim == 4)
    np.testing.assert_allclose(filters.numpy(), weights["q"] * scales, rtol=1e-6)


def test_activations_may_be_rounded_to_integers(tmp_path: Path) -> None:
    weights = {"s": np.float32(0.02), "z": np.uint8(7), "w": numbers(4, 3)}
    path = save(tmp_path, body("q = QuantizeLinear (x, s, z) h = DequantizeLinear (q, s, z)"), **weights)
    op = read_onnx(path).network.nodes[0].op
    assert isinstance(op, Quantize)
    assert (round(op.scale, 6), op.zero_point, op.bits, op.symmetric) == (0.02, 7, 8, False)


def test_weights_may_lie_in_a_file_beside(tmp_path: Path) -> None:
    whole = model(body("h = Conv (x, k)"), k=numbers(5, 3, 3, 3), w=numbers(4, 5))
    path = tmp_path / "model.onnx"
    onnx.save_model(whole, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").stat().st_size > 0
    assert_same(path, read_onnx(path))


def test_weights_may_be_constant_nodes_and_inputs_with_values(tmp_path: Path) -> None:
    whole = model(body("h = Conv (x, k)"), k=numbers(5, 3, 3, 3))
    array = numpy_helper.from_array(numbers(4, 5), "w")
    whole.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=array))
    whole.graph.input.append(helper.make_tensor_value_info("k", TensorProto.FLOAT, [5, 3, 3, 3]))
    path = tmp_path / "model.onnx"
    path.write_bytes(whole.SerializeToString())
    assert_same(path, read_onnx(path))


def test_batch_norm_is_read_with_its_numbers(tmp_path: Path) -> None:
    norm = "h = BatchNormalization <epsilon=0.001, momentum=0.99> (x, a, b, c, d)"
    weights = {name: numbers(3, seed=seed, low=0.1) for seed, name in enumerate("abcd")}
    path = save(tmp_path, body(norm), **weights, w=numbers(4, 3))
    assert read_onnx(path).network.nodes[0].op == BatchNorm(0.001, 0.01)
    assert_same(path, read_onnx(path))


def test_dropout_keeps_its_share(tmp_path: Path) -> None:
    path = save(tmp_path, body("h = Dropout <ratio=0.3> (x)"), 7, w=numbers(4, 3))
    assert read_onnx(path).network.nodes[0].op == Dropout(0.3)


def test_same_padding_stays_same(tmp_path: Path) -> None:
    path = save(tmp_path, body('h = Conv <auto_pad="SAME_UPPER"> (x, k)'), k=numbers(5, 3, 2, 2), w=numbers(4, 5))
    op = read_onnx(path).network.nodes[0].op
    assert isinstance(op, Conv)
    assert op.padding == "same"


def test_the_logits_are_found_beside_probabilities(tmp_path: Path) -> None:
    text = "g (float[N,3,8,8] x) => (float[N,4] p, float[N,4] y, int64[N] best) { f = Flatten (x) y = Gemm (f, w)"
    path = save(
        tmp_path, text + " p = Softmax <axis=1> (y) best = ArgMax <axis=1, keepdims=0> (p) }", w=numbers(192, 4)
    )
    read = read_onnx(path)
    assert [node.op.kind for node in read.network] == ["flatten", "linear"]
    assert read.notes == ()


TWO_HEADS = (
    "g (float[N,3,8,8] x) => (float[N,4] one, float[N,5] two) { f = Flatten (x) one = Gemm (f, w) two = Gemm (f, v) }"
)


def test_one_of_several_outputs_is_chosen(tmp_path: Path) -> None:
    path = save(tmp_path, TWO_HEADS, w=numbers(192, 4), v=numbers(192, 5))
    read = read_onnx(path, output="two")
    assert read.network.classes == 5
    assert len(read.network) == 2


def test_an_output_called_logits_is_the_logits(tmp_path: Path) -> None:
    path = save(tmp_path, TWO_HEADS.replace("two", "logits"), w=numbers(192, 4), v=numbers(192, 5))
    read = read_onnx(path)
    assert read.network.classes == 5
    assert "'one' is left out" in read.notes[0]


NAMES = {
    "torch": ("layer1__0__conv__weight", "", "layer1.0.conv"),
    "mxnet": ("stage1_conv0_weight", "stage1_conv0_fwd", "stage1_conv0"),
    "caffe2": ("conv4_w_0", "n0", "conv4"),
    "node": ("onnx_7", "block/block.2/conv1/Conv", "block.2.conv1"),
    "nothing": ("k", "", "conv"),
    "of nodes": ("k", "stem", "stem"),
}


@pytest.mark.parametrize("style", NAMES)
def test_names_are_found_in_weights_or_nodes(style: str, tmp_path: Path) -> None:
    weight, node, expected = NAMES[style]
    path = save(tmp_path, body(f"h = Conv (x, {weight})"), **{weight: numbers(5, 3, 3, 3)}, w=numbers(4, 5))
    whole = onnx.load(path)
    whole.graph.node[0].name = node
    path.write_bytes(whole.SerializeToString())
    assert read_onnx(path).network.nodes[0].name == expected


def test_the_scopes_that_all_names_begin_with_are_left_out(tmp_path: Path) -> None:
    path = save(tmp_path, body("c = Conv (x, k) h = Relu (c)"), k=numbers(5, 3, 3, 3), w=numbers(4, 5))
    whole = onnx.load(path)
    for node, name in zip(
        whole.graph.node, ("stem/conv1/Conv2D", "stem/relu/Relu", "gap/Mean", "flat/Reshape", "fc/MatMul"), strict=True
    ):
        node.name = f"StatefulPartitionedCall/model/{name}"
    path.write_bytes(whole.SerializeToString())
    assert [node.name for node in read_onnx(path).network] == ["stem.conv1", "stem.relu", "gap", "flat", "fc"]


def test_a_read_network_can_be_costed_and_written_again(tmp_path: Path) -> None:
    path = save(tmp_path, body("c = Conv (x, k) h = Relu (c)"), k=numbers(5, 3, 3, 3), w=numbers(4, 5))
    net, weights = read_onnx(path)
    assert convsmith.cost_of(net).params == 5 * 3 * 9 + 4 * 5 + 4
    assert net == type(net).from_json(net.to_json())
    assert set(weights) == set(net.parameters)


def test_a_branch_that_the_shapes_decide_is_taken(tmp_path: Path) -> None:
    text = """g (float[N,3,8,8] x) => (float[N,4] y) {
        s = Shape <start=1, end=2> (x)
        three = Constant <value_ints=[3]> ()
        c = Equal (s, three)
        h = If (c) <
            then_branch = a () => (float[N,3,8,8] t) { t = Relu (x) },
            else_branch = b () => (float[N,3,8,8] e) { e = Tanh (x) }
        >
        v = GlobalAveragePool (h) f = Flatten (v) y = Gemm <transB=1> (f, w, o)
    }"""
    path = save(tmp_path, text, w=numbers(4, 3))
    read = read_onnx(path)
    assert next(getattr(node.op, "function", "") for node in read.network) == "relu"
    assert_same(path, read)
