"""A product or sum by channel that belongs to the layer before it: a bias written apart, a norm's weight, an affine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from convsmith.backend.read.onnx.graph import OnnxNode
from convsmith.backend.read.onnx.reader import Reader
from convsmith.backend.read.onnx.values import Constant, Feature, Step, only_channels
from convsmith.network import ops
from convsmith.network.ops import Op

Norm = ops.GroupNorm | ops.InstanceNorm | ops.LayerNorm | ops.RMSNorm


def absorb_shift(node: OnnxNode, reader: Reader, name: str, x: Feature, shift: Constant) -> Feature | None:
    """The layer before with this sum in it; None where it has no room for one, or others need it without."""
    step = _free(reader, name, x)
    if step is None:
        return None
    op = step.op
    if isinstance(op, ops.Scale) and op.shift == 0 and shift.array.size == 1 and not reader.is_parameter(shift):
        return _again(node, reader, step, x, replace(op, shift=float(f"{float(shift.array.reshape(())):.7g}")), {})
    if isinstance(op, ops.Conv | ops.ConvTranspose) and not op.bias:
        bias = _by_channel(shift, x.shape[0])
        return _with_bias(node, reader, step, x, bias)
    if isinstance(op, ops.Linear) and not op.bias:
        bias = _by_last(shift, x.shape)
        return _with_bias(node, reader, step, x, bias)
    if isinstance(op, ops.GroupNorm | ops.InstanceNorm | ops.LayerNorm) and op.scale and not op.bias:
        bias = _for_norm(op, shift, x.shape)
        return _with_bias(node, reader, step, x, bias)
    if isinstance(op, ops.Multiply) and len(x.shape) == 3:
        return _affine(node, reader, step, x, shift)
    return None


def absorb_factor(node: OnnxNode, reader: Reader, name: str, x: Feature, factor: Constant) -> Feature | None:
    """The layer before with this product in it; None where it has no room for one, or others need it without."""
    step = _free(reader, name, x)
    if step is None:
        return None
    op = step.op
    if isinstance(op, Norm) and not op.scale and not getattr(op, "bias", False):
        weight = _for_norm(op, factor, x.shape)
        if weight is not None:
            return _again(node, reader, step, x, replace(op, scale=True), {"weight": weight})
    if isinstance(op, ops.Subtract) and len(x.shape) == 3:
        return _fixed_norm(node, reader, step, x, factor)
    return None


def _with_bias(node: OnnxNode, reader: Reader, step: Step, x: Feature, bias: Constant | None) -> Feature | None:
    if bias is None:
        return None
    op: Op = replace(step.op, bias=True)  # type: ignore[call-arg]
    return _again(node, reader, step, x, op, {"bias": bias})


def _free(reader: Reader, name: str, x: Feature) -> Step | None:
    """The step that makes x, if nothing else takes it."""
    return reader.step_of(x) if reader.used_once(name) else None


def _again(node: OnnxNode, reader: Reader, step: Step, x: Feature, op: Op, more: Mapping[str, Constant]) -> Feature:
    """The step once more, as another op: the first is left out in the end, since nothing takes it."""
    inputs = [Feature.plain(index, reader.shape(index)) for index in step.inputs]
    name = step.node if step.weights else node
    return replace(reader.emit(name, op, *inputs, weights={**step.weights, **more}), axes=x.axes)


def _by_channel(known: Constant, channels: int) -> Constant | None:
    """(C,) of an aligned constant; None if it differs between positions."""
    if not only_channels(known.array) or known.array.size not in (1, channels):
        return None
    row = np.broadcast_to(known.array.reshape(-1), (channels,))
    return Constant(row, known.origin)


def _by_last(known: Constant, shape: tuple[int, ...]) -> Constant | None:
    if known.array.size != known.array.shape[-1] or known.array.size not in (1, shape[-1]):
        return None
    return Constant(np.broadcast_to(known.array.reshape(-1), (shape[-1],)), known.origin)


def _for_norm(op: Norm, known: Constant, shape: tuple[int, ...]) -> Constant | None:
    """A norm's weight or bias: by channel, or of the axes that a layer norm goes over."""
    if not isinstance(op, ops.LayerNorm | ops.RMSNorm):
        return _by_channel(known, shape[0])
    over = tuple(size if axis in op.axes else 1 for axis, size in enumerate(shape))
    if known.array.size == 1 or any(a not in (1, b) for a, b in zip(known.array.shape, over, strict=True)):
        return None
    full = np.broadcast_to(known.array, over)
    return Constant(full.reshape([shape[axis] for axis in op.axes]), known.origin)


def _affine(node: OnnxNode, reader: Reader, step: Step, x: Feature, shift: Constant) -> Feature | None:
    """x * weight + bias with numbers for each channel."""
    weight, bias = _second(reader, step), _by_channel(shift, x.shape[0])
    if weight is None or bias is None or shift.array.size == 1:
        return None
    inputs = Feature.plain(step.inputs[0], reader.shape(step.inputs[0]))
    if inputs.shape != x.shape:
        return None
    made = reader.emit(node, ops.Affine(), inputs, weights={"weight": weight, "bias": bias})
    return replace(made, axes=x.axes)


def _fixed_norm(node: OnnxNode, reader: Reader, step: Step, x: Feature, factor: Constant) -> Feature | None:
    """(x - mean) * factor with numbers for each channel: variance is 1 / factor^2."""
    mean, inverse = _second(reader, step), _by_channel(factor, x.shape[0])
    if mean is None or inverse is None or not np.all(inverse.array > 0):
        return None
    variance = (inverse.array.astype(np.float64) ** -2).astype(np.float32)
    inputs = Feature.plain(step.inputs[0], reader.shape(step.inputs[0]))
    if inputs.shape != x.shape:
        return None
    made = reader.emit(node, ops.FixedNorm(), inputs, weights={"mean": mean, "variance": Constant(variance)})
    return replace(made, axes=x.axes)


def _second(reader: Reader, step: Step) -> Constant | None:
    """(C,) of the constant that a step joins to its first input; None if its second input is no such constant."""
    other = reader.steps[step.inputs[1]] if step.inputs[1] >= 0 else None
    if other is None or not isinstance(other.op, ops.Constant):
        return None
    return _by_channel(other.weights["value"], reader.shape(step.inputs[0])[0])
