"""Rules for normalisation, and for norms that exporters write out in means and roots."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convsmith.backend.read.onnx.graph import Array, OnnxNode
from convsmith.backend.read.onnx.reader import Reader, base, pattern, rule
from convsmith.backend.read.onnx.rules.activation import rounded
from convsmith.backend.read.onnx.rules.convolution import channels_first
from convsmith.backend.read.onnx.rules.match import Call, Name, call, matches
from convsmith.backend.read.onnx.values import Constant, Feature
from convsmith.errors import ReadError
from convsmith.network import ops

MEAN, VARIANCE = "running_mean", "running_var"


@rule("BatchNormalization")
def _(node: OnnxNode, reader: Reader) -> Feature:
    if node.integer("training_mode", 0) or any(node.outputs[1:]):
        raise ReadError("is a batch norm in training", advice="export the model in evaluation mode")
    x, axes = channels_first(reader, node.input(0))
    if node.integer("spatial", 1) == 0 and len(x.shape) > 1:
        raise ReadError("has statistics for each position", advice="a batch norm has them for each channel")
    names = ("weight", "bias", MEAN, VARIANCE)
    weights = {name: reader.weight(node, index) for index, name in enumerate(names, 1)}
    # ONNX states one minus our momentum.
    op = ops.BatchNorm(rounded(node.number("epsilon", 1e-5)), rounded(1 - rounded(node.number("momentum", 0.9))))
    return replace(reader.emit(node, op, x, weights=weights), axes=axes)


@rule("InstanceNormalization")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, axes = channels_first(reader, node.input(0))
    eps = rounded(node.number("epsilon", 1e-5))
    weight, bias = reader.weight(node, 1), reader.weight(node, 2)
    # Ones and zeros that are no parameters stand for none.
    given = reader.is_parameter(weight) or reader.is_parameter(bias)
    plain = not given and bool(np.all(weight.array == 1) and np.all(bias.array == 0))
    if len(x.shape) != 3:
        if not plain:
            raise ReadError("normalises a value that is no feature map", advice="use it on (N, C, H, W)")
        return _group_norm(node, reader, x, eps)
    op = ops.InstanceNorm(eps, scale=not plain, bias=not plain)
    weights = {} if plain else {"weight": weight, "bias": bias}
    return replace(reader.emit(node, op, x, weights=weights), axes=axes)


def _group_norm(node: OnnxNode, reader: Reader, x: Feature, eps: float) -> Feature:
    """(groups, C / groups * H * W) of a map normalised by row, which is how exporters write group norm."""
    step = reader.step_of(x)
    if step is not None and isinstance(step.op, ops.Reshape):
        whole = Feature.plain(step.inputs[0], reader.shape(step.inputs[0]))
        if whole.shape[0] % x.shape[0] == 0:
            op = ops.GroupNorm(x.shape[0], eps, scale=False, bias=False)
            return reader.emit(node, ops.Reshape(x.shape), reader.emit(node, op, whole))
    return reader.emit(node, ops.GroupNorm(x.shape[0], eps, scale=False, bias=False), x)


@rule("GroupNormalization")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, axes = channels_first(reader, node.input(0))
    groups, channels = node.integer("num_groups", 1), x.shape[0]
    weights = {}
    for index, name in enumerate(("weight", "bias"), 1):
        known = reader.weight(node, index)
        array = known.array
        if array.size == groups != channels:  # opset 18: a number for each group
            array = np.repeat(array, channels // groups)
        weights[name] = Constant(array, known.origin)
    op = ops.GroupNorm(groups, rounded(node.number("epsilon", 1e-5)))
    return replace(reader.emit(node, op, x, weights=weights), axes=axes)


@rule("LayerNormalization")
def _(node: OnnxNode, reader: Reader) -> Feature:
    if any(node.outputs[1:]) and any(reader.graph.uses.get(name) for name in node.outputs[1:]):
        raise ReadError("gives its mean and deviation, too", advice="export the model in evaluation mode")
    x, over, order = _over(node, reader)
    weights = _scale(node, reader, x, over, order)
    if node.input(2):
        weights["bias"] = _spread(reader.weight(node, 2), x, over, order)
    op = ops.LayerNorm(over, rounded(node.number("epsilon", 1e-5)), "weight" in weights, "bias" in weights)
    return replace(reader.emit(node, op, base(x), weights=weights), axes=x.axes)


@rule("RMSNormalization")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x, over, order = _over(node, reader)
    weights = _scale(node, reader, x, over, order)
    op = ops.RMSNorm(over, rounded(node.number("epsilon", 1e-5)), "weight" in weights)
    return replace(reader.emit(node, op, base(x), weights=weights), axes=x.axes)


def _over(node: OnnxNode, reader: Reader) -> tuple[Feature, tuple[int, ...], tuple[int, ...]]:
    """A norm's input, the axes of its shape that it goes over, and the order in which the graph sees these."""
    x = reader.feature(node.input(0))
    first = node.integer("axis", -1) % x.rank
    seen = tuple(x.axis(axis) for axis in range(first, x.rank))
    return x, tuple(sorted(seen)), seen


