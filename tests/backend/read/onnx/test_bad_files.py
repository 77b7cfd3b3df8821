"""Files that cannot be read: one clear line each, whatever is wrong, and never a wrong network."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import assert_same, model, numbers, save

import convsmith
from convsmith.backend.onnx import to_onnx
from convsmith.backend.read.onnx import read_onnx
from convsmith.backend.read.onnx.fold import LARGEST_FILL
from convsmith.errors import ReadError, UsageError
from convsmith.network import builder as b


def body(text: str) -> str:
    return (
        f"g (float[N,3,8,8] x) => (float[N,4] y) {{ {text} v = GlobalAveragePool (h) f = Flatten (v) y = Gemm (f, w) }}"
    )


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(ReadError) as caught:
        read_onnx(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_refusal_is_a_usage_error() -> None:
    assert issubclass(ReadError, UsageError)
    assert ReadError("x").exit_code == 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a model", bytes(1000), b"\x08\x08"])
def test_what_is_no_onnx_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert "is not an ONNX file" in refusal(path)


def test_no_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "model.onnx")
    assert "no such file" in refusal(tmp_path)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, body("h = Conv (x, k)"), k=numbers(5, 3, 3, 3), w=numbers(5, 4))
    path.write_bytes(path.read_bytes()[:-200])
    assert "cut short" in refusal(path)


def test_an_old_opset_is_refused(tmp_path: Path) -> None:
    assert "opset 6" in refusal(save(tmp_path, body("h = Relu (x)"), 6, w=numbers(3, 4)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("h = NonZero (x)", "NonZero"),
        ("h = com.microsoft.FusedConv (x, w)", "no operator of ONNX itself"),
        ("h = Relu (gone)", "'gone'"),
        ("a = Relu (c) h = Tanh (a) c = Relu (h)", "cycle"),
        ("h = Relu (x) h = Tanh (x)", "two nodes make"),
        ("s = Constant <value_ints=[-1,-1]> () h = Reshape (x, s)", "Reshape"),
        ("s = Constant <value_ints=[0,-5]> () h = Reshape (x, s)", "cannot take the shape"),
        ("s = Constant <value_ints=[0,0,0]> () h = Reshape (x, s)", "cannot take the shape"),
        ("s = Constant <value_ints=[8,3,-1,8]> () h = Reshape (x, s)", "batch"),
        ("h = Transpose <perm=[1,0,2,3]> (x) ", "batch"),
        ("h = ReduceMean <axes=[0]> (x)", "batch"),
        ("h = Softmax <axis=0> (x)", "batch"),
        ("h = Concat <axis=0> (x, x)", "batch"),
        ("h = Conv <strides=[0,0]> (x, k)", "stride"),
        ("h = Conv <pads=[-4,0,0,0]> (x, k)", "padding"),
        ("h = Conv <group=0> (x, k)", "groups"),
        ("h = Conv <group=7> (x, k)", "groups"),
        ("h = Conv <strides=[1,1,1]> (x, k)", "3 axes"),
        ("h = Conv (x, k, x)", "depends on the image"),
        ("h = Conv (x)", "a weight is left out"),
        ("h = Conv <pads=[9999999999,0,0,0]> (x, k)", "too much"),
        ("h = MaxPool <kernel_shape=[99,99]> (x)", "larger than its padded input"),
        ("h = BatchNormalization (x, k, k, k, k)", "weight"),
        ("h = BatchNormalization <training_mode=1> (x, k, k, k, k)", "evaluation mode"),
        ("q = QuantizeLinear (x, w) h = DequantizeLinear (q, w)", "float model"),
        ("h = DequantizeLinear (x, w)", "no QuantizeLinear"),
        ("h = ConvInteger (x, w)", "computes in integers"),
        ("h = Resize <antialias=1> (x)", "antialiasing"),
        ('h = Resize <mode="cubic"> (x)', "neither sizes nor scales"),
        ("h = Slice <axes=[0], starts=[1], ends=[2]> (x)", "batch"),
        ("s = Constant <value_ints=[3]> () e = Constant <value_ints=[-999]> () a = Constant <value_ints=[2]> ()"
         " m = Constant <value_ints=[-1]> () h = Slice (x, s, e, a, m)", "reverses"),
        ("h = Split <axis=1, split=[1,1]> (x)", "splits 3"),
        ("z = Constant <value_float=0.0> () h = Div (x, z)", "divides by zero"),
        ("h = Dropout (x, w, w)", "Dropout"),
        ("i = Cast <to=6> (x) h = Cast <to=1> (i)", "whole numbers"),
        ("h = Einsum <equation=\"nchw->nhwc\"> (x)", "Einsum"),
        ("n = Constant <value_int=3> () c = Constant <value_int=1> () h = Loop (n, c, x)", "control flow"),
    ],
)  # fmt: skip
def test_a_node_that_cannot_be_read_is_named(text: str, says: str, tmp_path: Path) -> None:
    message = refusal(save(tmp_path, body(text), 13, k=numbers(5, 3, 3, 3), w=numbers(5, 4)))
    assert says in message


BOMBS = {
    "filled": "s = Constant <value_ints=[1000000,1000000]> () c = ConstantOfShape (s)",
    "negative": "s = Constant <value_ints=[-3]> () c = ConstantOfShape (s)",
    "just too large": f"s = Constant <value_ints=[{LARGEST_FILL + 1}]> () c = ConstantOfShape (s)",
    "expanded": "s = Constant <value_ints=[1000000,1000000]> () a = Constant <value_floats=[1.0]> () c = Expand (a, s)",
    "tiled": "s = Constant <value_ints=[1000000000000]> () a = Constant <value_floats=[1.0]> () c = Tile (a, s)",
    "range": "a = Constant <value_int=0> () s = Constant <value_int=1000000000000> () d = Constant <value_int=1> ()"
    " c = Range (a, s, d)",
    "endless range": "a = Constant <value_int=0> () c = Range (a, a, a)",
    "outer product": "s = Constant <value_ints=[30000,1]> () a = ConstantOfShape (s)"
    " t = Constant <value_ints=[1,30000]> () e = ConstantOfShape (t) c = Add (a, e)",
    "gathered": "s = Constant <value_ints=[4096]> () a = ConstantOfShape (s) t = Constant <value_ints=[4096,4096]> ()"
    " e = ConstantOfShape <value = int64[1] {0}> (t) b = Gather (e, e) c = Cast <to=1> (b)",
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_absurd_constant_is_refused_before_it_is_made(name: str, tmp_path: Path) -> None:
    path = save(tmp_path, body(f"{BOMBS[name]} h = Add (x, c)"), 13, w=numbers(3, 4))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_absurd_weights_are_refused_before_they_are_made(tmp_path: Path) -> None:
    text = "s = Constant <value_ints=[20000,20000]> ()" + "".join(
        f" c{i} = ConstantOfShape (s) f{i + 1} = MatMul (f{i}, c{i})" for i in range(4)
    )
    whole = f"g (float[N,1,100,200] x) => (float[N,20000] f4) {{ f0 = Flatten (x) {text} }}"
    assert "more parameters" in refusal(save(tmp_path, whole))


INPUTS = {
    "two inputs": ("float[N,3,8,8] x, float[N,3,8,8] z", "y = Add (x, z)", "'x', 'z'"),
    "no input": ("", "y = Constant <value_floats=[1.0]> ()", "none that a node takes"),
    "vectors": ("float[N,8] x", "y = Relu (x)", "2 axes"),
    "a picture without a batch": ("float[3,8,8] x", "y = Relu (x)", "3 axes"),
    "open sides": ("float[N,3,H,W] x", "y = Relu (x)", "leaves sizes open: 3x?x?"),
    "an absurd side": ("float[N,3,8,99999999] x", "y = Relu (x)", "no picture is as large"),
    "words": ("string[N,3,8,8] x", "y = Identity (x)", "returns its input"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_that_is_no_batch_of_pictures_is_refused(name: str, tmp_path: Path) -> None:
    inputs, text, says = INPUTS[name]
    assert says in refusal(save(tmp_path, f"g ({inputs}) => (float[N,3,8,8] y) {{ {text} }}"))


def test_a_shape_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, body("h = Relu (x)"), w=numbers(3, 4))
    assert "is 3x8x8, not the given 1x8x8" in refusal(path, example_shape=(1, 8, 8))


TWO = "g (float[N,3,8,8] x) => (float[N,4] one, float[N,4] two) { f = Flatten (x) one = Gemm (f, w) two = Gemm (f, v) }"


def test_several_outputs_are_named(tmp_path: Path) -> None:
    path = save(tmp_path, TWO, w=numbers(192, 4), v=numbers(192, 4))
    assert "the outputs 'one', 'two'; export the logits alone, or call them 'logits'" in refusal(path)
    assert "has no output 'three'" in refusal(path, output="three")


def test_an_output_that_nothing_makes_is_refused(tmp_path: Path) -> None:
    whole = model(body("h = Relu (x)"), w=numbers(3, 4))
    whole.graph.output[0].name = "elsewhere"
    path = tmp_path / "model.onnx"
    path.write_bytes(whole.SerializeToString())
    assert "no node makes the output 'elsewhere'" in refusal(path)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "folder/../../weights.bin", ""])
def test_weights_outside_the_folder_are_never_opened(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "weights.bin").write_bytes(numbers(4, 3).tobytes())
    message = refusal(beside(folder, location, {}))
    assert "outside the model's folder" in message or "does not say which" in message


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "weights.bin").write_bytes(numbers(4, 3).tobytes())
    (folder / "weights.bin").symlink_to(tmp_path / "weights.bin")
    assert "outside the model's folder" in refusal(beside(folder, "weights.bin", {}))


@pytest.mark.parametrize(
    ("entries", "bytes_", "says"),
    [
        ({}, None, "missing beside the model"),
        ({}, 47, "does not have them"),
        ({"offset": "8"}, 48, "does not have them"),
        ({"length": "44"}, 48, "does not have them"),
        ({"offset": "-4"}, 48, "does not have them"),
        ({"offset": "zero"}, 48, "offset or length is no number"),
    ],
)
def test_a_file_beside_that_is_too_short_is_refused(
    entries: dict[str, str], bytes_: int | None, says: str, tmp_path: Path
) -> None:
    if bytes_ is not None:
        (tmp_path / "weights.bin").write_bytes(bytes(bytes_))
    assert says in refusal(beside(tmp_path, "weights.bin", entries))


def beside(folder: Path, location: str, entries: dict[str, str]) -> Path:
    """A model whose 12 weights lie in another file."""
    whole = model(body("h = Relu (x)"), w=numbers(3, 4))
    tensor = whole.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    path = folder / "model.onnx"
    path.write_bytes(whole.SerializeToString())
    return path


@pytest.mark.parametrize(("dims", "bytes_"), [((5, 4), 48), ((-3, 4), 48), ((3, 4), 40), ((3, 4), 0), ((0, 4), 0)])
def test_a_tensor_that_does_not_hold_its_numbers_is_refused(dims: tuple[int, ...], bytes_: int, tmp_path: Path) -> None:
    whole = model(body("h = Relu (x)"), w=numbers(3, 4))
    tensor = whole.graph.initializer[0]
    del tensor.dims[:]
    tensor.dims.extend(dims)
    tensor.raw_data = bytes(bytes_)
    path = tmp_path / "model.onnx"
    path.write_bytes(whole.SerializeToString())
    refusal(path)


def with_function(path: Path, *nodes: onnx.NodeProto) -> Path:
    """A model that calls a function of its own, which has these nodes."""
    whole = model(body("h = Relu (x)"), w=numbers(3, 4))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    whole.functions.append(helper.make_function("own", "Block", ["a"], ["b"], nodes, opsets))
    whole.opset_import.append(opsets[1])
    whole.graph.node[0].CopyFrom(helper.make_node("Block", ["x"], ["h"], domain="own"))
    path.write_bytes(whole.SerializeToString())
    return path


def test_functions_of_the_model_are_written_out(tmp_path: Path) -> None:
    steps = helper.make_node("Sigmoid", ["a"], ["s"]), helper.make_node("Mul", ["a", "s"], ["b"])
    path = with_function(tmp_path / "model.onnx", *steps)
    assert [node.op.kind for node in read_onnx(path).network][:1] == ["activation"]
    assert_same(path, read_onnx(path))


def test_a_function_that_calls_itself_is_refused(tmp_path: Path) -> None:
    path = with_function(tmp_path / "model.onnx", helper.make_node("Block", ["a"], ["b"], domain="own"))
    assert "call themselves" in refusal(path)


def test_sparse_weights_are_refused(tmp_path: Path) -> None:
    whole = model(body("h = Relu (x)"), w=numbers(3, 4))
    values = helper.make_tensor("w2", TensorProto.FLOAT, [1], [1.0])
    index = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    whole.graph.sparse_initializer.append(helper.make_sparse_tensor(values, index, [4]))
    path = tmp_path / "model.onnx"
    path.write_bytes(whole.SerializeToString())
    assert "sparse" in refusal(path)


def test_a_network_that_would_answer_otherwise_is_not_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convsmith.backend.read.onnx.reader import RULES
    from convsmith.network import ops

    path = save(tmp_path, body("h = Relu (x)"), w=numbers(3, 4))
    wrong = ops.Activation("tanh")
    monkeypatch.setitem(RULES, "Relu", lambda node, reader: reader.emit(node, wrong, reader.feature(node.input(0))))
    assert "answers otherwise than the file does in ONNX Runtime" in refusal(path)


def test_random_dropout_is_not_taken_for_none(tmp_path: Path) -> None:
    """A file that computes another thing each time cannot be compared, so it is refused."""
    text = "r = Constant <value_float=0.5> () t = Constant <value = bool {1}> () h = Dropout (x, r, t)"
    assert "evaluation mode" in refusal(save(tmp_path, body(text), w=numbers(3, 4)))


def tiny() -> bytes:
    """A small file of convsmith's own, with a norm, a shuffle and a silu."""

    def family(x: b.Tensor) -> b.Tensor:
        x = b.activation(b.batch_norm(b.conv(x, 4, 3, 2)), "silu")
        return b.linear(b.global_avg_pool(b.channel_shuffle(x, 2)), 3)

    net = b.write("tiny", (1, 6, 6), family)
    state = {name: tensor.numpy() for name, tensor in convsmith.build(net).state_dict().items()}
    whole = to_onnx(net, state)
    del whole.metadata_props[:]
    return whole.SerializeToString()


