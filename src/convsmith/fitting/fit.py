"""The whole way in one call: data -> network -> training -> test -> model file -> verified ONNX."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from convsmith.backend.torch import NetworkModule
from convsmith.cluster import Job, train_on
from convsmith.data.assemble import MAX_UNUSABLE
from convsmith.data.checks.exchange import WORDS, ChangeName
from convsmith.data.checks.framing import framing_for, seen_share
from convsmith.data.dataset import Dataset
from convsmith.data.load.kept import keeping_pixels
from convsmith.data.open import open_dataset
from convsmith.data.summary import summarize
from convsmith.doctor.quick import quick_issues, refuse_leaks, told
from convsmith.errors import UsageError
from convsmith.evaluation.feature_cache import cached_features, with_features
from convsmith.evaluation.inference import best_device
from convsmith.fitting.choice import choose_plan
from convsmith.fitting.chosen import Chosen
from convsmith.fitting.delivery import FitResult, deliver, tested_split
from convsmith.fitting.folder import begun_run, check_data, read_run
from convsmith.fitting.measured import measure
from convsmith.fitting.teaching import with_teacher
from convsmith.fitting.trials import plain_head, start_of
from convsmith.model import Model
from convsmith.network.dims import text
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.report.page import write_page
from convsmith.report.record import read_run as read_record
from convsmith.request import Request
from convsmith.train.recipes.keeping import reason_against
from convsmith.train.run.checkpoint import checkpoint_folder
from convsmith.train.run.events import Noticed
from convsmith.train.run.folder import running
from convsmith.train.run.interrupt import Interruption
from convsmith.train.run.loop import Observer, TrainResult, train
from convsmith.train.run.plan import RunPlan, first_module, objective_of, read_start, read_teacher
from convsmith.train.run.store import RunStore
from convsmith.train.run.tensorboard import TensorBoard
from convsmith.train.step.learner import AfterUpdate
from convsmith.train.step.objective import MeanLoss, Objective, as_objective
from convsmith.train.tune.arithmetic import Tuned
from convsmith.transform.part import trunk_and_head

SEEN_LITTLE = 0.45
"""The share of the pictures' area, seen by the network, below which it is said: photographs of 4:3 have 0.57."""

NEARLY_ALL = 0.98
"""The same share, from which nothing is said."""

SHOWN_SKIPPED = 20
"""Unusable files that are listed before training; `inspect` lists all."""


@dataclass(frozen=True)
class Extras:
    """What only Python can ask of a training; see `convsmith.train.run.loop.Training`."""

    objective: Objective | MeanLoss | None = None
    after_update: AfterUpdate | None = None


