"""Rules for convolutions."""

from __future__ import annotations

import numpy as np

from convsmith.backend.read.onnx.graph import Array, OnnxNode
from convsmith.backend.read.onnx.reader import Reader, base, rule
from convsmith.backend.read.onnx.values import Constant, Feature
from convsmith.errors import ReadError
from convsmith.network import ops
from convsmith.network.dims import Pair
from convsmith.network.ops.window import Padding, resolve, same

Pads = tuple[int, int, int, int]


@rule("Conv")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, weight, bias = reader.plain(node.input(0)), reader.weight(node, 1), _bias(node, reader)
    if weight.array.ndim == 3 and len(x.shape) == 2:
        return _conv1d(node, reader, x, weight, bias)
    if weight.array.ndim != 4:
        raise ReadError(f"is a convolution over {weight.array.ndim - 2} axes", advice="pictures have two")
    kernel = pair(node.integers("kernel_shape"), weight.array.shape[2:], node)
    stride, dilation = (pair(node.integers(name), (1, 1), node) for name in ("strides", "dilations"))
    op = ops.Conv(
        weight.array.shape[0],
        kernel,
        stride,
        padding(node, x, kernel, stride, dilation),
        dilation,
        node.integer("group", 1),
        bias is not None,
    )
    return _told(node, reader, op, x, weight, bias)


def _told(node: OnnxNode, reader: Reader, op: ops.Conv, x: Feature, weight: Constant, bias: Constant | None) -> Feature:
    """A convolution, or what the file says that it was before ONNX's words were too few for it."""
    layer = reader.restore.told(node)
    told = None if layer is None else layer.op
    weights = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    if isinstance(told, ops.TableConv) and bias is not None:
        rows = [out for out, row in enumerate(told.table) for _ in row]
        columns = [source for row in told.table for source in row]
        filters = weight.array[rows, columns]
        if np.count_nonzero(filters) == np.count_nonzero(weight.array):
            return reader.emit(node, told, x, weights={**weights, "weight": Constant(filters, weight.origin)})
    if isinstance(told, ops.StandardizedConv) and _same_geometry(told, op, x):
        filters, gain = _standardized(weight.array, told.eps)
        return reader.emit(node, told, x, weights={**weights, "weight": Constant(filters), "gain": Constant(gain)})
    return reader.emit(node, op, x, weights=weights)


def _same_geometry(told: ops.Conv, op: ops.Conv, x: Feature) -> bool:
    known = resolve(told.padding, (x.shape[1], x.shape[2]), told.kernel, told.stride, told.dilation)
    fields = ("channels", "kernel", "stride", "dilation", "groups", "bias")
    return known == op.padding and all(getattr(told, field) == getattr(op, field) for field in fields)


def _standardized(weight: Array, eps: float) -> tuple[Array, Array]:
    """Filters of variance 1, and the gains by which standardising these gives `weight`."""
    deviation = weight.std(axis=(1, 2, 3), keepdims=True)
    gain = deviation * np.sqrt((1 + eps) * weight[0].size)
    return weight / np.where(deviation > 0, deviation, 1), gain


def _conv1d(node: OnnxNode, reader: Reader, x: Feature, weight: Constant, bias: Constant | None) -> Feature:
    """A convolution along a sequence (C, L), as one of maps (C, 1, L): channel attention has it."""
    channels, _, length = weight.array.shape
    single = {name: (node.integers(name) or (1,))[0] for name in ("strides", "dilations")}
    before, after = node.integers("pads") or (0, 0)
    if node.word("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise ReadError(
            "is a convolution of sequences with automatic padding", advice="export it with padding in numbers"
        )
    row = reader.emit(node, ops.Reshape((x.shape[0], 1, x.shape[1])), x)
    op = ops.Conv(
        channels,
        (1, length),
        (1, single["strides"]),
        (0, 0, before, after),
        (1, single["dilations"]),
        node.integer("group", 1),
        bias is not None,
    )
    filters = Constant(weight.array[:, :, None], weight.origin)
    weights = {"weight": filters} if bias is None else {"weight": filters, "bias": bias}
    y = reader.emit(node, op, row, weights=weights)
    return reader.emit(node, ops.Reshape((y.shape[0], y.shape[2])), y)


