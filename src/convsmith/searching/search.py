"""Hardware-aware architecture search: members of a space within limits, compared by short trainings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convsmith import records
from convsmith.data.dataset import Dataset
from convsmith.data.open import open_dataset
from convsmith.deploy.latency import latency_ms
from convsmith.design.limits import Limits
from convsmith.errors import UsageError
from convsmith.files import write_bytes
from convsmith.searching.folder import FRONT_FILES, NETWORK_FILE, SearchError, SearchFolder
from convsmith.searching.found import Found, best_of, tried_of
from convsmith.searching.inheritance import KeptWeights
from convsmith.searching.objective import Objective
from convsmith.searching.settings import MOST_EPOCHS, USUAL_EPOCHS, SearchSettings
from convsmith.searching.spaces.limited import LatencyOf, Limited
from convsmith.searching.spaces.space import Space
from convsmith.searching.storage import ASKED, import_optuna, told as storage_told
from convsmith.train.recipes.default import default_batch
from convsmith.train.tune.pace import seconds_an_image

if TYPE_CHECKING:
    from convsmith.cluster.connect import Cluster
    from convsmith.searching.running import Work

FULL_TRAININGS = 8
"""Trainings to the end for which there is to be time, where a time and no epochs are given."""


def search(
    data: Dataset | str | Path,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    *,
    space: Space | str | Path | None = None,
    settings: SearchSettings = SearchSettings(),  # noqa: B008  (frozen)
    out: str | Path | None = None,
    resume: bool = False,
    storage: str | None = None,
    cluster: Cluster | None = None,
    latency_of: LatencyOf | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> Found:
    """The best network of a space for a data set, within limits, by short trainings on its train and val splits.

    Every candidate is costed before it is trained, so that all trials keep to the limits. `space` is a value, "mbconv",
    "residual", "dense", "plain", a name of the zoo, or a JSON file; None: by the images, as `space_for` says.
    `latency_of` gives the ms of a network for one image, where that is limited or part of the objective; None: measured
    here, or predicted for the settings' device.

    With a folder `out` each trial is kept there in a database when it ends, so that a search that was stopped or killed
    can `resume` with no finished trial lost; `storage` is the URL of another database. In the folder are also the log
    (trials.jsonl), the front (front.svg, front.png) and the chosen network (network.json).

    On a `cluster` each worker asks the storage for its next trial. The data must be a path or a name then.

    Raises LimitError naming a limit that no member meets and what the smallest takes; UsageError for settings that
    contradict each other or the search that is resumed, and where optuna is not installed; StorageError for a database
    that cannot be used; SearchError where no trial came to an accuracy; and as `open_dataset` does.
    """
    import_optuna()
    from convsmith.searching.study import limited_for, work_on  # which needs optuna

    latency_of = latency_of or _latency_of(settings, limits, told)
    dataset = open_dataset(data)
    if "val" not in dataset.splits:
        raise UsageError("a search compares networks on a val split, which these data do not have", settings="data")
    place = SearchFolder(None if out is None else Path(out), storage, resume)
    limited, preprocess = limited_for(dataset, space, limits, settings, latency_of)
    limited.check()
    with place.held():
        asked = _asked(dataset, limits, limited.members.space, settings)
        asked["epochs"] = epochs = place.begun(asked) or _epochs(limited, dataset, settings, told)
        with place.begun_if_well(asked) as url:
            work = work_on(url, limited, dataset, preprocess, settings, epochs)
            with storage_told(url):
                work.study.set_user_attr(ASKED, asked)
        if settings.inherit:
            work = replace(work, kept=KeptWeights(place.weights))
        _carry_on(work, place, url, told)
        run = _Run(work, place, url, told)
        try:
            run.alone() if cluster is None else run.spread(cluster, data)
        finally:
            place.write_log(run.trials)
        return run.found()


def _latency_of(settings: SearchSettings, limits: Limits, told: Callable[[str], None]) -> LatencyOf:
    """Measured here, or predicted for a device. Raises UsageError where latency plays no part."""
    if settings.device is None:
        return latency_ms
    if limits.max_latency is None and not Objective(settings).timed:
        raise UsageError("latency is neither limited nor part of the objective", settings=("device", "max_latency"))
    from convsmith.devices import load_table, mismatch, predicted_ms

    table = load_table(settings.device)
    for note in mismatch(table):
        told(f"{table.name}: {note}")
    return partial(predicted_ms, table=table)


def _asked(dataset: Dataset, limits: Limits, space: Space, settings: SearchSettings) -> dict[str, Any]:
    """What a search is held against when it is resumed."""
    return {
        "data": dataset.name,
        "fingerprint": dataset.fingerprint,
        "limits": records.to_json(limits),
        "space": space.to_json(),
        "settings": settings.to_json(),
    }


def _epochs(limited: Limited, dataset: Dataset, settings: SearchSettings, told: Callable[[str], None]) -> int:
    """Epochs of the longest trainings: as asked, as usual, or for as many trainings as there is time for."""
    if settings.epochs is not None:
        return settings.epochs
    if settings.seconds is None:
        return USUAL_EPOCHS
    import numpy as np

    images, some = len(dataset.split("train")), limited.drawn(3, np.random.default_rng(settings.seed))
    each = sorted(seconds_an_image(limited.members.network(row), default_batch(images)) for row in some)[1]
    an_epoch = each * images
    epochs = max(1, min(MOST_EPOCHS, int(settings.seconds / (FULL_TRAININGS * an_epoch))))
    told(f"an epoch of a usual member takes about {an_epoch:.1f} s here: trainings of up to {epochs} epochs")
    return epochs


def _carry_on(work: Work, place: SearchFolder, url: str, told: Callable[[str], None]) -> None:
    """What a search that is resumed had come to; its lost trials are taken up again."""
    from convsmith.searching.running import FINISHED, take_up_lost

    if not place.resume:
        return
    with storage_told(url):
        # Nobody else works on this folder; a database by URL may have other workers, whose trials are theirs.
        lost = take_up_lost(work, lambda trial: place.storage is None)
        done = len(work.study.get_trials(deepcopy=False, states=FINISHED))
    again = f"; {lost} had not ended and {'is' if lost == 1 else 'are'} tried again" if lost else ""
    told(f"resumed: {done} trial{'s' * (done != 1)} there{again}")


@dataclass(frozen=True, eq=False)
class _Run:
    """A search under way."""

    work: Work
    place: SearchFolder
    url: str
    told: Callable[[str], None]

    @property
    def trials(self) -> tuple[Any, ...]:
        with storage_told(self.url):
            return tuple(
                tried_of(trial)
                for trial in self.work.study.get_trials(deepcopy=False)
                if trial.state.is_finished() and (trial.user_attrs.get("ended") or trial.params)
            )

    def _until(self, workers: int = 1) -> float | None:
        """When time is over: what trials took before the search was resumed counts."""
        seconds = self.work.settings.seconds
        spent = sum(trial.seconds for trial in self.trials) / workers
        return None if seconds is None else time.time() + seconds - spent

    def alone(self) -> None:
        """Trials in this process."""
        from convsmith.searching.running import run_trials

        with storage_told(self.url):
            run_trials(replace(self.work, until=self._until()), self._tell)

    def spread(self, cluster: Cluster, data: Any) -> None:
        """Trials in the workers of a cluster."""
        from convsmith.searching.spread import Share, search_on

        if isinstance(data, Dataset):
            raise UsageError("for a cluster, the data must be a path or a name", settings="data")
        if not self.url:
            raise UsageError("a cluster's workers meet in a folder that all of them see", settings="out")
        path = Path(data)
        work = self.work
        share = Share(
            self.url,
            str(path.absolute()) if path.exists() else str(data),
            work.limited.members.space,
            work.limited.limits,
            work.settings,
            work.epochs,
            self._until(cluster.workers),
            work.limited.latency_of,
            work.kept,
        )
        search_on(cluster, share, work, lambda trial: self._tell(trial))

    def _tell(self, trial: Any) -> None:
        tried = tried_of(trial)
        accuracy = "no accuracy" if tried.accuracy is None else f"{tried.accuracy} of val"
        epochs = f"{tried.epochs} epoch{'s' * (tried.epochs != 1)}"
        self.told(
            f"trial {tried.number}: {tried.params:,} parameters, {tried.macs:,} MACs: {accuracy} after {epochs}, "
            f"{tried.ended} ({tried.seconds:.0f} s)"
        )
        self.place.write_log(self.trials)

    def found(self) -> Found:
        """Raises SearchError where no trial has an accuracy."""
        work, trials = self.work, self.trials
        chosen = best_of(trials, work.settings)
        if chosen is None:
            raise SearchError("no trial reached the end of its first epochs: give more time", settings="seconds")
        space = work.limited.members.space
        places = [choice.values.index(chosen.choices[choice.name]) for choice in space.choices]
        network = work.limited.members.network(places)
        folder = self.place.folder or Path()
        name = work.dataset.name
        found = Found(name, space.name, work.settings, work.epochs, trials, chosen, network, folder, space.size)
        if self.place.folder is not None:
            self._write(found)
        return found

    def _write(self, found: Found) -> None:
        from convsmith.searching.plot import draw

        write_bytes(found.folder / NETWORK_FILE, records.json_text(found.network.to_json()).encode())
        for name in FRONT_FILES:
            draw(found, found.folder / name)
