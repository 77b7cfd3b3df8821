"""Quantization after training: a trained model, some images -> weights and feature maps in few bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from convsmith.compression.outcome import Outcome, Touched, Untouched
from convsmith.compression.quantization.bias import with_corrected_biases
from convsmith.compression.quantization.calibrate import Calibration, calibrated
from convsmith.compression.quantization.equalize import equalized
from convsmith.compression.quantization.groups import groups
from convsmith.compression.quantization.weights import binary, least_error, ternary
from convsmith.compression.sample import Sample, loss_and_accuracy
from convsmith.errors import UsageError
from convsmith.model import Model, fuse_norm
from convsmith.model.rounding import (
    Rounded,
    Rounding,
    integer_weights,
    nearest_to_largest,
    round_biases,
    round_weights,
)
from convsmith.network import Network
from convsmith.network.storage import IntegerStorage
from convsmith.transform.quantize import Range, quantize_activations

WeightRule = Literal["largest", "least-error", "ternary", "binary"]

RULES: Mapping[WeightRule, Rounding] = {
    "largest": nearest_to_largest,
    "least-error": least_error,
    "ternary": ternary,
    "binary": binary,
}
SENSITIVITY_IMAGES = 128
"""On which each layer's share in the loss is measured: as many passes as there are layers."""

ENDS_BITS = 8
"""Of the first and the last layer, where the others have fewer: accuracy hangs on these few weights."""


@dataclass(frozen=True)
class Quantization:
    """How a model is brought to few bits.

    - `bits` of the weights, 2 to 8, by the rule `weights`: the step reaches the "largest" of each output channel, or is
      that of the "least-error"; "ternary" and "binary" ones take 2 bits. With fewer than 8 bits the first and the last
      layer keep 8.
    - `calibration` says where the 8-bit grids of feature maps end: "minmax", at the smallest and largest value;
      "percentile", which leaves `percentile` of the values below; "mse", least squared error; "entropy", least
      divergence (Migacz 2017). None: feature maps stay floats, and only the weights are stored in few bits.
    - `equalize` balances channels between layers first, `correct_biases` puts right what rounding does to each
      channel's mean (both Nagel et al. 2019).
    - `max_drop` is the share of the images, 0.003 for 0.3 points, that may be lost: the layers that lose most are then
      computed in floats, as few as suffice.

    Raises UsageError out of range.
    """

    bits: int = 8
    weights: WeightRule = "largest"
    calibration: Calibration | None = "minmax"
    percentile: float = 99.99
    equalize: bool = False
    correct_biases: bool = True
    max_drop: float | None = None

    def __post_init__(self) -> None:
        for wrong, message, settings in (
            (not 2 <= self.bits <= 8, f"weights are rounded to 2 to 8 bits, not {self.bits}", "bits"),
            (self.weights in ("ternary", "binary") and self.bits not in (2, 8), "such weights have 2 bits", "bits"),
            (not 50 < self.percentile <= 100, f"a percentile is above 50, not {self.percentile:g}", "percentile"),
            (self.max_drop is not None and not 0 <= self.max_drop <= 1, "a drop is a share, 0 to 1", "max_drop"),
        ):
            if wrong:
                raise UsageError(message, settings=settings)

    @property
    def weight_bits(self) -> int:
        return 2 if self.weights in ("ternary", "binary") else self.bits


def quantized(model: Model, sample: Sample, settings: Quantization = Quantization()) -> Outcome:
    """The model with weights and feature maps in few bits, calibrated on a sample; no training.

    Norms are folded, weights rounded with one scale for each output channel, `Quantize` put behind the layers, and
    biases corrected. The result is a model like any other: its file holds the integers, `export` writes them as
    QuantizeLinear and DequantizeLinear, which ONNX Runtime and OpenVINO compute in integers. Labels of the sample are
    used with `max_drop` only.

    Raises UsageError as `observe` does, and for a network without any layer to round.
    """
    whole = ready(model, settings)
    ranges: Mapping[str, Range] | None = None
    if settings.calibration is not None:
        ranges = calibrated(whole, sample, settings.calibration, settings.percentile, bits=8)
    made = _Quantizer(whole, ranges, sample, settings)
    floating = () if settings.max_drop is None else _floating(made, model, settings.max_drop)
    return made.outcome(floating)