@rule("ConvTranspose")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, weight, bias = reader.plain(node.input(0)), reader.weight(node, 1), _bias(node, reader)
    if weight.array.ndim != 4 or node.attributes.get("output_shape"):
        raise ReadError("gives its output's size, or is not over two axes", advice="export it with padding in numbers")
    kernel = pair(node.integers("kernel_shape"), weight.array.shape[2:], node)
    stride, dilation = (pair(node.integers(name), (1, 1), node) for name in ("strides", "dilations"))
    pads, more = padding(node, x, kernel, stride, dilation), pair(node.integers("output_padding"), (0, 0), node)
    if pads == "same" or node.word("auto_pad", "NOTSET") == "SAME_LOWER":
        pads, more = _same_transposed(node, kernel, stride, dilation)
    groups = node.integer("group", 1)
    op = ops.ConvTranspose(
        weight.array.shape[1] * groups,
        kernel,
        stride,
        bias is not None,
        padding=pads,
        output_padding=more,
        dilation=dilation,
        groups=groups,
    )
    return reader.emit(node, op, x, weights={"weight": weight} if bias is None else {"weight": weight, "bias": bias})


def _same_transposed(node: OnnxNode, kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pads, Pair]:
    """Padding by which the output is `stride` times the input's size."""
    ends: list[tuple[int, int]] = []
    more: list[int] = []
    for k, s, d in zip(kernel, stride, dilation, strict=True):
        total = d * (k - 1) + 1 - s
        before = max(total, 0) // 2 if node.word("auto_pad", "") == "SAME_UPPER" else -(-max(total, 0) // 2)
        ends.append((before, max(total, 0) - before))
        more.append(max(-total, 0))
    return (*ends[0], *ends[1]), (more[0], more[1])


def _bias(node: OnnxNode, reader: Reader) -> Constant | None:
    return reader.weight(node, 2) if node.input(2) else None


def pair(given: tuple[int, ...] | None, default: tuple[int, ...], node: OnnxNode) -> Pair:
    """(vertical, horizontal). Raises ReadError for another number of axes."""
    values = default if given is None else given
    if len(values) != 2:
        raise ReadError(f"works over {len(values)} axes", place=node.place, advice="pictures have two")
    return int(values[0]), int(values[1])


def padding(node: OnnxNode, x: Feature, kernel: Pair, stride: Pair, dilation: Pair) -> Padding:
    """(top, bottom, left, right) or "same", from `pads` or `auto_pad`."""
    rule_name = node.word("auto_pad", "NOTSET")
    if rule_name == "SAME_UPPER":
        return "same"
    if rule_name == "SAME_LOWER":
        height, width = x.shape[1:]
        bottom, top = same(height, kernel[0], stride[0], dilation[0])
        right, left = same(width, kernel[1], stride[1], dilation[1])
        return top, bottom, left, right
    pads = node.integers("pads")
    if rule_name == "VALID" or pads is None:
        return 0, 0, 0, 0
    if len(pads) != 4:
        raise ReadError(f"pads {len(pads) // 2} axes", advice="pictures have two")
    top, left, bottom, right = pads
    return top, bottom, left, right


@rule("DepthToSpace")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, block = reader.plain(node.input(0)), node.integer("blocksize", 1)
    if node.word("mode", "DCR") == "CRD":
        return reader.emit(node, ops.PixelShuffle(block), x)
    channels, height, width = x.shape
    split = reader.emit(node, ops.Reshape((block, block, channels // block**2, height, width)), x)
    mixed = reader.emit(node, ops.Permute((2, 3, 0, 4, 1)), split)
    return reader.emit(node, ops.Reshape((channels // block**2, height * block, width * block)), mixed)


@rule("SpaceToDepth")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, block = reader.plain(node.input(0)), node.integer("blocksize", 1)
    channels, height, width = x.shape
    split = reader.emit(node, ops.Reshape((channels, height // block, block, width // block, block)), x)
    mixed = reader.emit(node, ops.Permute((2, 4, 0, 1, 3)), split)
    return reader.emit(node, ops.Reshape((channels * block**2, height // block, width // block)), mixed)


def channels_first(reader: Reader, name: str) -> tuple[Feature, tuple[int, ...]]:
    """A feature whose channels the graph sees first after the batch, and the order in which it sees its axes."""
    feature = reader.feature(name)
    if feature.axes[:2] != (0, 1):
        feature = reader.plain(name)
    return base(feature), feature.axes
