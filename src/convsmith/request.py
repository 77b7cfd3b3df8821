"""What a run is asked for: one frozen value, from the command line or from Python to run.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from convsmith import records
from convsmith.cluster.connect import Cluster
from convsmith.data.load.kept import Where
from convsmith.design.limits import Limits
from convsmith.errors import UsageError
from convsmith.network.network import Network
from convsmith.network.preprocess import Framing
from convsmith.train.distillation.settings import Distillation, Kind
from convsmith.train.recipes.recipe import FineTuning, MemoryFormat, Precision, Recipe
from convsmith.transform.part import stages

if TYPE_CHECKING:
    pass

FREE = ("cluster", "decoders", "max_unusable", "recover", "strict")
"""Settings that may change when a run is resumed: the weights do not depend on them, or not on what is done already."""


@dataclass(frozen=True)
class Request:
    """All that a run is asked for. What is None was not asked for: the run decides it, or goes by its recipe.

    - `data` is a data set, or its path or name; `network` a network, a model to go on from, or its name or file. In
      `run.json` they are words.
    - `pretrained` is a model of other classes, a checkpoint that was published or the name of published weights. Of its
      layers `freeze` keeps "none", the "features" (all but the classifier) or "stages:N", the first N of
      `convsmith.transform.part.stages`; `layer_decay` and `unfreeze_every` are as in `FineTuning`.
    - `teacher` is a model of the same classes or more that the network learns from, besides the labels, or its name or
      file: from its "soft" targets at a `temperature`, and "hints" or "attention" besides, by `distill`; see
      `convsmith.train.distillation.distilling.Distillation`.
    - `max_params`, `max_macs` for one image, `max_size` in bytes of the model file and `max_latency` in ms for one
      image on this machine are limits.
    - `recipe` is a name (`convsmith.train.recipes.named`). `epochs` are passes over the data, `seconds` the time in
      which all is to end; they exclude each other.
    - `batch_size` may be "auto", what trains fastest here; another batch than the recipe's scales its learning rate.
      `learning_rate` may be "auto", found by a range test.
    - `side` is that of the network's input in pixels. `framing` says whether pictures that are not square are cropped,
      squashed or padded; see `convsmith.network.preprocess.Preprocess`.
    - `flip`, `turn` and `colour` say whether training images may be mirrored, turned, and changed in their colours;
      None: as the recipe does it, where that keeps the class (`convsmith.train.recipes.keeping`).
    - `strict` refuses unreadable files, `max_unusable` more than this share of them; `recover` goes on at half the
      learning rate where training diverges; `decoders` processes decode files; `cache` keeps decoded images in
      "memory" or on the "disk" (see `convsmith.data.load.kept`); `checkpoints` is a folder or fsspec URL for them;
      `cluster` trains on other machines too.

    Raises UsageError for settings that contradict each other.
    """

    data: Any = None
    network: Any = None
    pretrained: Any = None
    teacher: Any = None
    distill: Kind | None = None
    temperature: float | None = None
    freeze: str | None = None
    layer_decay: float | None = None
    unfreeze_every: int | None = None
    max_params: int | None = None
    max_macs: int | None = None
    max_size: int | None = None
    max_latency: float | None = None
    recipe: str | None = None
    epochs: int | None = None
    seconds: float | None = None
    batch_size: int | Literal["auto"] | None = None
    accumulate: int | None = None
    clip_norm: float | None = None
    learning_rate: float | Literal["auto"] | None = None
    patience: int | None = None
    side: int | None = None
    framing: Framing | None = None
    flip: bool | None = None
    turn: bool | None = None
    colour: bool | None = None
    seed: int | None = None
    precision: Precision | None = None
    memory_format: MemoryFormat | None = None
    compiled: bool | None = None
    strict: bool | None = None
    max_unusable: float | None = None
    recover: bool | None = None
    decoders: int | None = None
    cache: Where | None = None
    checkpoints: str | None = None
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        for wrong, message, settings in (
            (self.epochs and self.seconds, "give one or the other: the time decides the epochs", ("epochs", "seconds")),
            (
                self.network is not None and self.pretrained is not None,
                "give one or the other: pretrained weights bring their own network",
                ("network", "pretrained"),
            ),
            (
                self.pretrained is None and (self.freeze or self.layer_decay or self.unfreeze_every),
                "need pretrained weights",
                self._asked("freeze", "layer_decay", "unfreeze_every"),
            ),
            (
                self.cluster and (self.batch_size == "auto" or self.compiled or self.cache),
                "works in one process only: leave it out on a cluster",
                tuple(
                    name
                    for name in self._asked("batch_size", "compiled", "cache")
                    if name == "cache" or getattr(self, name) in ("auto", True)
                ),
            ),
            (
                self.teacher is None and (self.distill or self.temperature),
                "need a teacher",
                self._asked("distill", "temperature"),
            ),
        ):
            if wrong:
                raise UsageError(message, settings=settings)
        if self.teacher is not None:
            _ = self.distillation  # refuses what is out of range

    @property
    def limits(self) -> Limits:
        return Limits(self.max_params, self.max_macs, self.max_size, self.max_latency)

    @property
    def distillation(self) -> Distillation:
        """How the teacher teaches. Raises UsageError out of range."""
        asked = Distillation(self.distill or "soft")
        return asked if self.temperature is None else replace(asked, temperature=self.temperature)

    def tuning(self, network: Network) -> FineTuning:
        """What of a network's pretrained weights is trained. Raises UsageError where it has too few stages."""
        layer_decay = 1.0 if self.layer_decay is None else self.layer_decay
        return FineTuning(frozen_stages(self.freeze or "none", network), layer_decay, self.unfreeze_every)

    def changed(self, recipe: Recipe) -> Recipe:
        """The recipe with what was asked for besides its batch and learning rate. Raises UsageError out of range."""
        asked = ("accumulate", "clip_norm", "patience", "precision", "memory_format", "compiled", "recover")
        return replace(recipe, **{name: getattr(self, name) for name in self._asked(*asked)})

    def to_json(self) -> dict[str, Any]:
        """What was asked for, by name; values are described in words."""
        asked = {name: getattr(self, name) for name in self._asked()}
        for name in ("data", "network", "pretrained", "teacher"):
            if name in asked:
                asked[name] = described(asked[name])
        data: dict[str, Any] = records.to_json(asked)
        return data

    @classmethod
    def from_json(cls, data: object) -> Request:
        """What `to_json` wrote. Raises UsageError for anything else."""
        return records.from_json(cls, data, "a run's request")

    def resumed(self, begun: Request, decided: Mapping[str, Any]) -> Request:
        """The request of a run that was begun, with what may change as it is asked for now.

        `decided` is what the run came to where nothing was asked. Raises ResumeError naming each setting that is asked
        for now and was another then.
        """
        then, now = {**decided, **begun.to_json()}, self.to_json()
        fixed = [name for name in now if name not in (*FREE, "data")]  # of data the contents are compared
        different = {name: (now[name], then.get(name)) for name in fixed if now[name] != then.get(name)}
        if different:
            raise ResumeError(different)
        return replace(begun, **{name: getattr(self, name) for name in self._asked("data", *FREE)})

    def _asked(self, *names: str) -> tuple[str, ...]:
        """The settings that are asked for, of these or of all."""
        return tuple(name for name in names or [f.name for f in fields(self)] if getattr(self, name) is not None)


