"""From a data set to a design: evidence is measured, then the rules are asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from convsmith.data.dataset import Dataset
from convsmith.data.open import open_dataset
from convsmith.deploy.latency import latency_ms
from convsmith.design.designer import Design, Pace, design, refuse_impossible, usual_seconds
from convsmith.design.evidence.gather import MOST_SECONDS, basics_of, gather
from convsmith.design.evidence.values import Evidence
from convsmith.design.limits import Limits
from convsmith.design.preprocessing import preprocess_for, with_channels
from convsmith.design.rules import SMALLER_SIDE, scheme_of
from convsmith.network import Network
from convsmith.network.preprocess import Framing
from convsmith.train.recipes.default import default_batch, default_epochs
from convsmith.train.tune.pace import seconds_an_image


def pace_for(dataset: Dataset, latency_of: Callable[[Network], float] = latency_ms) -> Pace:
    """As this machine measures, with batches as this data set has them."""
    return Pace(latency_of, partial(seconds_an_image, batch_size=default_batch(len(dataset.split("train")))))


def design_for(
    data: Dataset | str | Path,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    *,
    side: int | None = None,
    seconds: float | None = None,
    evidence: Evidence | None = None,
    evidence_seconds: float = MOST_SECONDS,
    told: Callable[[str], None] = lambda line: None,
    latency_of: Callable[[Network], float] = latency_ms,
) -> Design:
    """Three networks for a data set, from the smallest that is sensible to the strongest within `limits`, and why.

    `side` is that of the input in pixels; None: the evidence decides. The strongest can be trained in about `seconds`
    here, by default as `usual_seconds` says. `evidence` is measured within `evidence_seconds` if it is not given;
    `told` is given a line about each part. `latency_of` says what a network takes in ms where that is limited: it is
    measured here by default, and `partial(predicted_ms, table=...)` predicts it for another device.

    Raises LimitError naming a limit that no design meets, with the smallest value that one could; and as `open_dataset`
    does.
    """
    dataset = open_dataset(data)
    pace = pace_for(dataset, latency_of)
    check_limits(dataset, limits, side, pace)
    found = gather(dataset, seconds=evidence_seconds, told=told) if evidence is None else evidence
    return designed(dataset, found, limits, side=side, seconds=seconds, pace=pace)


def check_limits(dataset: Dataset, limits: Limits, side: int | None, pace: Pace | None = None) -> None:
    """Raises LimitError, before anything is measured, where no design for these images can meet the limits."""
    if limits == Limits():
        return
    own = preprocess_for(dataset, side)
    crop = own.crop if side is not None else tuple(min(SMALLER_SIDE, each) for each in own.crop)
    refuse_impossible(
        basics_of(dataset), (1 if dataset.channels == 1 else 3, crop[0], crop[1]), limits, pace or pace_for(dataset)
    )


def designed(
    dataset: Dataset,
    evidence: Evidence,
    limits: Limits,
    *,
    side: int | None,
    seconds: float | None,
    framing: Framing | None = None,
    epochs: int | None = None,
    pace: Pace | None = None,
) -> Design:
    """The design for evidence that has been measured."""
    tight = bool({"max_params", "max_macs", "max_size"} & set(limits.set))
    scheme = scheme_of(evidence, side=side, tight=tight)
    preprocess = with_channels(preprocess_for(dataset, scheme.side, framing), scheme.channels)
    images = len(dataset.split("train"))
    passes = epochs or default_epochs(images)
    return design(
        evidence,
        preprocess,
        scheme,
        limits,
        pace or pace_for(dataset),
        epochs=passes,
        seconds=seconds or usual_seconds(images, scheme.level),
    )
