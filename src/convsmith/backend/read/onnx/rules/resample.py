"""Rules for enlarging and shrinking maps."""

from __future__ import annotations

from dataclasses import replace

from convsmith.backend.read.onnx.graph import Array, OnnxNode
from convsmith.backend.read.onnx.reader import Reader, base, rule
from convsmith.backend.read.onnx.values import Feature
from convsmith.errors import ReadError
from convsmith.network import ops
from convsmith.network.ops import Op
from convsmith.network.ops.resample import Interpolation

CORNERS, FLOOR = "align_corners", "asymmetric"
HALF_PIXEL = ("half_pixel", "pytorch_half_pixel")


@rule("Resize")
def _(node: OnnxNode, reader: Reader) -> Feature:
    if node.integer("antialias", 0):
        raise ReadError("resizes with antialiasing", advice="that belongs to the preprocessing, before the network")
    old = reader.graph.opset < 11
    scales = reader.array(node, 1 if old else 2)
    sizes = None if old else reader.array(node, 3)
    return _resized(node, reader, scales, sizes)


@rule("Upsample")
def _(node: OnnxNode, reader: Reader) -> Feature:
    scales = node.attributes.get("scales")
    if isinstance(scales, tuple):
        return _scaled(node, reader, [float(scale) for scale in scales])  # type: ignore[arg-type]
    return _resized(node, reader, reader.array(node, 1), None)


def _resized(node: OnnxNode, reader: Reader, scales: Array | None, sizes: Array | None) -> Feature:
    if scales is not None and scales.size:
        return _scaled(node, reader, [float(scale) for scale in scales.ravel()])
    if sizes is None or not sizes.size:
        raise ReadError("says neither sizes nor scales")
    x = reader.feature(node.input(0))
    whole = [int(size) for size in sizes.ravel()]
    axes = node.integers("axes") or tuple(range(x.rank))
    target: dict[int, int] = dict(zip((x.axes[axis] for axis in axes), whole, strict=True))
    if len(x.shape) != 3 or target.get(1, x.shape[0]) != x.shape[0]:
        raise ReadError("resizes what is no feature map, or its channels")
    height, width = (int(target.get(axis + 1) or x.shape[axis]) for axis in (1, 2))
    if (height, width) == x.shape[1:]:
        return x
    return _placed(node, reader, x, (height / x.shape[1], width / x.shape[2]), (height, width))


def _scaled(node: OnnxNode, reader: Reader, scales: list[float]) -> Feature:
    x = reader.feature(node.input(0))
    axes = node.integers("axes") or tuple(range(x.rank))
    factors = dict(zip((x.axes[axis] for axis in axes), scales, strict=True))
    if len(x.shape) != 3 or factors.get(0, 1.0) != 1 or factors.get(1, 1.0) != 1:
        raise ReadError("resizes what is no feature map, or its channels")
    factor = factors.get(2, 1.0), factors.get(3, 1.0)
    return x if factor == (1, 1) else _placed(node, reader, x, factor, None)


def _placed(
    node: OnnxNode, reader: Reader, x: Feature, factor: tuple[float, float], size: tuple[int, int] | None
) -> Feature:
    mode, corners = _mode(node, reader, factor)
    whole = all(float(side).is_integer() for side in factor)
    op: Op
    if size is not None and not whole:
        op = ops.Resize(size, mode, corners)
    else:
        op = ops.Upsample((int(factor[0]), int(factor[1])) if whole else factor, mode, corners)
    return replace(reader.emit(node, op, base(x)), axes=x.axes)


def _mode(node: OnnxNode, reader: Reader, factor: tuple[float, float]) -> tuple[Interpolation, bool]:
    """Which interpolation a node asks for. Raises ReadError for those that networks do not have."""
    old = node.kind == "Upsample" or reader.graph.opset < 11
    mode = node.word("mode", "nearest")
    where = node.word("coordinate_transformation_mode", FLOOR if old else "half_pixel")
    if mode == "nearest":
        return _nearest(node, where, old, factor), False
    names: dict[str, Interpolation] = {"linear": "bilinear", "bilinear": "bilinear", "cubic": "bicubic"}
    if mode not in names or where not in (CORNERS, *HALF_PIXEL):
        raise ReadError(f"resizes by {mode!r} at {where!r}", advice="export it with half_pixel or align_corners")
    if mode == "cubic" and abs(node.number("cubic_coeff_a", -0.75) + 0.75) > 1e-6:
        raise ReadError("resizes by another cubic than PyTorch's", advice="cubic_coeff_a is -0.75 there")
    return names[mode], where == CORNERS


def _nearest(node: OnnxNode, where: str, old: bool, factor: tuple[float, float]) -> Interpolation:
    rounding = node.word("nearest_mode", "floor" if old else "round_prefer_floor")
    if where == FLOOR and rounding == "floor":
        return "nearest"
    if where in HALF_PIXEL and rounding.startswith("round"):
        whole = all(float(side).is_integer() for side in factor)
        return "nearest" if whole else "nearest_exact"
    raise ReadError(f"takes the nearest by {where!r} and {rounding!r}", advice="export it with asymmetric and floor")
