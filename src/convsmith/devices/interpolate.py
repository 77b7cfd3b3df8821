"""From measured operators to any: a Gaussian process on the logarithms of times, over `features`.

Rasmussen and Williams 2006, sections 2.2 (prediction), 2.7 (a linear mean) and 5.4 (hyperparameters by marginal
likelihood). Between measured operators it interpolates smoothly; beyond them it falls back to a power law of sizes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from convsmith.devices.features import matrix
from convsmith.devices.unit import Unit

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

MOST_FOR_LENGTHS = 300
"""Operators from which the lengths are found; finding them costs their number to the third."""
MOST_OPERATORS = 1500
"""Operators of one kind that are interpolated between."""
FEWEST_OPERATORS = 12
"""Operators below which only the power law is fitted."""
RIDGE = 1e-2
MACS_A_NUMBER, START = 16, 1000
"""Multiply-adds, and numbers, that take about as long as one number read or written, and as an operator's start."""
OUTLIER_DEVIATIONS = 8.0
OUTLIER_FACTOR = 1.5
"""Residuals beyond so many robust standard deviations, and e to the power of this, are disturbed measurements."""


@dataclass(frozen=True)
class Fit:
    """The fitted numbers of one kind of operator: with the measured rows, all that prediction needs.

    `columns` are the features that differ within the kind; each is brought to mean 0 and deviation 1 by `center` and
    `scale`. The mean is `offset` plus `slopes` times these plus what `functions` says of the operator's function;
    residuals have the Matern 5/2 kernel of `lengths`, variance `amplitude` and noise variance `noise`. All are of
    natural logarithms of ms.
    """

    kind: str
    blocked: bool
    columns: tuple[int, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    offset: float
    slopes: tuple[float, ...]
    functions: dict[str, float] = field(default_factory=dict)
    lengths: tuple[float, ...] = ()
    amplitude: float = 0.0
    noise: float = 1.0

    def standard(self, units: Sequence[Unit]) -> Matrix:
        """The features of operators, brought to mean 0 and deviation 1."""
        points = matrix(units)[:, list(self.columns)]
        return np.asarray((points - np.array(self.center)) / np.array(self.scale))

    def mean(self, inputs: Matrix, units: Sequence[Unit]) -> Vector:
        """The logarithms of ms without the process: what its work takes, a power law, a factor for each function."""
        factors = np.array([self.functions.get(unit.function, 0.0) for unit in units])
        return np.asarray(self.offset + inputs @ np.array(self.slopes) + factors + work(units))


def fit(kind: str, blocked: bool, units: Sequence[Unit], times: Vector) -> tuple[Fit, NDArray[np.bool_]]:
    """Fits one kind of operator to ms (operators,); and which operators are kept.

    Left out are those that were disturbed while they were measured: far slower than others like them.
    """
    targets, points = np.log(times), matrix(units)
    columns = tuple(int(i) for i in np.flatnonzero(np.ptp(points, axis=0) > 1e-9))
    center, scale = points[:, columns].mean(axis=0), points[:, columns].std(axis=0)
    made = Fit(kind, blocked, columns, _tuple(center), _tuple(scale), 0.0, (0.0,) * len(columns))
    inputs, kept = made.standard(units), np.ones(len(units), bool)
    for _ in range(3):
        made = _with_mean(made, inputs, units, targets, kept)
        residuals = targets - made.mean(inputs, units)
        deviation = 1.4826 * float(np.median(np.abs(residuals[kept]))) + 1e-3
        kept = np.asarray(residuals < max(OUTLIER_DEVIATIONS * deviation, OUTLIER_FACTOR))
    if kept.sum() < FEWEST_OPERATORS or not columns:
        return made, kept
    lengths, amplitude, noise = _hyperparameters(inputs[kept], residuals[kept])
    return replace(made, lengths=lengths, amplitude=amplitude, noise=noise), kept


def work(units: Sequence[Unit]) -> Vector:
    """The logarithm of what operators must do: numbers read and written, multiply-adds, and a constant, in numbers.

    With it as the mean, times beyond those that were measured grow with the work.
    """
    counts = [START + unit.moved + unit.weights + unit.macs / MACS_A_NUMBER for unit in units]
    return np.asarray(np.log(np.array(counts, np.float64)), np.float64)


class Process:
    """A fit, conditioned on its measured operators."""

    def __init__(self, fit: Fit, units: Sequence[Unit], times: Vector) -> None:
        self.fit = fit
        self._inputs = fit.standard(units)
        self._weights: Vector = np.zeros(len(units))
        if fit.lengths and len(units):
            residuals: Vector = np.log(times) - fit.mean(self._inputs, units)
            covariance = self._kernel(self._inputs) + fit.noise * np.eye(len(units))
            self._weights = np.asarray(np.linalg.solve(covariance, residuals), np.float64)

    def predict(self, units: Sequence[Unit]) -> Vector:
        """ms of operators."""
        inputs = self.fit.standard(units)
        logs = self.fit.mean(inputs, units)
        if self.fit.lengths and len(self._weights):
            logs = logs + self._kernel(inputs) @ self._weights
        return np.asarray(np.exp(logs))

    def _kernel(self, inputs: Matrix) -> Matrix:
        lengths = np.array(self.fit.lengths)
        return self.fit.amplitude * matern(inputs / lengths, self._inputs / lengths)


def matern(a: Matrix, b: Matrix) -> Matrix:
    """The Matern 5/2 kernel of points whose lengths are 1 (Rasmussen and Williams, eq. 4.17)."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    far = np.sqrt(5 * np.maximum(squares, 0))
    return np.asarray((1 + far + far**2 / 3) * np.exp(-far))


def _with_mean(made: Fit, inputs: Matrix, units: Sequence[Unit], targets: Vector, kept: NDArray[np.bool_]) -> Fit:
    """The fit with the power law and the functions' factors by ridge regression."""
    names = sorted({unit.function for unit in units})
    marks = np.array([[unit.function == name for name in names] for unit in units], np.float64)
    terms = np.concatenate([inputs, marks if len(names) > 1 else marks[:, :0]], axis=1)[kept]
    ridge = np.concatenate(
        [np.full(len(made.columns), 1 + RIDGE * len(terms)), np.ones(terms.shape[1] - len(made.columns))]
    )
    beside = targets[kept] - work(units)[kept]
    center, offset = terms.mean(axis=0), float(beside.mean())
    inner = terms - center
    found = np.linalg.solve(inner.T @ inner + np.diag(ridge), inner.T @ (beside - offset))
    slopes, factors = found[: len(made.columns)], found[len(made.columns) :]
    functions = dict(zip(names, _tuple(factors), strict=False))
    return replace(made, offset=offset - float(center @ found), slopes=_tuple(slopes), functions=functions)


def _hyperparameters(inputs: Matrix, residuals: Vector) -> tuple[tuple[float, ...], float, float]:
    """Lengths, amplitude and noise of the largest marginal likelihood, on some of the operators."""
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
    from sklearn.gaussian_process import GaussianProcessRegressor  # type: ignore[import-untyped]
    from sklearn.gaussian_process.kernels import (  # type: ignore[import-untyped]
        ConstantKernel,
        Matern,
        WhiteKernel,
    )

    some = np.random.default_rng(0).permutation(len(residuals))[:MOST_FOR_LENGTHS]
    variance = float(residuals.var()) + 1e-4
    kernel = ConstantKernel(variance, (1e-4, 1e2)) * Matern(np.full(inputs.shape[1], 3.0), (0.2, 100.0), nu=2.5)
    noisy = kernel + WhiteKernel(variance / 10, (1e-5, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound: that feature has no say
        found = GaussianProcessRegressor(noisy, normalize_y=False).fit(inputs[some], residuals[some]).kernel_
    return (
        _tuple(np.atleast_1d(found.k1.k2.length_scale)),
        float(found.k1.k1.constant_value),
        float(found.k2.noise_level),
    )


def _tuple(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
