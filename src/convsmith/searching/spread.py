"""Trials on a Ray cluster: each worker asks the storage for its next trial, so that none is run twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import FrozenTrial

from convsmith.cluster.connect import RESTARTS, Cluster, ClusterError, connected, import_ray, last_line
from convsmith.data.open import open_dataset
from convsmith.design.limits import Limits
from convsmith.errors import ConvsmithError
from convsmith.searching.inheritance import KeptWeights
from convsmith.searching.running import Work, is_over, run_trials, take_up_lost
from convsmith.searching.settings import SearchSettings
from convsmith.searching.spaces.limited import LatencyOf
from convsmith.searching.spaces.space import Space
from convsmith.searching.storage import told as storage_told
from convsmith.searching.study import limited_for, work_on

LOOK_SECONDS = 1.0
"""How often finished trials are looked for."""


@dataclass(frozen=True)
class Share:
    """What a worker needs to know; all of it can be sent to another machine."""

    url: str
    data: str
    space: Space
    limits: Limits
    settings: SearchSettings
    epochs: int
    until: float | None
    latency_of: LatencyOf
    kept: KeptWeights | None = None


def search_on(cluster: Cluster, share: Share, work: Work, told: Callable[[FrozenTrial], None]) -> None:
    """Trials in `cluster.workers` processes until there are enough; `told` hears of each that is finished.

    Where a worker is lost, its trial is tried again by another one. Raises UsageError if Ray is not installed;
    ClusterError if the cluster cannot be reached or the work fails there; what a trial raises.
    """
    ray = import_ray()
    with connected(ray, cluster.address):
        try:
            _directed(ray, cluster, share, work, told)
        except ConvsmithError:
            raise
        except Exception as error:  # Ray wraps what happens to a worker, or to the cluster, in types of its own
            raise ClusterError(f"the search on the cluster failed: {last_line(error)}") from None


def _directed(ray: Any, cluster: Cluster, share: Share, work: Work, told: Callable[[FrozenTrial], None]) -> None:
    task = ray.remote(num_cpus=1, num_gpus=cluster.gpus or None, max_retries=0)(_worked)
    known = {trial.number for trial in work.study.get_trials(deepcopy=False) if trial.state.is_finished()}
    names = iter(f"worker {number}" for number in range(1, 1 + cluster.workers + RESTARTS))
    running: dict[Any, str] = {}

    def start() -> None:
        name = next(names, None)
        if name is None:
            raise ClusterError(f"{RESTARTS} workers were lost")
        running[task.remote(share, name)] = name

    for _ in range(cluster.workers):
        start()
    while running:
        done, _ = ray.wait(list(running), timeout=LOOK_SECONDS)
        with storage_told(share.url):
            for trial in work.study.get_trials(deepcopy=False):
                if trial.state.is_finished() and trial.number not in known:
                    known.add(trial.number)
                    told(trial)
            for reference in done:
                name = running.pop(reference)
                if _is_lost(ray, reference):
                    take_up_lost(work, lambda trial, name=name: trial.user_attrs.get("worker") == name)  # type: ignore[misc]
                    start()
            if not running and take_up_lost(work, lambda trial: True) and not is_over(replace(work, until=share.until)):
                start()  # for what a worker had asked for when it was lost, before it had its name on it


def _is_lost(ray: Any, reference: Any) -> bool:
    """Whether the worker died. Raises what it returned."""
    try:
        failure = ray.get(reference)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError):
        return True
    if failure is not None:
        raise failure
    return False


def _worked(share: Share, name: str) -> ConvsmithError | None:
    """One worker's trials; what went wrong, which Ray would bury in tracebacks."""
    try:
        dataset = open_dataset(share.data)
        limited, preprocess = limited_for(dataset, share.space, share.limits, share.settings, share.latency_of)
        work = work_on(share.url, limited, dataset, preprocess, share.settings, share.epochs)
        with storage_told(share.url):
            run_trials(replace(work, until=share.until, worker=name, kept=share.kept))
    except ConvsmithError as error:
        return error
    return None
