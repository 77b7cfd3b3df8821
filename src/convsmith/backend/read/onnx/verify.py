"""A network that was read is held against its file: ONNX Runtime's answers to random pictures must be the module's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from convsmith.backend.read.draft import Read
from convsmith.backend.read.onnx.entry import Start
from convsmith.backend.read.onnx.graph import OnnxNode
from convsmith.backend.torch import build
from convsmith.errors import ConvsmithError, ReadError
from convsmith.telemetry import import_onnxruntime

onnxruntime = import_onnxruntime()

TOLERANCE = 1e-4
"""Of the largest answer, where the file computes in float32."""
ROUGH_TOLERANCE = 3e-2
"""Where it computes in float16 or bfloat16, or rounds to integers, which now and then falls to the other side."""
SMALLEST = 1e-4
"""Answers below this are compared as if they were as large: they may be what is left of large numbers."""
PICTURES = 2
INPUT_TYPES = {
    TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16, TensorProto.DOUBLE: np.float64,
    TensorProto.UINT8: np.uint8, TensorProto.INT8: np.int8, TensorProto.INT32: np.int32, TensorProto.INT64: np.int64,
}  # fmt: skip


@dataclass(frozen=True)
class Answers:
    """Where the answers come from that a network is held against: a file, its input, its batch, its output."""

    file: Path | bytes
    start: Start
    batch: int | None
    output: str


def verify(read: Read, source: Answers, endings: Sequence[torch.nn.Module], *, rough: bool) -> None:
    """Raises ReadError where the module answers otherwise than ONNX Runtime does.

    `endings` are what the file does to the logits and the network does not: softmax. `rough` is whether the file
    computes with less precision than float32.
    """
    pictures = _pictures(source.start, source.batch or PICTURES)
    expected = _answers(source, pictures)
    actual = _module_answers(read, source.start, pictures, endings)
    if not np.isfinite(expected).all():
        raise ReadError("the file's own answers to random pictures are not finite, so they cannot be compared")
    if actual.size != expected.size or len(actual) != len(expected):
        raise ReadError(f"the network that was read answers {actual.shape}, the file {expected.shape}")
    scale = max(SMALLEST, float(np.abs(expected).max(initial=0)))
    difference = float(np.abs(actual.reshape(expected.shape) - expected).max(initial=0))
    if not difference <= (ROUGH_TOLERANCE if rough else TOLERANCE) * scale:
        raise ReadError(
            f"the network that was read answers otherwise than the file does in ONNX Runtime (by {difference:.3g} of "
            f"{scale:.3g}), so it is not returned",
            advice="this is a fault in convsmith: please report it with the file",
        )


def _pictures(start: Start, batch: int) -> NDArray[Any]:
    """Random pictures (N, C, H, W), or as the graph has their axes, of the input's type."""
    kind = INPUT_TYPES.get(start.data_type)  # type: ignore[call-overload]
    if kind is None:
        raise ReadError(f"the input {start.value!r} holds no numbers that a picture has")
    generator = np.random.default_rng(0)
    sizes = start.feature.sizes(batch)
    if np.issubdtype(kind, np.integer):
        return generator.integers(0, 128, sizes).astype(kind)
    return generator.standard_normal(sizes).astype(kind)


def _answers(source: Answers, pictures: NDArray[Any]) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Node by node as the file has them: integer kernels, which round otherwise, among them.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        file = str(source.file) if isinstance(source.file, Path) else source.file
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        (answers,) = session.run([source.output], {source.start.value: pictures})
    except Exception as error:  # ONNX Runtime's own exceptions have no common base
        raise ReadError(f"ONNX Runtime does not run the file: {str(error).splitlines()[0][:300]}") from None
    return np.asarray(answers, np.float32)


def _module_answers(
    read: Read, start: Start, pictures: NDArray[Any], endings: Sequence[torch.nn.Module]
) -> NDArray[np.float32]:
    order = np.argsort(start.feature.axes).tolist()
    images = torch.from_numpy(np.ascontiguousarray(pictures.transpose(order)).astype(np.float32))
    try:
        module = build(read.network).eval()
        module.load_state_dict(read.weights, strict=False)
        with torch.inference_mode():
            answers = module(images)
            for ending in endings:
                answers = ending(answers)
    except (ConvsmithError, RuntimeError, ValueError) as error:
        raise ReadError(f"the network that was read does not run in PyTorch: {str(error).splitlines()[0]}") from None
    return np.asarray(answers.numpy(), np.float32)


def from_start(model: onnx.ModelProto, start: Start, nodes: Sequence[OnnxNode], output: str) -> bytes:
    """The part of a model that begins at the network's input, without the preprocessing before it."""
    names = {node.outputs[0] for node in nodes}
    taken = {name for node in nodes for name in node.inputs}
    entry = helper.make_tensor_value_info(start.value, TensorProto.FLOAT, ["N", *start.feature.shape])
    leave = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    part = helper.make_graph(
        [node for node in model.graph.node if node.output[0] in names],
        "part",
        [entry],
        [leave],
        [tensor for tensor in model.graph.initializer if tensor.name in taken],
    )
    whole = helper.make_model(part, opset_imports=model.opset_import)
    whole.ir_version = model.ir_version
    data: bytes = whole.SerializeToString()
    return data