def fit(
    data: Dataset | str | Path | None = None,
    network: Network | Model | nn.Module | str | Path | None = None,
    request: Request = Request(),  # noqa: B008  (frozen)
    *,
    out: str | Path = "runs/latest",
    resume: bool = False,
    observers: Sequence[Observer] = (),
    extras: Extras = Extras(),
    started: float | None = None,
    on_check: Callable[[int, int], None] = lambda done, total: None,
) -> FitResult:
    """Trains a network for a data set within limits, tests it, and writes `model.safetensors` and a verified
    `model.onnx` to the folder `out`, with `summary.json`, which is what `FitResult.to_json` gives, and the run's page
    `report.html`.

    `data` is a data set, or its path or name (see `open_dataset`); `network` a network, a torch module, a model of the
    same classes to go on from, or its name or file (see `convsmith.resolve`); None: one is chosen. `request` is all
    else that is asked for. With `resume` a run that was stopped goes on, to bit-for-bit the same weights. `observers`
    are told every event, with the training that it is of, or None where that is in another process. `started`, of
    `time.monotonic()`, is when the time of `request.seconds` began, None: now. `on_check` is told (files checked, files
    in all).

    Raises ConvsmithError of every kind: see `open_dataset`, `choose_plan`, `Training`, `export`; then what was at `out`
    is as it was, unless training had begun.
    """
    started = time.monotonic() if started is None else started
    request, out = _whole(request, data, network), Path(out)
    if request.checkpoints is not None:
        checkpoint_folder(request.checkpoints).files()  # a store that does not answer is told before the work
    if resume:
        plan, request = read_run(out, request)
    dataset = open_dataset(
        request.data,
        seed=request.seed or 0,
        strict=bool(request.strict),
        max_unusable=_max_unusable(request),
        progress=on_check,
    )
    tested_split(dataset)
    issues = quick_issues(dataset)
    if request.strict:
        refuse_leaks(dataset.name, issues)
    if request.teacher is not None and extras.objective is not None:
        raise UsageError("is an objective of its own; give one or the other", settings="teacher")
    if resume:
        check_data(out, dataset)
        recover = plan.recipe.recover if request.recover is None else request.recover
        plan = replace(plan, recipe=replace(plan.recipe, recover=recover))
        chosen, tuned, folder = _begun(out, plan), None, ExitStack()
    else:
        chosen = choose_plan(request, dataset, lambda line: _tell(observers, Noticed(line)))
        chosen = with_teacher(request, chosen, dataset)
        deadline = None if request.seconds is None else started + request.seconds
        objective = None if extras.objective is None else as_objective(extras.objective)
        plan, tuned = measure(request, chosen, dataset, deadline, objective)
        folder = begun_run(out, replace(chosen, plan=plan), request, dataset)  # type: ignore[assignment]
    with folder, running(out):
        about = (
            *(f"network: {plan.reason}; input {text(plan.network.input)}", f"recipe: {plan.recipe}", *plan.notes),
            *([] if plan.taught_by is None else [f"teacher: {plan.taught_by}; {plan.taught_by.distillation}"]),
        )
        for line in (
            *_left_out(dataset),
            *told(issues),
            *about,
            *_of_changes(dataset, plan, request),
            *_of_framing(dataset, plan.preprocess, request.framing is not None),
            *unused_gpus(request),
        ):
            _tell(observers, Noticed(line))
        work = _Work(replace(chosen, plan=plan), request, dataset, out, tuple(observers), extras)
        module, result = work.train_head() if plan.head_only else work.train(tuned)
        made = deliver(plan, request, dataset, module, result, out)
    write_page(read_record(out))
    return made


@dataclass(frozen=True, eq=False)
class _Work:
    """A run that is decided on, and where it goes."""

    chosen: Chosen
    request: Request
    dataset: Dataset
    out: Path
    observers: tuple[Observer, ...]
    extras: Extras

    @property
    def plan(self) -> RunPlan:
        return self.chosen.plan

    def train(self, tuned: Tuned | None) -> tuple[NetworkModule, TrainResult]:
        """The trained module, and what training gives; on a cluster if one is asked for."""
        plan, teacher = self.plan, self.chosen.teacher
        module = first_module(plan, self.dataset.classes, self.chosen.start).to(best_device())
        if self.request.cluster is not None:
            self._train_on_cluster()  # what is done there is only read here
        with self._watched() as (store, observers), self._kept() as dataset:
            result = train(
                *(module, dataset, plan.preprocess, plan.recipe),
                objective=self.extras.objective or objective_of(plan, module, dataset, teacher),
                after_update=self.extras.after_update,
                tuned=tuned,
                decoders=self.request.decoders,
                store=store,
                observers=observers,
            )
        return module, result

    def train_head(self) -> tuple[NetworkModule, TrainResult]:
        """Trains the classifier alone, on features that are computed once."""
        plan, dataset = self.plan, self.dataset
        start = start_of(self.chosen, dataset)
        _tell(self.observers, Noticed("the features of all images are computed once, and kept in the cache"))
        names = tuple(name for name in ("train", "val") if name in dataset.splits)
        head = start.module(trunk_and_head(plan.network)[1])
        plain = plain_head(plan)
        with self._watched() as (store, observers):
            result = train(
                *(head, with_features(dataset, cached_features(start, dataset, names)), plan.preprocess, plain),
                objective=self.extras.objective,
                after_update=self.extras.after_update,
                store=store,
                observers=observers,
            )
        whole = replace(start, weights={**start.weights, **_weights(result, plan.network)})
        return whole.module(), replace(result, weights=whole.weights)

    def _kept(self) -> AbstractContextManager[Dataset]:
        """The data, with what is decoded kept if that is asked for."""
        if self.request.cache is None:
            return nullcontext(self.dataset)
        return keeping_pixels(self.dataset, self.plan.preprocess, self.request.cache)

    def _train_on_cluster(self) -> None:
        request = self.request
        if isinstance(request.data, Dataset):
            raise UsageError("must be a path or a name, which every node can open", settings="data")
        if self.extras != Extras():
            raise UsageError("an objective or a function after updates cannot be sent to a cluster", settings="cluster")
        assert request.cluster is not None
        job = Job(
            plan=self.plan.to_json(),
            data=str(request.data),
            seed=request.seed or 0,
            strict=bool(request.strict),
            max_unusable=_max_unusable(request),
            run_dir=str(self.out.absolute()),
            checkpoints=request.checkpoints,
            decoders=request.decoders,
        )
        train_on(request.cluster, job, lambda event: _tell(self.observers, event))

    @contextmanager
    def _watched(self) -> Iterator[tuple[RunStore, tuple[Observer, ...]]]:
        """The run's store and observers: the log, TensorBoard, those that were given, and signals, which stop it."""
        store = RunStore(self.out, self.request.checkpoints)
        with Interruption() as interruption, store.log, TensorBoard(self.out) as board:
            yield store, (store.log, board, *self.observers, interruption)