def _scale(
    node: OnnxNode, reader: Reader, x: Feature, over: tuple[int, ...], seen: tuple[int, ...]
) -> dict[str, Constant]:
    """The weight of a norm that ONNX wants to have one; ones that are no parameter stand for none."""
    known = reader.weight(node, 1)
    if not reader.is_parameter(known) and np.all(known.array == 1):
        return {}
    return {"weight": _spread(known, x, over, seen)}


def _spread(known: Constant, x: Feature, over: tuple[int, ...], seen: tuple[int, ...]) -> Constant:
    """A weight in the order of the feature's own axes."""
    sizes = tuple(x.shape[axis] for axis in seen)
    array: Array = np.broadcast_to(known.array, sizes)
    return Constant(array.transpose([seen.index(axis) for axis in over]), known.origin)


@rule("LpNormalization")
def _(node: OnnxNode, reader: Reader) -> Feature:
    x = reader.feature(node.input(0))
    if node.integer("p", 2) != 2:
        raise ReadError("normalises by sums", advice="L2 norms have lengths of 1")
    op = ops.L2Norm((x.axis(node.integer("axis", -1)),))
    return replace(reader.emit(node, op, base(x)), axes=x.axes)


@pattern("Div")
def _(node: OnnxNode, reader: Reader) -> Feature | None:
    """x divided by its length, or by a least length: as PyTorch and convsmith write unit vectors."""
    divisor = _seen_through(reader, node.input(1), "Expand")
    if divisor is None or divisor.kind not in ("Clip", "Max"):
        return None
    length, least = reader.maker(divisor.input(0)), reader.constant(divisor.input(1))
    if length is None or length.kind != "ReduceL2" or reader.root(length.input(0)) != reader.root(node.input(0)):
        return None
    eps = node.number("min", 0.0) if least is None else float(least.array.reshape(()))
    if eps < 0 or not length.integer("keepdims", 1) or divisor.input(2):
        return None
    x = reader.feature(length.input(0))
    op = ops.L2Norm(reduced_axes(length, reader, x), rounded(eps))
    return replace(reader.emit(node, op, base(x)), axes=x.axes)


def _seen_through(reader: Reader, name: str, kind: str) -> OnnxNode | None:
    node = reader.maker(name)
    return reader.maker(node.input(0)) if node is not None and node.kind == kind else node


@rule("LRN")
def _(node: OnnxNode, reader: Reader) -> Feature:
    size, alpha = node.integer("size", 1), rounded(node.number("alpha", 1e-4))
    beta, k = rounded(node.number("beta", 0.75)), rounded(node.number("bias", 1.0))
    return reader.emit(node, ops.LocalResponseNorm(size, alpha, beta, k), reader.plain(node.input(0)))


X, D, EPS = Name("x"), Name("d"), Name("eps")
MEANS = call("ReduceMean", X)
VARIANCES = tuple(call("ReduceMean", square) for square in (call("Pow", D, 2.0), call("Mul", D, D)))
ROOTS = tuple(call("Sqrt", call("Add", variance, EPS)) for variance in VARIANCES)
SQUARES = tuple(call("ReduceMean", square) for square in (call("Pow", X, 2.0), call("Mul", X, X)))
RMS = tuple(call("Sqrt", call("Add", square, EPS)) for square in SQUARES)
CENTRED = call("Sub", X, MEANS)
ENERGY = Name("energy")
RESPONSE = call("Div", X, call("Pow", call("Add", call("Mul", ENERGY, Name("alpha")), Name("k")), Name("beta")))


