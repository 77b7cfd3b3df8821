"""ONNX files for tests: written out in ONNX's own text, with random weights, and answered by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import numpy_helper, parser

import convsmith
from convsmith.backend.read.draft import Read


def numbers(*shape: int, seed: int = 0, low: float = -1.0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(low, 1, shape).astype(np.float32)


def model(text: str, opset: int = 17, **weights: NDArray[np.generic]) -> onnx.ModelProto:
    """A model of this graph: `g (float[N,3,8,8] x) => (float[N,4] y) { y = Relu(x) }`."""
    if "(f, w, o)" in text:
        weights = {"o": numbers(4, seed=5), **weights}
    whole = parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {text}')
    whole.graph.initializer.extend(numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items())
    return whole


def save(folder: Path, text: str, opset: int = 17, **weights: NDArray[np.generic]) -> Path:
    """The file of such a model. Names of weights have `__` for dots."""
    path = folder / "model.onnx"
    whole = model(text, opset, **weights)
    for node in whole.graph.node:
        node.input[:] = [name.replace("__", ".") for name in node.input]
    for tensor in whole.graph.initializer:
        tensor.name = tensor.name.replace("__", ".")
    path.write_bytes(whole.SerializeToString())
    return path


def answers(source: Path | bytes, images: NDArray[np.generic]) -> list[NDArray[np.float32]]:
    """All that ONNX Runtime puts out."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    file = source if isinstance(source, bytes) else str(source)
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return [np.asarray(answer) for answer in session.run(None, {session.get_inputs()[0].name: images})]


def module_answers(read: Read, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logits of the built network, to images (N, C, H, W)."""
    module = convsmith.build(read.network).eval()
    missing, unexpected = module.load_state_dict(read.weights, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    with torch.inference_mode():
        return np.asarray(module(torch.from_numpy(images)).numpy())


def assert_same(path: Path, read: Read, batch: int = 3, axes: tuple[int, ...] = (0, 1, 2, 3)) -> None:
    """That module and file answer alike to images that reading has not compared them on.

    `axes` is the order in which the file has (N, C, H, W).
    """
    images = numbers(batch, *read.network.input, seed=7)
    expected = answers(path, np.ascontiguousarray(images.transpose(axes)))[0]
    actual = module_answers(read, images)
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, rtol=1e-4, atol=1e-4 * scale)