def _of_changes(dataset: Dataset, plan: RunPlan, request: Request) -> list[str]:
    """Which changes are not made to the pictures in training because they do not keep the class, and why."""
    augment = plan.recipe.augment
    left_out: dict[ChangeName, bool] = {
        "mirror": not augment.flip and request.flip is None,
        "turn": augment.trivial and not augment.turn and request.turn is None,
        "colour": augment.trivial and not augment.colour and request.colour is None,
    }
    reasons = {change: reason_against(dataset, change) for change, left in left_out.items() if left}
    return [f"not {WORDS[change][1]} in training: {reason}" for change, reason in reasons.items() if reason]


def _begun(out: Path, plan: RunPlan) -> Chosen:
    """What a run in a folder starts from and learns from."""
    return Chosen(plan, read_start(out), teacher=read_teacher(out, plan))


def _of_framing(dataset: Dataset, preprocess: Preprocess, asked: bool) -> list[str]:
    """How much of the pictures is seen, and why they are framed so; nothing where all of square ones is."""
    seen, framing = seen_share(dataset, preprocess), preprocess.framing
    chosen = None if asked else framing_for(dataset)
    if seen > NEARLY_ALL and (chosen is None or not chosen.told) and framing != "pad":
        return []
    line = f"framing: {framing}; the network sees {seen:.0%} of the pictures"
    if chosen is not None and chosen.told and chosen.framing == framing:
        return [f"{line}: {chosen}"]
    if seen < SEEN_LITTLE:
        return [f"{line}: their middle; what tells classes apart may lie outside"]
    return [line]


def _max_unusable(request: Request) -> float:
    return MAX_UNUSABLE if request.max_unusable is None else request.max_unusable


def unused_gpus(request: Request) -> tuple[str, ...]:
    """What to say where this machine has more GPUs than the one that a run in one process uses."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count <= 1 or request.cluster is not None:
        return ()
    return (f"using 1 of {count} GPUs; a cluster of this machine with {count} workers of 1 GPU each uses all",)


def _whole(
    request: Request, data: Dataset | str | Path | None, network: Network | Model | nn.Module | str | Path | None
) -> Request:
    """The request with the data and the network that are given beside it. Raises UsageError without data."""
    request = replace(
        request,
        data=request.data if data is None else data,
        network=request.network if network is None else network,
    )
    if request.data is None:
        raise UsageError("is needed: a data set, or its path or name", settings="data")
    return request


def _tell(observers: Sequence[Observer], event: object) -> None:
    for observer in observers:
        observer(event, None)


def _left_out(dataset: Dataset) -> list[str]:
    """A line for each file that cannot be used, as far as a screen holds, and what else is to be known."""
    notes = [str(note) for note in dataset.notes[:SHOWN_SKIPPED]]
    lines = [f"skipped {finding}" for finding in dataset.skipped[:SHOWN_SKIPPED]]
    more = len(dataset.skipped) - SHOWN_SKIPPED
    share = [summarize(dataset).usable_line] if dataset.skipped else []
    return [*share, *notes, *lines, *([f"skipped {more:,} more; inspecting the data lists all"] if more > 0 else [])]


def _weights(result: TrainResult, network: Network) -> dict[str, torch.Tensor]:
    """Those of the network's parameters."""
    return {name: value for name, value in result.weights.items() if name in network.parameters}