TINY = tiny()


def read_or_refuse(data: bytes, folder: Path) -> None:
    path = folder / "model.onnx"
    path.write_bytes(data)
    try:
        read = read_onnx(path)
    except ReadError as error:
        assert "\n" not in str(error)
    else:
        if read.notes:
            return  # another output is left out, or a softmax: reading has compared the answers itself
        if read.network.input[0] * read.network.input[1] * read.network.input[2] < 100_000:
            assert_same(path, read, batch=_batch(data))


def _batch(data: bytes) -> int:
    sizes = onnx.load_from_string(data).graph.input[0].type.tensor_type.shape.dim
    return sizes[0].dim_value or 2


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, len(TINY) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_flipped_bytes_are_refused_or_read_right(flips: list[tuple[int, int]], tmp_path: Path) -> None:
    data = bytearray(TINY)
    for place, byte in flips:
        data[place] = byte
    read_or_refuse(bytes(data), tmp_path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(0, len(TINY)))
@example(length=len(TINY))
def test_files_cut_anywhere_are_refused_or_read_right(length: int, tmp_path: Path) -> None:
    read_or_refuse(TINY[:length], tmp_path)


SMALL = st.integers(-3, 9)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(
        ["Conv", "MaxPool", "AveragePool", "Reshape", "Transpose", "Slice", "ReduceMean", "Concat", "Split"]
    ),
    lists=st.dictionaries(
        st.sampled_from(["kernel_shape", "strides", "pads", "dilations", "perm", "axes", "starts", "ends", "split"]),
        st.lists(SMALL, min_size=1, max_size=5),
    ),
    numbers_=st.dictionaries(st.sampled_from(["group", "axis", "keepdims", "ceil_mode", "count_include_pad"]), SMALL),
    opset=st.sampled_from([9, 13, 18]),
)
def test_any_attributes_are_refused_or_read_right(
    kind: str, lists: dict[str, list[int]], numbers_: dict[str, int], opset: int, tmp_path: Path
) -> None:
    inputs = {"Conv": ["x", "k"], "Reshape": ["x", "s"], "Concat": ["x", "x"]}.get(kind, ["x"])
    node = helper.make_node(kind, inputs, ["h"], **lists, **numbers_)
    whole = model("g (float[2,3,8,8] x) => (float y) { y = Relu (h) }", opset)
    whole.graph.node.insert(0, node)
    sizes = np.asarray(lists.get("axes", [2, -1]), np.int64)
    for array, name in ((numbers(6, 3, 3, 3), "k"), (sizes, "s")):
        whole.graph.initializer.append(numpy_helper.from_array(array, name))
    read_or_refuse(whole.SerializeToString(), tmp_path)
