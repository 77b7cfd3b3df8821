"""What a run decides before it trains: the network and its first weights, the preprocessing, the recipe; and does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convsmith.backend.torch import NetworkModule, build
from convsmith.data.augment.augment import Augment, written_characters
from convsmith.data.dataset import Dataset
from convsmith.data.summary import summarize
from convsmith.deploy.latency import latency_ms
from convsmith.design.choose import TRAINING_SECONDS, Choice, Limits, choose, within
from convsmith.design.evidence import own_side, preprocess_for
from convsmith.errors import ModelFileError, UsageError
from convsmith.evaluate.inference import best_device, device_of
from convsmith.files import write_bytes
from convsmith.model.file import Model, load_model, read_header
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.train.recipes.default import fine_tuned, with_batch
from convsmith.train.recipes.named import DEFAULT, recipe_named, usual_epochs
from convsmith.train.recipes.recipe import FineTuning, Recipe
from convsmith.train.run.events import Event
from convsmith.train.run.folder import PLAN_FILE
from convsmith.train.run.loop import TrainResult, fit_module
from convsmith.train.step.freeze import Stages
from convsmith.train.step.objective import Objective, objective_of
from convsmith.train.tune.batch_size import fastest_batch
from convsmith.train.tune.pace import epochs_within, highest_rate, pace_of, seconds_an_image
from convsmith.transform.commute import pool_before_rectifier
from convsmith.transform.part import classifier_of, stages, with_classes
from convsmith.transform.side import at_side
from convsmith.transform.stochastic_depth import with_stochastic_depth
from convsmith.weights.importing import import_weights
from convsmith.weights.registry import fetch_weights


@dataclass(frozen=True)
class Transfer:
    """Weights to start from, and what of them is trained on.

    `pretrained` is a model file, a checkpoint that was published, or the name of published weights.

    `freeze` is "none", "features" (all but the classifier) or "stages:N" (the first N, see
    `convsmith.transform.part.stages`); `layer_decay` and `unfreeze_every` as in `FineTuning`.
    """

    pretrained: str
    freeze: str = "none"
    layer_decay: float = 1.0
    unfreeze_every: int | None = None

    def tuning(self, network: Network) -> FineTuning:
        """The same for a network. Raises UsageError where it has too few stages, or `freeze` is no such word."""
        return FineTuning(self._frozen(network), self.layer_decay, self.unfreeze_every)

    def _frozen(self, network: Network) -> int:
        most = len(stages(network)) - 1
        kind, _, number = self.freeze.partition(":")
        if self.freeze in ("none", "features"):
            return most if self.freeze == "features" else 0
        if kind != "stages" or not number.isdecimal():
            raise UsageError(f"--freeze is none, features or stages:N, not {self.freeze!r}")
        if int(number) > most:
            raise UsageError(f"--freeze stages:{number}: {network.name} has {most} stages before its classifier")
        return int(number)


@dataclass(frozen=True)
class RunPlan:
    """All that determines a run besides the data; kept in its folder so that a resumed run decides the same.

    `start` is where its first weights come from, as in `Transfer`, or None; `notes` say what was measured for it.
    """

    network: Network
    reason: str
    preprocess: Preprocess
    recipe: Recipe
    start: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def head_only(self) -> bool:
        """Whether only the classifier is trained, on images that are not changed: its features can be kept."""
        tuning = self.recipe.fine_tuning
        thawed = tuning.unfreeze_every is not None or tuning.norms
        if not tuning.frozen_stages or thawed or self.recipe.augment != Augment():
            return False
        return tuning.frozen_stages == len(stages(self.network)) - 1

    def to_json(self) -> dict[str, Any]:
        return {
            "network": self.network.to_json(),
            "reason": self.reason,
            "preprocess": self.preprocess.to_json(),
            "recipe": self.recipe.to_json(),
            "start": self.start,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunPlan:
        return cls(
            Network.from_json(data["network"]),
            data["reason"],
            Preprocess.from_json(data["preprocess"]),
            Recipe.from_json(data["recipe"]),
            data["start"],
            tuple(data.get("notes", ())),
        )


def make_plan(
    dataset: Dataset,
    *,
    model: str | None,
    transfer: Transfer | None,
    limits: Limits,
    recipe: str,
    epochs: int | None,
    seconds: float | None,
    find_batch: bool,
    find_rate: bool,
    side: int | None,
    seed: int,
    changes: Mapping[str, Any],
) -> RunPlan:
    """Decides on a run, which is to end in `seconds` if these are given, counted from now.

    With `find_batch` the batch is the one that trains fastest here, and the rate is scaled with it unless `changes` set
    it; with `find_rate` a range test on this data sets the rate. Raises as `choose` and `recipe_named` do;
    UsageError for settings that contradict each other, or cannot be met.
    """
    start = time.monotonic()
    if seconds is not None and epochs is not None:
        raise UsageError("--time plans the epochs: leave out --epochs")
    if transfer is not None:
        if model is not None:
            raise UsageError("--pretrained brings its own network: leave out --model")
        plan = _fine_tuned(dataset, transfer, limits, recipe, epochs, side, seed, changes)
    else:
        plan = _from_scratch(dataset, model, limits, recipe, epochs, side, seed, changes, seconds)
    if find_batch:
        plan = _with_fastest_batch(plan, dataset, keep_rate="learning_rate" in changes)
    if find_rate:
        plan = replace(plan, recipe=replace(plan.recipe, learning_rate=_highest_rate(plan, dataset)))
    return plan if seconds is None else _timed(plan, dataset, seconds - (time.monotonic() - start))


def _from_scratch(
    dataset: Dataset,
    model: str | None,
    limits: Limits,
    recipe: str,
    epochs: int | None,
    side: int | None,
    seed: int,
    changes: Mapping[str, Any],
    seconds: float | None,
) -> RunPlan:
    passes = epochs or usual_epochs(recipe, len(dataset.split("train")))
    choice, preprocess = _choice(dataset, model, limits, passes, side, seconds)
    named = recipe_named(recipe, choice.network, dataset, preprocess, epochs=epochs, seed=seed)
    if named.fine_tuning != FineTuning():
        raise UsageError(f"the recipe {recipe} trains some layers of a trained network on: give it as --pretrained")
    start = model if model is not None and is_file(model) else None
    return RunPlan(choice.network, choice.reason, preprocess, replace(named, **changes), start)


def _timed(plan: RunPlan, dataset: Dataset, seconds: float) -> RunPlan:
    """The plan with as many epochs as end in time; warm-up keeps its share of them."""
    if plan.head_only:
        raise UsageError("--time is for training; a classifier on frozen features takes seconds: give --epochs")
    module, recipe = first_module(plan, dataset).to(best_device()), plan.recipe
    begun = time.monotonic()
    pace = pace_of(module, dataset, plan.preprocess, recipe, _objective(plan, dataset, module), stages_of(plan))
    tested = len(dataset.splits.get("test", dataset.splits.get("val", ())))
    epochs = epochs_within(seconds - (time.monotonic() - begun), pace, tested)
    warmup = recipe.warmup_epochs * epochs / recipe.epochs
    return replace(plan, recipe=replace(recipe, epochs=epochs, warmup_epochs=warmup))


def _with_fastest_batch(plan: RunPlan, dataset: Dataset, *, keep_rate: bool) -> RunPlan:
    if plan.head_only:
        raise UsageError("--batch-size auto is for training; a classifier on frozen features takes seconds as it is")
    module = first_module(plan, dataset).to(best_device())
    objective = _objective(plan, dataset, module)
    batch, reason = fastest_batch(module, plan.network, plan.recipe, objective, len(dataset.split("train")))
    recipe = replace(plan.recipe, batch_size=batch) if keep_rate else with_batch(plan.recipe, plan.network, batch)
    return replace(plan, recipe=recipe, notes=(*plan.notes, reason))


def _highest_rate(plan: RunPlan, dataset: Dataset) -> float:
    module = first_module(plan, dataset).to(best_device())
    objective = _objective(plan, dataset, module)
    return highest_rate(module, dataset, plan.preprocess, plan.recipe, objective, stages_of(plan))


def _objective(plan: RunPlan, dataset: Dataset, module: NetworkModule) -> Objective:
    return objective_of(dataset, plan.recipe, auxiliary_weights(plan), device_of(module))


def auxiliary_weights(plan: RunPlan) -> tuple[float, ...]:
    """The shares of the network's auxiliary heads in the loss."""
    return tuple(head.weight for head in plan.network.auxiliary)