def ready(model: Model, settings: Quantization) -> Model:
    """The model as it is rounded: norms folded, channels balanced if asked. Raises UsageError if nothing can be."""
    whole = fuse_norm(model.inference)
    if settings.equalize:
        whole, _ = equalized(whole)
    if not integer_weights(whole.network):
        raise UsageError(f"{model.network.name} has no convolution or dense layer to round")
    return whole


@dataclass(frozen=True, eq=False)
class _Quantizer:
    """A model that is ready to be rounded, with the ranges of its feature maps; None: these stay floats."""

    whole: Model
    ranges: Mapping[str, Range] | None
    sample: Sample
    settings: Quantization

    def model(self, floating: tuple[str, ...] = ()) -> Model:
        """The rounded model, these layers and what follows them element by element being computed in floats."""
        found = groups(self.whole.network)
        apart = tuple(name for owner in floating for name in found[owner])
        storage = {key: value for key, value in self.storage().items() if key.rpartition(".")[0] not in floating}
        rounded = round_weights(self.whole, storage, self._rounding)
        if self.ranges is not None:
            rounded = replace(rounded, network=quantize_activations(rounded.network, self.ranges, floating=apart))
        if self.settings.correct_biases:
            rounded = with_corrected_biases(rounded, self.whole, self.sample.images)
        return replace(round_biases(rounded), metrics={})

    def storage(self) -> dict[str, IntegerStorage]:
        """How each weight is to be stored."""
        bits = self.settings.weight_bits
        stored = integer_weights(self.whole.network, bits)
        wide = integer_weights(self.whole.network, ENDS_BITS)
        ends = {next(iter(stored)), list(stored)[-1]} if bits < ENDS_BITS else set()
        return {key: wide[key] if key in ends else value for key, value in stored.items()}

    def _rounding(self, storage: IntegerStorage, values: Tensor) -> Rounded:
        rule = self.settings.weights
        if storage.bits == ENDS_BITS and rule in ("ternary", "binary"):
            rule = "least-error"
        return RULES[rule](storage, values)

    def outcome(self, floating: tuple[str, ...]) -> Outcome:
        model = self.model(floating)
        stored = dict(model.network.storage)
        touched, untouched = [], [Untouched(name, "it would lose most: kept in floats") for name in floating]
        for key, storage in self.storage().items():
            layer = key.rpartition(".")[0]
            if key in stored:
                touched.append(Touched(layer, f"bits a weight ({_how(self.settings, storage)})", 32, storage.bits))
        untouched += _left(self.whole.network, set(self.storage()))
        return Outcome(model, tuple(touched), tuple(untouched))


def _how(settings: Quantization, storage: IntegerStorage) -> str:
    return settings.weights if storage.bits == settings.weight_bits else "least-error"


def _left(net: Network, stored: set[str]) -> list[Untouched]:
    """Layers whose parameters stay floats, biases apart."""
    return [
        Untouched(node.name, f"a {node.op.kind} has no integer kernel for its weights")
        for node in net
        if net.parameters_of(node) and f"{node.name}.weight" not in stored
    ]


def sensitivities(made: _Quantizer) -> dict[str, float]:
    """By how much the loss rises where only this layer is rounded, by name, the largest first."""
    few = Sample(made.sample.images[:SENSITIVITY_IMAGES], made.sample.labels[:SENSITIVITY_IMAGES])
    layers = [key.rpartition(".")[0] for key in made.storage()]
    plain = replace(made, settings=replace(made.settings, correct_biases=False))
    before, _ = loss_and_accuracy(made.whole, few)
    rise = {}
    for layer in layers:
        alone = plain.model(tuple(other for other in layers if other != layer))
        rise[layer] = loss_and_accuracy(alone, few)[0] - before
    return dict(sorted(rise.items(), key=lambda one: -one[1]))


def _floating(made: _Quantizer, model: Model, max_drop: float) -> tuple[str, ...]:
    """The fewest of the most sensitive layers, found by doubling, without which no more than `max_drop` is lost; all of
    them where nothing less suffices."""
    _, before = loss_and_accuracy(model, made.sample)

    def lost(floating: tuple[str, ...]) -> float:
        return before - loss_and_accuracy(made.model(floating), made.sample)[1]

    if lost(()) <= max_drop:
        return ()
    order = tuple(sensitivities(made))
    low, high = 0, 1
    while high < len(order) and lost(order[:high]) > max_drop:
        low, high = high, 2 * high
    high = min(high, len(order))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if lost(order[:middle]) > max_drop else (low, middle)
    return order[:high]