class ResumeError(UsageError):
    """A run is resumed with settings that it was not begun with: setting -> (asked for now, what the run has)."""

    def __init__(self, different: Mapping[str, tuple[Any, Any]]) -> None:
        super().__init__("", settings=tuple(different))
        self.different = dict(different)

    def told(self, spelled: Callable[[str], str]) -> str:
        """Each setting with what it was: `--epochs 6: the run has 2`."""
        return "; ".join(
            f"{spelled(name)} {now}: the run has {'none' if then is None else then}"
            for name, (now, then) in self.different.items()
        )


def frozen_stages(freeze: str, network: Network) -> int:
    """How many stages stay as they are: of "none", "features", "stages:N". Raises UsageError for anything else."""
    most = len(stages(network)) - 1
    kind, _, number = freeze.partition(":")
    if freeze in ("none", "features"):
        return most if freeze == "features" else 0
    if kind != "stages" or not number.isdecimal():
        raise UsageError(f"must be none, features or stages:N, not {freeze!r}", settings="freeze")
    if int(number) > most:
        raise UsageError(f"{network.name} has {most} stages before its classifier, not {number}", settings="freeze")
    return int(number)


def described(value: object) -> str:
    """A value in words: a path or name as it is, the name of anything else."""
    if isinstance(value, str | Path):
        return str(value)
    network = getattr(value, "network", value)
    return " ".join(filter(None, [type(value).__name__, getattr(network, "name", "")]))