def stages_of(plan: RunPlan) -> Stages:
    """The network's stages, where the recipe treats them differently."""
    return stages(plan.network) if plan.recipe.fine_tuning != FineTuning() else ()


def _choice(
    dataset: Dataset, model: str | None, limits: Limits, epochs: int, side: int | None, seconds: float | None
) -> tuple[Choice, Preprocess]:
    if model is not None and is_file(model):
        header = read_header(Path(model))
        if header.classes != dataset.classes:
            raise ModelFileError(f"{model} knows other classes than {dataset.name}: give it as --pretrained instead")
        return Choice(header.network, f"{header.network.name}: from {model}"), header.preprocess
    preprocess = preprocess_for(dataset, side or (own_side(model, dataset.size) if model else None))
    shape = (preprocess.channels, *preprocess.crop)
    train_images = len(dataset.split("train"))
    choice = choose(
        *(len(dataset.classes), shape, train_images, limits, latency_ms, seconds_an_image),
        epochs=epochs,
        characters=written_characters(dataset.classes),
        model=model,
        training_seconds=seconds or TRAINING_SECONDS,
    )
    return choice, preprocess


def _fine_tuned(
    dataset: Dataset,
    transfer: Transfer,
    limits: Limits,
    recipe: str,
    epochs: int | None,
    side: int | None,
    seed: int,
    changes: Mapping[str, Any],
) -> RunPlan:
    """The pretrained network with a classifier for these classes; its preprocessing, at another size if asked."""
    header = starting_model(transfer.pretrained).header
    network, preprocess = with_classes(header.network, len(dataset.classes)), header.preprocess
    if side is not None:
        network, preprocess = at_side(network, preprocess, side)
    choice = within(network, limits, latency_ms, f"{network.name}: pretrained, from {transfer.pretrained}")
    tuning = transfer.tuning(network)
    if recipe == DEFAULT:
        chosen = fine_tuned(network, dataset, preprocess, tuning, epochs=epochs, seed=seed)
    else:
        chosen = recipe_named(recipe, network, dataset, preprocess, epochs=epochs, seed=seed)
        if chosen.fine_tuning == FineTuning():
            chosen = replace(chosen, learning_rate=chosen.learning_rate / 10, fine_tuning=tuning)
        else:
            _check_own_tuning(chosen, tuning, header.classes == dataset.classes)
    return RunPlan(network, choice.reason, preprocess, replace(chosen, **changes), transfer.pretrained)


