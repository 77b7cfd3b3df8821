"""The study that a search's trials belong to, opened by every process that works on it."""

from __future__ import annotations

from pathlib import Path

from convsmith.data.dataset import Dataset
from convsmith.design.limits import Limits, costed
from convsmith.design.preprocessing import preprocess_for
from convsmith.network.preprocess import Preprocess
from convsmith.searching.objective import Objective
from convsmith.searching.proxies import proxy_on, used
from convsmith.searching.pruning import pruner_of
from convsmith.searching.running import Work
from convsmith.searching.sampling import MemberSampler, Proxy
from convsmith.searching.settings import SearchSettings
from convsmith.searching.spaces.limited import LatencyOf, Limited
from convsmith.searching.spaces.members import Members
from convsmith.searching.spaces.named import space_for
from convsmith.searching.spaces.space import Space
from convsmith.searching.storage import STUDY, import_optuna, opened, told


def limited_for(
    dataset: Dataset, space: Space | str | Path | None, limits: Limits, settings: SearchSettings, latency_of: LatencyOf
) -> tuple[Limited, Preprocess]:
    """The members of a space for these images that keep to limits, and how the images come into them."""
    preprocess = preprocess_for(dataset, settings.side)
    shape, classes = (preprocess.channels, *preprocess.crop), len(dataset.classes)
    members = Members(space_for(space, shape, classes), shape, classes)
    return Limited(members, limits, latency_of, Objective(settings).timed), preprocess


def work_on(
    url: str, limited: Limited, dataset: Dataset, preprocess: Preprocess, settings: SearchSettings, epochs: int
) -> Work:
    """The study at a URL, opened or begun; in memory without one. Raises StorageError."""
    optuna = import_optuna()
    proxy = _proxy(settings, limited, dataset, preprocess)
    objective = Objective(settings)
    storage = opened(url) if url else None
    with told(url):
        study = optuna.create_study(
            storage=storage,
            study_name=STUDY,
            sampler=MemberSampler(settings.sampler, limited, objective, settings.seed, proxy),
            pruner=pruner_of(settings, epochs),
            directions=["maximize", "minimize"] if objective.is_front else ["maximize"],
            load_if_exists=True,
        )
    return Work(study, limited, dataset, preprocess, settings, epochs)


def _proxy(settings: SearchSettings, limited: Limited, dataset: Dataset, preprocess: Preprocess) -> Proxy | None:
    """What orders proposals: as asked, or, where it is free and accuracy alone counts, their size."""
    name = settings.proxy
    if name is None:
        free = costed(limited.limits) and limited.limits.max_latency is None  # each latency would be measured
        by_size = free and settings.goal == "accuracy" and settings.sampler != "random"
        name = "largest" if by_size else "none"
    if name == "none":
        return None
    return used(limited.limits) if name == "largest" else proxy_on(name, dataset, preprocess, settings.seed)
