"""How a network is trained, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from convsmith.data.augment import Augment
from convsmith.errors import UsageError

OptimizerName = Literal["sgd", "adamw"]
ClassWeighting = Literal["none", "balanced"]
Precision = Literal["float32", "bfloat16"]
MemoryFormat = Literal["contiguous", "channels_last"]


@dataclass(frozen=True)
class FineTuning:
    """How weights that come from another training are trained on, stage by stage (see `convsmith.transform.part`).

    - The first `frozen_stages` stages keep their weights and running statistics.
    - Each stage learns at `layer_decay` times the rate of the next one (discriminative rates).
    - Every `unfreeze_every` epochs the last stage that is still frozen is trained too; None: never.

    Howard and Ruder 2018 (arXiv 1801.06146, section 3.2) has both; their decay is 1 / 2.6. Raises UsageError for a
    value out of range.
    """

    frozen_stages: int = 0
    layer_decay: float = 1.0
    unfreeze_every: int | None = None

    def __post_init__(self) -> None:
        for name, right, what in (
            ("frozen_stages", self.frozen_stages >= 0, "at least 0"),
            ("layer_decay", 0 < self.layer_decay <= 1, "above 0, at most 1"),
            ("unfreeze_every", self.unfreeze_every is None or self.unfreeze_every >= 1, "at least 1, or none"),
        ):
            if not right:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be {what}")


@dataclass(frozen=True)
class Recipe:
    """Everything that, with the data and the initial weights, determines the trained weights.

    - `learning_rate` is the peak: reached after `warmup_epochs`, followed by half a cosine to 0.
    - "sgd" has Nesterov momentum of `momentum`; "adamw" has betas 0.9, 0.999, and ignores `momentum`.
    - `weight_decay` acts on tensors of two dimensions or more: not on biases and norms.
    - `ema_decay`: an exponential moving average of the weights is kept, evaluated and delivered; None: none.
    - `patience`: epochs without a better val accuracy after which training stops; None: never.
    - `class_weighting` "balanced": a class's loss counts N / (classes * images of the class).
    - `precision` and `memory_format`: None lets a short measured probe choose.

    Raises UsageError for a value out of range, naming it.
    """

    epochs: int
    batch_size: int
    optimizer: OptimizerName
    learning_rate: float
    weight_decay: float
    momentum: float = 0.9
    warmup_epochs: float = 0.0
    label_smoothing: float = 0.0
    ema_decay: float | None = None
    patience: int | None = None
    class_weighting: ClassWeighting = "none"
    augment: Augment = field(default_factory=Augment)
    precision: Precision | None = None
    memory_format: MemoryFormat | None = None
    seed: int = 0
    fine_tuning: FineTuning = FineTuning()

    def __post_init__(self) -> None:
        for name, right, what in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("weight_decay", self.weight_decay >= 0, "at least 0"),
            ("momentum", 0 < self.momentum < 1, "between 0 and 1"),
            ("warmup_epochs", 0 <= self.warmup_epochs <= self.epochs, f"from 0 to the {self.epochs} epochs"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "from 0 to below 1"),
            ("ema_decay", self.ema_decay is None or 0 < self.ema_decay < 1, "between 0 and 1, or none"),
            ("patience", self.patience is None or self.patience >= 1, "at least 1, or none"),
            ("seed", self.seed >= 0, "at least 0"),
        ):
            if not right:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be {what}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The recipe that `to_json` wrote. Raises UsageError for a field that is missing, unknown or out of range."""
        try:
            parts = {"augment": Augment.from_json(data["augment"]), "fine_tuning": FineTuning(**data["fine_tuning"])}
            return cls(**{**data, **parts})
        except (TypeError, KeyError) as error:
            raise UsageError(f"not a training recipe: {error}") from None
