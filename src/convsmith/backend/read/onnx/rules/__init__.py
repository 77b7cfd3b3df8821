"""What each ONNX operator is in a network, one file for each kind. Importing them adds their rules to the reader's."""

from __future__ import annotations

from convsmith.backend.read.onnx.rules import (  # noqa: F401  (they add their rules)
    activation,
    arithmetic,
    compare,
    convolution,
    formulas,
    linear,
    merge,
    norm,
    pool,
    quantize,
    rearrange,
    resample,
)
