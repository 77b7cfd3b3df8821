"""Trials one after another: asked for, trained in short, compared at rungs, and told to the storage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from convsmith.data.dataset import Dataset
from convsmith.design.limits import file_bytes
from convsmith.errors import LimitError
from convsmith.evaluation.metrics import Interval
from convsmith.fitting.chosen import Chosen
from convsmith.fitting.trials import accuracy_of, short_training
from convsmith.model import Model
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.searching.inheritance import KeptWeights, neighbours_weights
from convsmith.searching.objective import Objective
from convsmith.searching.pruning import falls_behind, rungs
from convsmith.searching.sampling import distributions, params_of, places_of
from convsmith.searching.settings import SearchSettings
from convsmith.searching.spaces.limited import Candidate, Limited
from convsmith.searching.spaces.space import with_values
from convsmith.train.recipes.named import DEFAULT, recipe_named
from convsmith.train.run.events import StepEnded
from convsmith.train.run.plan import RunPlan
from convsmith.train.run.run import DivergedError

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True, eq=False)
class Work:
    """What trials need: the study, the space within its limits, the data. `until` is when they end, by the wall clock;
    `worker` is which process it is. With `kept` weights, trials begin with those of a finished neighbour."""

    study: Any
    limited: Limited
    dataset: Dataset
    preprocess: Preprocess
    settings: SearchSettings
    epochs: int
    until: float | None = None
    worker: str = ""
    kept: KeptWeights | None = None

    @property
    def objective(self) -> Objective:
        return Objective(self.settings)

    def recipe_seed(self, number: int) -> int:
        """A trial's own, by its number."""
        return (self.settings.seed * 1_000_003 + number) % 2**31

    def begun_from(self, candidate: Candidate, seed: int) -> tuple[int, Model] | None:
        """The trial whose weights a candidate begins with, and the candidate with them."""
        if self.kept is None:
            return None
        trials = self.study.get_trials(deepcopy=False)
        found = neighbours_weights(self.kept, candidate.network, seed, trials, self._network_of)
        if found is None:
            return None
        return found[0], Model(candidate.network, found[1], self.dataset.classes, self.preprocess)

    def _network_of(self, trial: FrozenTrial) -> Network:
        members = self.limited.members
        return members.network(places_of(members.space, trial.params))

    def chosen(self, candidate: Candidate, seed: int, start: Model | None = None) -> Chosen:
        """The training of a candidate by the default recipe."""
        network = candidate.network
        recipe = recipe_named(DEFAULT, network, self.dataset, self.preprocess, epochs=self.epochs, seed=seed)
        plan = RunPlan(network, f"{network.name}: searched", self.preprocess, replace(recipe, patience=None))
        return Chosen(plan, start)


def run_trials(work: Work, told: Callable[[FrozenTrial], None] = lambda trial: None) -> None:
    """Asks for trials until there are enough or time is over; `told` hears of each that is finished."""
    while not is_over(work):
        trial = work.study.ask(distributions(work.limited.members.space))
        trial.set_user_attr("worker", work.worker)  # at once: whoever finds it abandoned must know whose it was
        if _is_surplus(work, trial.number):
            work.study.tell(trial, state=TrialState.FAIL)
            return
        run_trial(work, trial)
        told(work.study.trials[trial.number])


def is_over(work: Work) -> bool:
    """Whether no further trial is to begin."""
    trials = work.study.get_trials(deepcopy=False)
    if work.until is not None and time.time() >= work.until and trials:
        return True
    most = work.settings.most_trials
    if most is None:
        return False
    return sum(trial.state in (*FINISHED, TrialState.RUNNING) for trial in trials) >= most


def _is_surplus(work: Work, number: int) -> bool:
    """Whether other workers had asked for enough trials just before this one."""
    most = work.settings.most_trials
    if most is None:
        return False
    counted = (*FINISHED, TrialState.RUNNING)
    earlier = [trial for trial in work.study.get_trials(deepcopy=False) if trial.number < number]
    return sum(trial.state in counted for trial in earlier) >= most


