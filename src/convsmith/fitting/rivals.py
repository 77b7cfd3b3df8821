"""Which way to train, where that is left to us: own designs, the zoo, pretrained weights, compared by trials."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from convsmith.cost import cost_of
from convsmith.data.augment.augment import written_characters
from convsmith.data.checks.framing import framing_for
from convsmith.data.dataset import Dataset
from convsmith.deploy.latency import latency_ms
from convsmith.design.choose import choose, within
from convsmith.design.designer import SLACK, Design, usual_seconds
from convsmith.design.evidence.gather import MOST_SECONDS, gather
from convsmith.design.preprocessing import preprocess_for
from convsmith.design.rules import HARD, scheme_of
from convsmith.errors import LimitError
from convsmith.evaluation.metrics import Interval
from convsmith.fitting.asked import recipe_for, with_asked
from convsmith.fitting.chosen import Choice, Chosen, Trial, trial_of
from convsmith.fitting.designing import check_limits, designed, pace_for
from convsmith.fitting.trials import accuracy_in, feature_seconds, head_accuracy, start_of
from convsmith.model import Model
from convsmith.network.network import Network
from convsmith.network.preprocess import Preprocess
from convsmith.request import Request
from convsmith.resolve import model_of
from convsmith.train.recipes.default import default_epochs, fine_tuned
from convsmith.train.recipes.named import DEFAULT, usual_epochs
from convsmith.train.recipes.recipe import FineTuning
from convsmith.train.run.plan import RunPlan
from convsmith.transform.part import stages, with_classes
from convsmith.transform.side import at_side
from convsmith.weights.at_hand import weights_at_hand

EVIDENCE_SHARE, TRIALS_SHARE, CHOOSING_SHARE = 0.12, 0.15, 0.3
"""Of the time of a training: what measuring the data may take, what all trials may, and both together."""

SHORTEST_TRIAL = 1.5
"""Seconds below which a trial says nothing, so that none is held."""

MOST_GMACS = 1.0
"""Of pretrained networks whose features are tried: a larger one would take minutes on two cores."""

SIDES = (192, 160, 128, 96)
"""Pixels at which pretrained features are computed where their own side takes too long."""

FEATURES_SHARE = 0.7
"""Of the time that is asked for: what computing features may take."""

FEATURES_SECONDS = 200.0
"""What it may take where no time is asked for."""

FEW_IMAGES = 1500
"""So many images are shown to a pretrained network in any case, where no time is asked for: nothing else helps them as
much."""


@dataclass(frozen=True, eq=False)
class Rival:
    """One way to train. `each` is the seconds that it takes for an image: a step of it, or its features."""

    kind: str
    chosen: Chosen
    each: float

    @property
    def frozen(self) -> bool:
        return self.chosen.plan.head_only


def best_way(request: Request, dataset: Dataset, told: Callable[[str], None] = lambda line: None) -> Chosen:
    """Network, weights and recipe for a request that names no network: the design's and its rivals', compared.

    Raises LimitError naming a limit that nothing meets.
    """
    check_limits(dataset, request.limits, request.side)
    seconds, start = _seconds(request, dataset, HARD), time.monotonic()
    evidence = gather(dataset, seconds=min(MOST_SECONDS, EVIDENCE_SHARE * seconds), told=told)
    seconds = _seconds(request, dataset, scheme_of(evidence).level)
    design = designed(
        *(dataset, evidence, request.limits),
        side=request.side,
        framing=request.framing,
        seconds=seconds,
        epochs=request.epochs or usual_epochs(request.recipe or DEFAULT, len(dataset.split("train"))),
    )
    rivals, refused = _rivals(request, dataset, design, seconds, told)
    if request.seconds is None and request.epochs is None:
        rivals = [replace(rival, chosen=replace(rival.chosen, usual_seconds=SLACK * seconds)) for rival in rivals]
    if len(rivals) == 1 or "val" not in dataset.splits:
        return _taken(rivals[0], design, refused, "the design's choice")
    left = seconds * CHOOSING_SHARE - (time.monotonic() - start)
    trials, best = _compared(rivals, dataset, min(TRIALS_SHARE * seconds, left) / len(rivals), told)
    return _taken(rivals[best], design, (*trials, *refused), trials[best].verdict)


def _seconds(request: Request, dataset: Dataset, level: int) -> float:
    """What the training may take: as asked, or as usual for so many epochs as are asked for."""
    if request.seconds is not None:
        return request.seconds
    images = len(dataset.split("train"))
    epochs = request.epochs or usual_epochs(request.recipe or DEFAULT, images)
    return usual_seconds(images, level) * epochs / default_epochs(images)


def _rivals(
    request: Request, dataset: Dataset, design: Design, seconds: float, told: Callable[[str], None]
) -> tuple[list[Rival], tuple[Trial, ...]]:
    """The ways to train, the design's first; and those that were not tried, with the reason."""
    rivals = [_designed(request, dataset, design)]
    with suppress(LimitError):
        rivals.append(_of_zoo(request, dataset, design, seconds, rivals[0]))
    found: list[Rival | Trial] = []
    if request.recipe in (None, DEFAULT) and design.scheme.transfer:
        found = list(_transfers(request, dataset, seconds, told))
    rivals += [way for way in found if isinstance(way, Rival)]
    return rivals, tuple(way for way in found if isinstance(way, Trial))


