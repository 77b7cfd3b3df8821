"""What an exported graph takes, and in which version of ONNX's operators it is written."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import helper, version_converter

from convsmith.errors import ExportError, UsageError

OPSET = 20
"""Has Gelu; every ONNX Runtime since 1.17 runs it."""


@dataclass(frozen=True)
class Form:
    """The form of an exported graph.

    With `preprocess` it takes decoded images, uint8 (H, W, 3); without, the network's input, float32 (N, C, h, w), and
    a note in the file describes the preprocessing. `batch`: images come as (N, H, W, 3), all of one size. `size`: every
    image has this (H, W), so that engines without dynamic sizes take the graph.

    Raises UsageError for forms that contradict themselves.
    """

    preprocess: bool = True
    batch: bool = False
    size: tuple[int, int] | None = None
    opset: int = OPSET

    def __post_init__(self) -> None:
        newest = onnx.defs.onnx_opset_version()
        if not 1 <= self.opset <= newest:
            raise UsageError(f"must be from 1 to {newest}, not {self.opset}", settings="opset")
        if self.size is not None and min(self.size) < 1:
            raise UsageError("an image has at least one pixel a side", settings="image_size")
        if not self.preprocess and (self.batch or self.size is not None):
            asked = tuple(name for name, given in (("batch", self.batch), ("image_size", self.size)) if given)
            raise UsageError(
                "is about images, and without preprocessing there are none: the network's input is always a batch",
                settings=asked,
            )


def in_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The model, written in `OPSET`, in another version of the operators.

    Raises ExportError where it has an operator that the version cannot express; the message names the first that can.
    """
    if opset == OPSET:
        return model
    converted = _converted(model, opset)
    if converted is None:
        first = next(n for n in range(opset + 1, OPSET + 1) if n == OPSET or _converted(model, n) is not None)
        raise ExportError(
            f"{model.graph.name} cannot be written in opset {opset}; the first that can say it is {first}"
        )
    return converted


def _converted(model: onnx.ModelProto, opset: int) -> onnx.ModelProto | None:
    try:
        converted = version_converter.convert_version(model, opset)
        onnx.checker.check_model(converted)
    except (RuntimeError, onnx.checker.ValidationError, version_converter.ConvertError):
        return None
    oldest = helper.find_min_ir_version_for(list(converted.opset_import), ignore_unknown=True)
    converted.ir_version = oldest if opset < OPSET else max(model.ir_version, oldest)
    return converted
