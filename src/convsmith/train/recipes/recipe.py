"""How a network is trained, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Self

from convsmith import records
from convsmith.data.augment.augment import Augment
from convsmith.data.augment.mixing import Mixing
from convsmith.errors import UsageError
from convsmith.train.recipes.schedule import COSINE, Schedule

OptimizerName = Literal["sgd", "adamw", "rmsprop", "lamb"]
Loss = Literal["cross_entropy", "binary"]
ClassWeighting = Literal["none", "balanced"]
Precision = Literal["float32", "bfloat16"]
MemoryFormat = Literal["contiguous", "channels_last"]


@dataclass(frozen=True)
class FineTuning:
    """How weights that come from another training are trained on, stage by stage (see `convsmith.transform.part`).

    - The first `frozen_stages` stages keep their weights and running statistics.
    - Each stage learns at `layer_decay` times the rate of the next one (discriminative rates).
    - Every `unfreeze_every` epochs the last stage that is still frozen is trained too; None: never.
    - The last `norms` batch norms among the frozen stages are trained all the same, and follow the statistics.

    Howard and Ruder 2018 (arXiv 1801.06146, section 3.2) has both; their decay is 1 / 2.6. Raises UsageError for a
    value out of range.
    """

    frozen_stages: int = 0
    layer_decay: float = 1.0
    unfreeze_every: int | None = None
    norms: int = 0

    def __post_init__(self) -> None:
        for name, right, what in (
            ("frozen_stages", self.frozen_stages >= 0, "at least 0"),
            ("layer_decay", 0 < self.layer_decay <= 1, "above 0, at most 1"),
            ("unfreeze_every", self.unfreeze_every is None or self.unfreeze_every >= 1, "at least 1, or none"),
            ("norms", self.norms >= 0, "at least 0"),
        ):
            if not right:
                raise UsageError(f"must be {what}, not {getattr(self, name)}", settings=name)


@dataclass(frozen=True)
class Recipe:
    """Everything that, with the data and the initial weights, determines the trained weights.

    - `learning_rate` is the peak: reached after `warmup_epochs`, and left as `schedule` says.
    - "sgd" has `momentum`, with `nesterov` Nesterov's; "rmsprop" has it too, and averages squares by 0.9; "adamw" and
      "lamb" have betas 0.9, 0.999, and ignore both. `epsilon` is what the last three add; None: 1e-8.
    - `weight_decay` acts on tensors of two dimensions or more: not on biases and norms.
    - `clip_norm`: gradients are scaled down to this norm, all of them together, where it is larger.
    - `accumulate`: the batch goes through the network in so many parts, whose gradients are added up.
    - `sam_rho`: gradients are taken at the worst point this far away (SAM's rho, Foret et al. 2021, arXiv
      2010.01412), which doubles the work; None: where the weights are.
    - `loss` and `label_smoothing`: see `Objective`. `mixing`: see `Mixing`.
    - `epoch_steps`: updates in an epoch; None: as many whole batches as the training images give. Fewer see a random
      part of the images in each epoch.
    - `repeats`: a batch holds each of its images so many times, changed differently (Hoffer et al. 2020, arXiv
      1901.09335); an epoch is as long as ever, so it sees a part of the images.
    - `sides`: images are scaled to this share of the network's side at the beginning and, in the last quarter, at the
      end of the training, and linearly in between, rounded up to eighths of it; evaluation is always at the full side.
      Shares that grow train faster (Howard 2018, fast.ai's DAWNBench entry); a last share below 1 mends the gap between
      the sizes of things in crops and in whole images (Touvron et al. 2019, arXiv 1906.06423).
    - `stochastic_depth`: the probability that the last residual branch is left out, growing from 0 along the depth
      (Huang et al. 2016, arXiv 1603.09382).
    - `ema_decay`: an exponential moving average of the weights is kept, evaluated and delivered; None: none.
    - `patience`: epochs without a better val accuracy after which training stops; None: never.
    - `recover`: where training diverges, it goes on from the last checkpoint at half the rate.
    - `class_weighting` "balanced": a class's loss counts N / (classes * images of the class).
    - `precision`, `memory_format`, and whether the network is `compiled`: None lets a short measured probe choose.

    `name` is that of the named recipe that it comes from (`convsmith.train.recipes.named`).

    Raises UsageError for a value out of range, naming it.
    """

    epochs: int
    batch_size: int
    optimizer: OptimizerName
    learning_rate: float
    weight_decay: float
    momentum: float = 0.9
    nesterov: bool = True
    epsilon: float | None = None
    warmup_epochs: float = 0.0
    schedule: Schedule = COSINE
    clip_norm: float | None = None
    accumulate: int = 1
    sam_rho: float | None = None
    loss: Loss = "cross_entropy"
    label_smoothing: float = 0.0
    ema_decay: float | None = None
    patience: int | None = None
    recover: bool = False
    class_weighting: ClassWeighting = "none"
    augment: Augment = field(default_factory=Augment)
    mixing: Mixing = field(default_factory=Mixing)
    epoch_steps: int | None = None
    repeats: int = 1
    sides: tuple[float, float] = (1.0, 1.0)
    stochastic_depth: float = 0.0
    precision: Precision | None = None
    memory_format: MemoryFormat | None = None
    compiled: bool | None = None
    seed: int = 0
    fine_tuning: FineTuning = FineTuning()
    name: str = "default"

    def __post_init__(self) -> None:
        for name, right, what in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("weight_decay", self.weight_decay >= 0, "at least 0"),
            ("momentum", 0 < self.momentum < 1, "between 0 and 1"),
            ("epsilon", self.epsilon is None or self.epsilon > 0, "above 0, or none"),
            ("clip_norm", self.clip_norm is None or self.clip_norm > 0, "above 0, or none"),
            ("accumulate", 1 <= self.accumulate <= self.batch_size, f"from 1 to the batch of {self.batch_size}"),
            ("sam_rho", self.sam_rho is None or self.sam_rho > 0, "above 0, or none"),
            ("epoch_steps", self.epoch_steps is None or self.epoch_steps >= 1, "at least 1, or none"),
            ("repeats", self.repeats >= 1, "at least 1"),
            ("sides", all(0 < side <= 1 for side in self.sides), "shares above 0, at most 1"),
            ("stochastic_depth", 0 <= self.stochastic_depth < 1, "from 0 to below 1"),
            ("warmup_epochs", 0 <= self.warmup_epochs <= self.epochs, f"from 0 to the {self.epochs} epochs"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "from 0 to below 1"),
            ("ema_decay", self.ema_decay is None or 0 < self.ema_decay < 1, "between 0 and 1, or none"),
            ("patience", self.patience is None or self.patience >= 1, "at least 1, or none"),
            ("seed", self.seed >= 0, "at least 0"),
        ):
            if not right:
                raise UsageError(f"must be {what}, not {getattr(self, name)}", settings=name)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.optimizer}, {self.epochs:,} epoch{'s' * (self.epochs != 1)}, batch {self.batch_size}, "
            f"learning rate {self.learning_rate:.4g}, {self.schedule.decay}"
        )

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = records.to_json(self)
        return data

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The recipe that `to_json` wrote. Raises UsageError for a field that is missing, unknown or out of range."""
        return records.from_json(cls, data, "a training recipe")
