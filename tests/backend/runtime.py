"""Networks run in ONNX Runtime and in PyTorch, for the tests that hold one against the other."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

import convsmith
from convsmith.backend.onnx import to_onnx
from convsmith.network import INPUT, Network, Node
from convsmith.network.ops import Op


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


def single(op: Op, shape: tuple[int, ...]) -> Network:
    return Network("single", shape, (Node("layer", op, (INPUT,)),), "layer")