def _designed(request: Request, dataset: Dataset, design: Design) -> Rival:
    candidate = design.candidate("strongest")
    reason = f"{candidate.network.name}: designed for these images, the {candidate.kind} candidate"
    plan = _plan(request, dataset, design, candidate.network, reason, design.preprocess)
    return Rival("own design", Chosen(plan), pace_for(dataset).seconds_of(candidate.network))


def _of_zoo(request: Request, dataset: Dataset, design: Design, seconds: float, own: Rival) -> Rival:
    """The best-known network for such images that trains in time, by its multiply-adds and the pace of our own.

    Raises LimitError where none meets the limits.
    """
    pace = own.each / float(cost_of(own.chosen.plan.network).macs)
    preprocess = preprocess_for(dataset, request.side, request.framing)
    images = len(dataset.split("train"))
    found = choose(
        *(len(dataset.classes), (preprocess.channels, *preprocess.crop), images, request.limits),
        *(latency_ms, lambda network: pace * float(cost_of(network).macs)),
        epochs=design.epochs,
        characters=written_characters(dataset.classes),
        training_seconds=seconds,
    )
    plan = _plan(request, dataset, design, found.network, found.reason, preprocess)
    return Rival("zoo", Chosen(plan), pace_for(dataset).seconds_of(found.network))


def _plan(
    request: Request, dataset: Dataset, design: Design, network: Network, reason: str, preprocess: Preprocess
) -> RunPlan:
    """From scratch; the default recipe changes images as the evidence says."""
    recipe = recipe_for(request, network, dataset, preprocess)
    if recipe.name in (DEFAULT, "fast"):
        recipe = replace(recipe, augment=design.scheme.augment)
    return RunPlan(network, reason, preprocess, with_asked(request, recipe, network))


def _transfers(
    request: Request, dataset: Dataset, seconds: float, told: Callable[[str], None]
) -> Iterator[Rival | Trial]:
    """Frozen and tuned features of the best quick pretrained network at hand, at a side that there is time for."""
    quick = [found for found in weights_at_hand() if found[0].gmacs <= MOST_GMACS]
    if not quick:
        told("no pretrained weights are at hand, so none are tried: `convsmith weights list` says which there are")
        return
    weights, file = max(quick, key=lambda found: found[0].top1)
    told(f"pretrained weights at hand: {weights.name} ({file})")
    start = model_of(file)
    if request.teacher is None:  # on frozen features there are no images for a teacher to see
        yield _frozen(request, dataset, start, weights.name, seconds)
    tuned = _tuned(request, dataset, start, weights.name, seconds)
    if tuned is not None:
        yield tuned


def _frozen(request: Request, dataset: Dataset, start: Model, name: str, seconds: float) -> Rival | Trial:
    images = sum(len(split) for split in dataset.splits.values())
    allowed = FEATURES_SECONDS if request.seconds is None else FEATURES_SHARE * seconds
    sides = (request.side,) if request.side is not None else (start.preprocess.crop[0], *SIDES)
    chosen, each = None, 0.0
    for side in sides:
        chosen = _pretrained(request, dataset, start, name, side, head_only=True)
        if (exceeded := _exceeded(request, chosen.plan.network)) is not None:
            return trial_of("frozen features", chosen.plan, exceeded)
        each = feature_seconds(start_of(chosen, dataset), dataset)
        if each * images <= allowed:
            return Rival("frozen features", chosen, each)
    assert chosen is not None
    if request.seconds is None and images <= FEW_IMAGES:
        return Rival("frozen features", chosen, each)
    return trial_of(
        "frozen features", chosen.plan, f"not tried: the features of {images:,} images take {each * images:,.0f} s here"
    )


