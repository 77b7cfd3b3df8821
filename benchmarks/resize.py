"""The exported graph's resize of a photograph of 12 megapixels takes at most 1.2 times what ONNX's own Resize takes.

    python benchmarks/resize.py

ONNX's Resize with `antialias` is what the graph had; OpenVINO and OpenCV ignore that attribute, so that it computes the
same by matrix products. Both run in ONNX Runtime, in turns, on the same image; the ratio is the median of the turns'.
"""

from __future__ import annotations

import os
import statistics
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from convsmith.backend.onnx import to_onnx
from convsmith.backend.runtime.session import Session
from convsmith.network import INPUT, Network, Node, Preprocess
from convsmith.network.ops import Pad

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PREPROCESSING = {
    "256, crop 224, bilinear": Preprocess(3, (224, 224), 256, MEAN, STD),
    "256, crop 224, bicubic": Preprocess(3, (224, 224), 256, MEAN, STD, "bicubic"),
    "224x224, bilinear": Preprocess(3, (224, 224), (224, 224), MEAN, STD),
    "400, crop 380, bicubic": Preprocess(3, (380, 380), 400, MEAN, STD, "bicubic"),
}
SIZES = ((3000, 4000), (4000, 3000))
TURNS = 15
MOST = 1.2
MODES = {"bilinear": {"mode": "linear"}, "bicubic": {"mode": "cubic", "cubic_coeff_a": -0.5}}


def with_resize(preprocess: Preprocess, size: tuple[int, int]) -> bytes:
    """The graph that has ONNX's Resize, for images of one size."""
    whole, crop = preprocess.resized(*size), preprocess.crop
    start = [round((w - c) / 2) for w, c in zip(whole, crop, strict=True)]
    mean, std = (np.asarray(v, np.float32).reshape(-1, 1, 1) for v in (preprocess.mean, preprocess.std))
    constants = {
        "zero": np.array([0]),
        "whole": np.array([1, 3, *whole]),
        "start": np.array(start),
        "stop": np.array(start) + crop,
        "axes": np.array([2, 3]),
        "mean": 255 * mean,
        "factor": 1 / (255 * std),
    }
    antialiased = {"antialias": 1, "exclude_outside": 1, **MODES[preprocess.interpolation]}
    steps = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=(2, 0, 1)),
        helper.make_node("Cast", ["planes"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["floats", "zero"], ["batch"]),
        helper.make_node("Resize", ["batch", "", "", "whole"], ["resized"], **antialiased),
        helper.make_node("Clip", ["resized", "black", "white"], ["clipped"]),
        helper.make_node("Slice", ["clipped", "start", "stop", "axes"], ["cropped"]),
        helper.make_node("Sub", ["cropped", "mean"], ["shifted"]),
        helper.make_node("Mul", ["shifted", "factor"], ["logits"]),
    ]
    limits = {"black": np.float32(0), "white": np.float32(255)}
    graph = helper.make_graph(
        steps,
        "resize",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["H", "W", 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3, *crop])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in {**constants, **limits}.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def with_products(preprocess: Preprocess) -> bytes:
    """The graph that convsmith exports, of a network that does nothing."""
    shape = (preprocess.channels, *preprocess.crop)
    nothing = Network("nothing", shape, (Node("layer", Pad(), (INPUT,)),), "layer")
    content: bytes = to_onnx(nothing, {}, preprocess).SerializeToString()
    return content


def timed(session: Session, image: np.ndarray) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    pixels = session.run("logits", "image", image)
    return time.perf_counter() - start, pixels


def main() -> None:
    print(f"{os.cpu_count()} cores; milliseconds: ONNX's Resize, matrix products, ratio (at most {MOST})")
    for size in SIZES:
        image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        for name, preprocess in PREPROCESSING.items():
            old, new = Session(with_resize(preprocess, size)), Session(with_products(preprocess))
            np.testing.assert_allclose(timed(new, image)[1], timed(old, image)[1], atol=1e-3)
            turns = [(timed(old, image)[0], timed(new, image)[0]) for _ in range(TURNS)]
            ratio = statistics.median(b / a for a, b in turns)
            before, after = (1000 * statistics.median(side) for side in zip(*turns, strict=True))
            verdict = "met" if ratio <= MOST else "NOT MET"
            print(f"{size[0]}x{size[1]} to {name:24} {before:7.0f} {after:7.0f} {ratio:6.2f}  {verdict}", flush=True)


if __name__ == "__main__":
    main()
