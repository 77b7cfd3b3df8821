"""One rule for each torch operation that classifiers use. The rules stand in the files of their kind of operation."""

from __future__ import annotations

from convsmith.backend.read.module.rules import arithmetic, attention, layers, moves, norms, pieces, pointwise, pools  # noqa: F401
