"""One rule for each op: which torch layer or function computes it. The rules stand in the files of their kind of op."""

from __future__ import annotations

from convsmith.backend.lowering import arrange, convolution, merge, norm, pointwise, pool  # noqa: F401  (add rules)
from convsmith.backend.lowering.rule import Call, lower

__all__ = ["Call", "lower"]
