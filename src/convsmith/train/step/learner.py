"""One training step: forward, loss, backward, update, average."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from convsmith.train.recipes.recipe import FineTuning, Recipe
from convsmith.train.recipes.schedule import Updates, learning_rate
from convsmith.train.step.arithmetic import Arithmetic
from convsmith.train.step.compiling import compiled as compiled_forward
from convsmith.train.step.ema import ExponentialMovingAverage
from convsmith.train.step.freeze import Stages
from convsmith.train.step.gradients import GradientNorms, gradient_norms
from convsmith.train.step.group import ALONE, Group, synchronise_batch_norms
from convsmith.train.step.lamb import Lamb
from convsmith.train.step.objective import Objective, TrainingBatch
from convsmith.train.step.single import single_values_allowed

EPSILON = 1e-8
"""What torch's optimizers add to the root of the averaged squares."""


AfterUpdate = Callable[[nn.Module, int], None]
"""Called after each update with the module and the update's number from 0. It may change the weights in place: hold a
mask, snap to a codebook, clip. The moving average takes in what it leaves, and is itself put through it before it is
evaluated or delivered: the average of what keeps to a rule need not keep to it."""


class Learner:
    """A module with all that changes it: the optimizer, the schedule and the moving average.

    `arithmetic.parts` may be raised where memory is short; `lr_scale`, 1, multiplies the schedule's rates and may be
    lowered where they made training diverge. In a group of processes each has a part of every batch, and all come to
    the same weights. Compiled, a process that is alone runs the module as `torch.compile` makes it; `module` itself,
    its keys and its tensors stay as they are.
    """

    def __init__(
        self,
        module: nn.Module,
        recipe: Recipe,
        objective: Objective,
        arithmetic: Arithmetic,
        updates: Updates,
        *,
        stages: Stages = (),
        after_update: AfterUpdate | None = None,
        group: Group = ALONE,
    ) -> None:
        self.module, self.group = module.train(), group
        synchronise_batch_norms(module, group)
        module.to(memory_format=arithmetic.torch_format)  # type: ignore[call-overload]  # torch's stubs lack it
        # In a group the module's norms wait for other processes, which a compiled one cannot.
        self._forward = compiled_forward(module) if arithmetic.compiled and group.size == 1 else module
        self.objective, self.arithmetic, self.lr_scale = objective, arithmetic, 1.0
        self.optimizer = make_optimizer(module, recipe, stages)
        self.average = None if recipe.ema_decay is None else ExponentialMovingAverage(module, recipe.ema_decay)
        self.gradient_norms: GradientNorms | None = None
        self._recipe, self._updates, self._after_update = recipe, updates, after_update
        self._device = next(module.parameters()).device.type

    def step(self, batch: TrainingBatch, number: int, *, measured: bool = False) -> Tensor:
        """Update `number` (from 0). The module is in training mode.

        Returns this process' share of the loss, alone all of it, as a tensor of shape () on the device: reading it
        would wait for the device. Where it is `measured`, which does wait, `gradient_norms` are this step's afterwards.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(number) * group["lr_scale"]
        batch = batch._replace(images=batch.images.contiguous(memory_format=self.arithmetic.torch_format))
        loss = self._differentiate(batch)
        if self._recipe.sam_rho is not None:
            self._differentiate_uphill(batch, self._recipe.sam_rho)
        if measured:
            self.gradient_norms = gradient_norms(self.module)
        if self._recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._trained(), self._recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self._after_update is not None:
            with torch.no_grad():
                self._after_update(self.module, number)
        if self.average is not None:
            self.average.update(number)
        return loss

    @torch.no_grad()
    def weights(self, number: int) -> dict[str, Tensor]:
        """The weights that stand for the training after update `number`: the moving average's if there is one."""
        if self.average is None:
            return dict(self.module.state_dict())
        if self._after_update is None:
            return self.average.shadow
        own = {name: value.clone() for name, value in self.module.state_dict().items()}
        self.module.load_state_dict(self.average.shadow)
        self._after_update(self.module, number)
        averaged = {name: value.clone() for name, value in self.module.state_dict().items()}
        self.module.load_state_dict(own)
        return averaged

    def learning_rate(self, number: int) -> float:
        """The learning rate of update `number`."""
        recipe = self._recipe
        return self.lr_scale * learning_rate(number, recipe.learning_rate, self._updates, recipe.schedule)

    def _differentiate(self, batch: TrainingBatch) -> Tensor:
        """Adds the gradients of the batch's mean loss, a part of the batch at a time. Returns that loss, detached."""
        weight = self.group.sum(self.objective.weight(batch), batch.images.device)
        loss = torch.zeros((), device=batch.images.device)
        precision = self.arithmetic.precision
        for part in batch.parts(self.arithmetic.parts) if self.arithmetic.parts > 1 else (batch,):
            single = single_values_allowed(self.module) if len(part.images) == 1 else nullcontext()
            with single, torch.autocast(self._device, self.arithmetic.dtype, enabled=precision != "float32"):
                share = self.objective.total(self._forward(part.images), part, self.module) / weight
            share.backward()  # type: ignore[no-untyped-call]
            loss += share.detach()
        self.group.all_reduce_gradients(self.module)
        return loss

    def _differentiate_uphill(self, batch: TrainingBatch, rho: float) -> None:
        """Replaces the gradients by those at the point uphill, `rho` away (Foret et al. 2021, equations 2 and 3)."""
        trained = self._trained()
        gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
        length = nn.utils.get_total_norm(gradients)
        weights = [parameter.detach().clone() for parameter in trained]
        with torch.no_grad():
            torch._foreach_add_(trained, torch._foreach_mul(gradients, rho / (length + 1e-12)))
        self.optimizer.zero_grad()
        with running_statistics_kept(self.module):
            self._differentiate(batch)
        with torch.no_grad():
            torch._foreach_copy_(trained, weights)

    def _trained(self) -> list[Tensor]:
        """The parameters that the last backward pass reached."""
        groups = self.optimizer.param_groups
        return [parameter for group in groups for parameter in group["params"] if parameter.grad is not None]


@contextmanager
def running_statistics_kept(module: nn.Module) -> Iterator[None]:
    """Batch norms go on normalising by the batch, and leave their running statistics alone."""
    norms = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum


def make_optimizer(module: nn.Module, recipe: Recipe, stages: Stages = ()) -> torch.optim.Optimizer:
    """The recipe's optimizer, fused: one pass over the weights. Biases, norms and gains, one number each, do not decay.

    With fine-tuning each stage has groups of its own; `lr_scale` multiplies their learning rate.
    """
    tuning = recipe.fine_tuning
    stage_of = {layer: i for i, stage in enumerate(stages) for layer in stage} if tuning != FineTuning() else {}
    members: dict[tuple[int, float], list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            stage = stage_of.get(name.rpartition(".")[0], len(stages) - 1)
            decay = recipe.weight_decay if parameter.numel() > parameter.shape[:1].numel() else 0.0
            members.setdefault((stage, decay), []).append(parameter)
    groups = [
        {"params": parameters, "lr_scale": tuning.layer_decay ** (len(stages) - 1 - stage), "weight_decay": decay}
        for (stage, decay), parameters in members.items()
    ]
    rate, epsilon = recipe.learning_rate, recipe.epsilon or EPSILON
    match recipe.optimizer:
        case "sgd":
            momentum, nesterov = recipe.momentum, recipe.nesterov
            return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=nesterov, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, eps=epsilon, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=rate, alpha=0.9, eps=epsilon, momentum=recipe.momentum, foreach=True)
        case "lamb":
            return Lamb(groups, lr=rate, eps=epsilon)