def _tuned(request: Request, dataset: Dataset, start: Model, name: str, seconds: float) -> Rival | None:
    """Training all of it, where there is time for that; at the side of the images, as doctors' embeddings are."""
    short = min(dataset.size)
    side = request.side or min(start.preprocess.crop[0], max(min(SIDES), -(-short // 32) * 32))
    chosen = _pretrained(request, dataset, start, name, side, head_only=False)
    if _exceeded(request, chosen.plan.network) is not None:
        return None
    each = pace_for(dataset).seconds_of(chosen.plan.network)
    if each * len(dataset.split("train")) * chosen.plan.recipe.epochs > seconds:
        return None
    return Rival("fine-tuned", chosen, each)


def _pretrained(request: Request, dataset: Dataset, start: Model, name: str, side: int, *, head_only: bool) -> Chosen:
    network, preprocess = replace(start.network, storage=()), start.preprocess
    if side != preprocess.crop[0]:
        network, preprocess = at_side(network, preprocess, side)
    preprocess = preprocess.framed(request.framing or framing_for(dataset).framing)
    network = with_classes(network, len(dataset.classes))
    tuning = FineTuning(frozen_stages=len(stages(network)) - 1 if head_only else 0)
    if head_only:
        request = replace(request, flip=None)  # its images are not changed
    recipe = fine_tuned(network, dataset, preprocess, tuning, epochs=request.epochs, seed=request.seed or 0)
    what = "a classifier on its frozen features" if head_only else "fine-tuned"
    reason = f"{network.name}: pretrained ({name}), {what}"
    return Chosen(RunPlan(network, reason, preprocess, with_asked(request, recipe, network)), start)


def _exceeded(request: Request, network: Network) -> str | None:
    """Which limit a network does not keep, in words."""
    try:
        within(network, request.limits, latency_ms, "")
    except LimitError as error:
        return f"not tried: {error}"
    return None


def _compared(
    rivals: list[Rival], dataset: Dataset, seconds: float, told: Callable[[str], None]
) -> tuple[tuple[Trial, ...], int]:
    """A trial of each rival in about so many seconds, and which is best.

    Of those that are within a standard error of the best, the first is taken.
    """
    if seconds < SHORTEST_TRIAL:
        verdict = "not compared: there is too little time"
        return tuple(trial_of(rival.kind, rival.chosen.plan, verdict) for rival in rivals), 0
    found: list[tuple[Interval | None, float]] = []
    for rival in rivals:
        start = time.monotonic()
        if rival.frozen:
            accuracy = head_accuracy(rival.chosen, dataset)
        else:
            accuracy = accuracy_in(rival.chosen, dataset, seconds, rival.each)
        found.append((accuracy, time.monotonic() - start))
        said = "came to no end" if accuracy is None else f"{accuracy} of val"
        told(f"trial of {found[-1][1]:.0f} s: {rival.kind}, {rival.chosen.plan.network.name}: {said}")
    values = [-1.0 if accuracy is None else accuracy.value for accuracy, _ in found]
    images = len(dataset.split("val"))
    error = (max(values) * (1 - max(values)) / images) ** 0.5 if 0 < max(values) < 1 else 1 / images
    best = next(at for at, value in enumerate(values) if value >= max(values) - error)
    verdicts = [
        f"taken: within a standard error ({error:.1%}) of the best" if at == best else "another is better or simpler"
        for at in range(len(rivals))
    ]
    return tuple(
        trial_of(rival.kind, rival.chosen.plan, verdict, *each)
        for rival, verdict, each in zip(rivals, verdicts, found, strict=True)
    ), best


def _taken(rival: Rival, design: Design, trials: tuple[Trial, ...], reason: str) -> Chosen:
    return replace(rival.chosen, choice=Choice(design, trials, reason))