def _check_own_tuning(recipe: Recipe, tuning: FineTuning, same_classes: bool) -> None:
    """Raises UsageError where a recipe that says what is trained cannot be followed."""
    if tuning != FineTuning():
        raise UsageError(
            f"the recipe {recipe.name} says what is trained: leave out --freeze, --layer-decay and --unfreeze-every"
        )
    if not same_classes:
        raise UsageError(f"the recipe {recipe.name} is for a model of these very classes: fine-tune it on them first")


def first_module(plan: RunPlan, dataset: Dataset) -> NetworkModule:
    """The network to train: with its own initial weights, or those of the model file that it starts from."""
    network = with_stochastic_depth(plan.network, plan.recipe.stochastic_depth)
    module = build(pool_before_rectifier(network), plan.recipe.seed)
    if plan.start is not None:
        module.load_state_dict(_start_weights(plan, starting_model(plan.start), dataset), strict=False)
    return module


def train_plan(
    plan: RunPlan,
    dataset: Dataset,
    out: Path,
    *,
    module: NetworkModule | None = None,
    checkpoints: str | None = None,
    resume: bool = False,
    recover: bool = False,
    decoders: int | None = None,
    device: torch.device | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> TrainResult:
    """Trains what was planned, in the folder `out`, on `device` or the best there is; see `fit_module`.

    `module` is what `first_module` gave, if that has been asked already: afterwards it holds the trained weights.
    """
    module = (module or first_module(plan, dataset)).to(device or best_device())
    return fit_module(
        module,
        dataset,
        plan.preprocess,
        plan.recipe,
        out,
        checkpoints=checkpoints,
        resume=resume,
        recover=recover,
        decoders=decoders,
        network_json=plan.network.to_json(),
        auxiliary_weights=auxiliary_weights(plan),
        stages=stages_of(plan),
        on_event=on_event,
    )


def unused_gpus() -> str:
    """What to say where this machine has more GPUs than the one that a run in one process uses; else empty."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"using 1 of {count} GPUs; all: --cluster auto --workers {count} --gpus-per-worker 1" if count > 1 else ""


def starting_model(source: str) -> Model:
    """The model of a model file, of a checkpoint that was published, or of published weights, fetched if need be."""
    if source.endswith(".safetensors"):
        return load_model(Path(source))
    return import_weights(Path(source) if Path(source).is_file() else fetch_weights(source)).model


def _start_weights(plan: RunPlan, model: Model, dataset: Dataset) -> dict[str, Tensor]:
    """The model's weights. Where it knows other classes the classifiers begin at 0: noise in them would have to be
    unlearned first, at the cost of the features."""
    outputs = (plan.network.output, *(head.node for head in plan.network.auxiliary))
    replaced = set() if model.classes == dataset.classes else {classifier_of(plan.network, o).name for o in outputs}
    return {
        name: torch.zeros(parameter.shape) if name.rpartition(".")[0] in replaced else model.weights[name]
        for name, parameter in plan.network.parameters.items()
    }


def is_file(model: str) -> bool:
    """Whether a model is meant by its file, not by its name."""
    return model.endswith(".safetensors") or Path(model).is_file()


def start_run(out: Path, plan: RunPlan, source: str, dataset: Dataset) -> None:
    """Makes the run's folder, with its plan in it, and what data it is trained on, for whoever reads of the run.

    `source` is what the data was opened by. Raises UsageError if another run is there.
    """
    if (out / PLAN_FILE).exists():
        raise UsageError(f"{out} already holds a run: go on with it (--resume), or choose another folder (--out)")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {out}: {error.strerror}") from None
    described = {**plan.to_json(), "source": source, "data": summarize(dataset).to_json()}
    write_bytes(out / PLAN_FILE, json.dumps(described, indent=1).encode())


def read_plan(out: Path) -> RunPlan | None:
    """The plan of a run that was stopped; None where none had begun. Raises ModelFileError if it is damaged."""
    path = out / PLAN_FILE
    if not path.exists():
        return None
    try:
        return RunPlan.from_json(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path} is damaged ({error}); start anew in another folder") from None