@pattern("Div", "Mul")
def _(node: OnnxNode, reader: Reader) -> Feature | None:
    """Layer norm: the difference from the mean, divided by the root of the mean of its square."""
    for root in ROOTS:
        for whole in (call("Div", D, root), call("Mul", D, call("Reciprocal", root))):
            bound = matches(whole, node.outputs[0], reader) if whole.kind == node.kind else None
            centred = None if bound is None else matches(CENTRED, bound["d"], reader)
            if bound is None or centred is None:
                continue
            x, axes = reader.feature(centred["x"]), _reduced(reader, whole, node, centred["x"])
            eps = reader.constant(bound["eps"])
            if axes is None or eps is None:
                return None
            op = ops.LayerNorm(axes, rounded(float(eps.array.reshape(()))), scale=False, bias=False)
            return replace(reader.emit(node, op, base(x)), axes=x.axes)
    return None


def _reduced(reader: Reader, whole: Call, node: OnnxNode, x: str) -> tuple[int, ...] | None:
    """The axes of x's shape that the mean in a layer norm goes over."""
    difference = reader.maker(node.input(0))
    if difference is None or difference.kind != "Sub":
        difference = reader.maker(node.input(1))
    mean = None if difference is None else reader.maker(difference.input(1))
    if mean is None or mean.kind != "ReduceMean":
        return None
    return reduced_axes(mean, reader, reader.feature(x))


def reduced_axes(node: OnnxNode, reader: Reader, x: Feature) -> tuple[int, ...]:
    """The axes of a feature's shape that a reduction goes over. Raises ReadError if the batch is among them."""
    given = reader.array(node, 1)
    seen = node.integers("axes") if given is None else tuple(int(axis) for axis in given.ravel())
    if not seen:
        seen = () if node.integer("noop_with_empty_axes", 0) else tuple(range(x.rank))
    return tuple(sorted(x.axis(axis) for axis in seen))


@pattern("Div")
def _(node: OnnxNode, reader: Reader) -> Feature | None:
    """x divided by the root of the mean of its square: a norm without a mean."""
    for root in RMS:
        bound = matches(call("Div", X, root), node.outputs[0], reader)
        eps = None if bound is None else reader.constant(bound["eps"])
        if bound is None or eps is None:
            continue
        outer = reader.maker(node.input(1))
        total = reader.maker(outer.input(0)) if outer is not None else None
        mean = _reduction(reader, total) if total is not None else None
        if mean is None:
            return None
        x = reader.feature(bound["x"])
        op = ops.RMSNorm(reduced_axes(mean, reader, x), rounded(float(eps.array.reshape(()))), scale=False)
        return replace(reader.emit(node, op, base(x)), axes=x.axes)
    return None


def _reduction(reader: Reader, total: OnnxNode) -> OnnxNode | None:
    """The mean in mean + eps."""
    makers = (reader.maker(name) for name in total.inputs)
    return next((maker for maker in makers if maker is not None and maker.kind == "ReduceMean"), None)


@pattern("Div")
def _(node: OnnxNode, reader: Reader) -> Feature | None:
    """Local response norm by a mean over neighbouring channels, as PyTorch writes it: x / (k + alpha mean) ^ beta."""
    bound = matches(RESPONSE, node.outputs[0], reader)
    if bound is None:
        return None
    numbers = [reader.constant(bound[name]) for name in ("alpha", "k", "beta")]
    pool = _window_over_channels(reader, bound["energy"], bound["x"])
    if pool is None or any(number is None or number.array.size != 1 for number in numbers):
        return None
    alpha, k, beta = (rounded(float(number.array.reshape(()))) for number in numbers if number is not None)
    size = max(pool.integers("kernel_shape") or (1,))
    return reader.emit(node, ops.LocalResponseNorm(size, alpha, beta, k), reader.plain(bound["x"]))


REARRANGING = ("Reshape", "Squeeze", "Unsqueeze", "Pad", "If")


def _window_over_channels(reader: Reader, energy: str, x: str) -> OnnxNode | None:
    """The mean pooling by which `energy` is made of the square of x, through whatever rearranges it."""
    pool, node = None, reader.maker(energy)
    for _ in range(16):
        if node is None:
            return None
        if node.kind == "AveragePool" and pool is None:
            pool, node = node, reader.maker(node.input(0))
        elif node.kind == "If":
            node = next((maker for maker in map(reader.maker, node.inputs[1:]) if maker is not None), None)
        elif node.kind in REARRANGING:
            node = reader.maker(node.input(0))
        else:
            squares = (call("Mul", Name("x"), Name("x")), call("Pow", Name("x"), 2.0))
            found = [matches(square, node.outputs[0], reader) for square in squares]
            return pool if any(bound is not None and bound["x"] == x for bound in found) else None
    return None
