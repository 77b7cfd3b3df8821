"""Training that knows that weights and feature maps will be rounded (Jacob et al. 2018, arXiv 1712.05877, section 3).

Each layer computes with rounded weights, while the optimizer moves the ones behind them: rounding passes gradients
straight through. Steps of the weights' grids are learned along (LSQ: Esser et al. 2020, arXiv 1902.08153).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from convsmith.compression.outcome import Outcome
from convsmith.compression.quantization.quantize import ENDS_BITS, RULES, Quantization, quantized, ready
from convsmith.compression.sample import Sample
from convsmith.data.dataset import Dataset
from convsmith.errors import UnknownNameError
from convsmith.evaluation.inference import best_device
from convsmith.model import Model
from convsmith.model.codecs.integers import nearest, on_grid
from convsmith.model.rounding import Rounded, Rounding, integer_weights, round_biases
from convsmith.network.storage import IntegerStorage
from convsmith.train.recipes.recipe import Recipe
from convsmith.train.run.loop import Observer, Training
from convsmith.train.run.store import RunStore
from convsmith.train.step.learner import AfterUpdate
from convsmith.train.step.objective import MeanLoss, Objective

Steps = Literal["learned", "rule"]

STEP = "weight_step"
"""The parameter of a layer that holds its learned steps."""
SMALLEST_STEP = 1e-8


def quantize_aware(
    model: Model,
    dataset: Dataset,
    recipe: Recipe,
    sample: Sample,
    settings: Quantization = Quantization(),  # noqa: B008  (frozen)
    *,
    steps: Steps = "learned",
    objective: Objective | MeanLoss | None = None,
    after_update: AfterUpdate | None = None,
    folder: Path | None = None,
    observers: Sequence[Observer] = (),
) -> Outcome:
    """What `quantized` makes of the model, after training by the recipe with everything rounded as it will be.

    Norms are folded and feature maps calibrated on the sample first; their grids stay. The steps of weights are
    "learned", or by the settings' "rule", anew for the weights of every update; ternary and binary weights always go by
    their rule. Steps compute in float32: bfloat16 is coarser than the grids. A learning rate of about a hundredth of
    that from scratch suits 8 bits, of a tenth fewer bits.

    The result is as `quantized` returns it: integers in the file, QuantizeLinear and DequantizeLinear in an export.
    `objective`, `after_update`, `folder` and `observers` are as in `retrained`; `objective=distilling(model, model)`
    has the whole model teach. Raises as `quantized` and `Training` do.
    """
    if steps not in ("learned", "rule"):
        raise UnknownNameError("way of finding steps", steps, ("learned", "rule"))
    start = quantized(model, sample, settings)
    module, rounding = prepared(start.model, ready(model, settings), settings, steps)
    with ExitStack() as stack:
        store = None if folder is None else RunStore(folder)
        if store is not None:
            observers = (stack.enter_context(store.log), *observers)
        training = Training(
            *(module.train().to(best_device()), dataset, model.preprocess, replace(recipe, precision="float32")),
            objective=objective,
            after_update=after_update,
            store=store,
            observers=observers,
        )
        training.advance()
        weights = {key: value.detach().cpu() for key, value in training.result().weights.items()}
    return replace(start, model=_rounded(start.model, weights, rounding))


@dataclass(frozen=True)
class FakeQuantization:
    """How a layer's weight is rounded in training: with steps of its own, or by a rule where `rule` is one."""

    storage: IntegerStorage
    rule: Rounding | None

    def __call__(self, weight: Tensor, step: Tensor | None) -> Tensor:
        """The rounded weight. Gradients reach the weight where it is not beyond the grid's ends, and the step."""
        if self.rule is not None:
            rounded = self.rule(self.storage, weight.detach())
            return on_grid(self.storage, rounded.integers, rounded.grid) + (weight - weight.detach())
        assert step is not None
        # LSQ, section 2.2: a step's gradient is a sum over weights. N counts the whole layer here as there: for the few
        # weights of a single channel the steps would be too fast, and collapse.
        share = 1 / sqrt(weight.numel() * self.storage.highest)
        scale = self._along(weight, _gently(step.clamp(min=SMALLEST_STEP), share))
        held = (weight / scale).clamp(self.storage.lowest, self.storage.highest)
        return (held.round().detach() + (held - held.detach())) * scale

    def rounded(self, weight: Tensor, step: Tensor | None) -> Rounded:
        """The integers, and their grid."""
        if self.rule is not None:
            return self.rule(self.storage, weight)
        assert step is not None
        grid = {"scale": step.clamp(min=SMALLEST_STEP)}
        return Rounded(nearest(self.storage, weight, grid), grid)

    def _along(self, weight: Tensor, step: Tensor) -> Tensor:
        if self.storage.axis is None:
            return step
        shape = [1] * weight.ndim
        shape[self.storage.axis] = -1
        return step.view(shape)


class _Aware:
    """Put before the class of a layer: whoever reads its weight gets the rounded one."""

    fake: FakeQuantization
    _parameters: Mapping[str, Tensor]

    @property
    def weight(self) -> Tensor:
        return self.fake(self._parameters["weight"], self._parameters.get(STEP))


def prepared(
    rounded: Model, whole: Model, settings: Quantization, steps: Steps
) -> tuple[nn.Module, dict[str, FakeQuantization]]:
    """The module of the rounded model whose layers hold the weights of the whole one and compute with rounded ones;
    and how each weight is rounded, by its key."""
    module, stored = rounded.module(), dict(rounded.network.storage)
    found: dict[str, FakeQuantization] = {}
    for key in integer_weights(rounded.network):
        storage = stored.get(key)
        if not isinstance(storage, IntegerStorage):
            continue  # a layer that is computed in floats
        layer = module.get_submodule(key.rpartition(".")[0])
        found[key] = FakeQuantization(storage, _rule(settings, storage, steps))
        with torch.no_grad():
            layer.get_parameter("weight").copy_(whole.weights[key])
        if found[key].rule is None:
            layer.register_parameter(STEP, nn.Parameter(rounded.grids[key]["scale"].clone()))
        layer.fake = found[key]  # type: ignore[assignment]  # no module, so a plain attribute
        layer.__class__ = type(f"Aware{type(layer).__name__}", (_Aware, type(layer)), {})
    return module, found


def _rule(settings: Quantization, storage: IntegerStorage, steps: Steps) -> Rounding | None:
    """By which a weight is rounded anew each time; None: by steps that are learned."""
    few = settings.weights in ("ternary", "binary")
    if few and storage.bits < ENDS_BITS:
        return RULES[settings.weights]
    return None if steps == "learned" else RULES["least-error" if few else settings.weights]


def _gently(step: Tensor, share: float) -> Tensor:
    """The step, and back to it a share of its gradient."""
    scaled = step * share
    return step.detach() + (scaled - scaled.detach())


def _rounded(model: Model, weights: Mapping[str, Tensor], rounding: Mapping[str, FakeQuantization]) -> Model:
    """The rounded model with the weights that training came to."""
    own, grids = {key: weights[key] for key in model.network.parameters}, dict(model.grids)
    for key, fake in rounding.items():
        layer = key.rpartition(".")[0]
        made = fake.rounded(weights[key], weights.get(f"{layer}.{STEP}"))
        own[key], grids[key] = on_grid(fake.storage, made.integers, made.grid), made.grid
    return round_biases(replace(model, weights=own, grids=grids))