def run_trial(work: Work, trial: Any) -> None:
    """Trains one candidate, rung by rung, and tells the study how it ended."""
    start, seed = time.monotonic(), work.recipe_seed(trial.number)
    space = work.limited.members.space
    try:
        candidate = work.limited.at(places_of(space, trial.params))
    except LimitError:  # taken up again, and its latency is another today
        trial.set_user_attr("ended", "over a limit")
        work.study.tell(trial, state=TrialState.FAIL)
        return
    cost = work.objective.cost(candidate)
    notes = {
        "choices": dict(with_values(space, candidate.places)),
        "params": int(candidate.cost.params),
        "macs": int(candidate.cost.macs),
        "bytes": file_bytes(candidate.cost),
        "ms": candidate.latency,
        "cost": cost,
        "seed": seed,
    }
    for name, value in notes.items():
        trial.set_user_attr(name, value)
    ended, reached = _trained(work, trial, candidate, seed, cost)
    trial.set_user_attr("ended", ended)
    trial.set_user_attr("seconds", round(time.monotonic() - start, 2))
    if ended in ("finished", "diverged"):
        work.study.tell(trial, list(work.objective.values(reached, cost)))
    else:
        work.study.tell(trial, state=TrialState.PRUNED)


def _trained(work: Work, trial: Any, candidate: Candidate, seed: int, cost: float) -> tuple[str, float]:
    """How the training ended ("finished", "stopped early", "out of time", "diverged"), and its val accuracy then."""

    first, *_ = rungs(work.settings, work.epochs)

    def stop_late(event: Any, training: Any) -> None:
        # The first trial reaches its first rung however long that takes: or a short search would come to nothing.
        needed = trial.number == 0 and len(training.history) < first
        if work.until is not None and isinstance(event, StepEnded) and time.time() > work.until and not needed:
            training.stop()

    parent, start = work.begun_from(candidate, seed) or (None, None)
    trial.set_user_attr("parent", parent)
    training = short_training(work.chosen(candidate, seed, start), work.dataset, observers=(stop_late,))
    found: list[list[Any]] = []
    for rung in rungs(work.settings, work.epochs):
        try:
            training.advance(rung - len(training.history))
        except DivergedError:
            return "diverged", 0.0
        if len(training.history) < rung:
            return "out of time", found[-1][1] if found else 0.0
        accuracy = accuracy_of(training, work.dataset)
        assert accuracy is not None
        found.append([rung, accuracy.value, accuracy.low, accuracy.high])
        trial.set_user_attr("rungs", found)
        if rung < work.epochs and _is_behind(work, trial, rung, accuracy, cost):
            return "stopped early", accuracy.value
    if work.kept is not None:
        work.kept.keep(trial.number, training.result().weights)
    return "finished", found[-1][1]


def _is_behind(work: Work, trial: Any, rung: int, accuracy: Interval, cost: float) -> bool:
    if not work.objective.is_front:
        trial.report(work.objective.values(accuracy.value, cost)[0], rung)
        return bool(trial.should_prune())
    others = []
    for other in work.study.get_trials(deepcopy=False):
        for epochs, value, *_ in other.user_attrs.get("rungs", ()):
            if other.number != trial.number and epochs == rung:
                others.append((value, other.user_attrs["cost"]))
    return falls_behind((accuracy.value, cost), others)


def take_up_lost(work: Work, lost: Callable[[FrozenTrial], bool]) -> int:
    """Marks trials as failed whose worker is gone, and has each tried again, once. How many there were."""
    storage, count = work.study._storage, 0
    for trial in work.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if lost(trial):
            storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
            count += 1
            if trial.params and "again" not in trial.user_attrs:
                space = work.limited.members.space
                params = params_of(space, places_of(space, trial.params))
                work.study.enqueue_trial(params, user_attrs={"again": trial.number})
    return count
