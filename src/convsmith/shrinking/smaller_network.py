"""Ways to fewer multiply-adds or milliseconds: thinner layers, factors, integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from convsmith.compression.low_rank.search import search_ranks
from convsmith.compression.quantization.quantize import quantized
from convsmith.compression.slimming.slim import Slimming, slim
from convsmith.cost import cost_of
from convsmith.deploy.latency import latency_ms
from convsmith.errors import LimitError
from convsmith.model import Model, fuse_norm
from convsmith.model.file import size_in_bytes
from convsmith.shrinking.figures import plain_bytes
from convsmith.shrinking.target import told
from convsmith.shrinking.task import Task, UnreachableError
from convsmith.shrinking.work import Place, Step

STAGES = 2
"""In which channels are removed, with training after each."""
DIVISORS = (8, 1)
"""Of widths, the first with which the limit can be kept to: hardware likes 8."""
FAST_DIVISORS = (16, 8)
"""The same for a latency: engines compute so many channels at a time."""
SLIM_LR, FACTORS_LR = 0.5, 0.1
"""Shares of the recipe's learning rate. ResNet-20 on fashion-mnist, slimmed to half of its multiply-adds, lost 0.33
points at half the rate, and 0.51 at a fifth (`benchmarks/slim.py`, one seed)."""
LEAST_KEEP, SEARCHES = 0.02, 7
"""The smallest share that is tried, and how many are."""
ROOM = 0.95
"""The share of a limit that is aimed at: latencies of one network differ, and so do channels that training keeps."""
TRIES = 3
"""Of ranks, each for what the one before came to."""


def slim_only(task: Task) -> tuple[Step, ...]:
    """Whole channels removed in two stages, with training after each."""
    match task.measure:
        case "latency":
            # How long a network takes does not depend on its weights, so nothing is trained to know it.
            keep, divisor = _searched(task, lambda model: latency_ms(model.network.inference), FAST_DIVISORS)
        case "bytes":
            keep, divisor = _searched(task, size_in_bytes, DIVISORS)
        case "macs":
            keep = task.limit / _cost(task.start, "macs")
            divisor = next((one for one in DIVISORS if _reaches(task.start, Slimming(keep, divisor=one))), 1)
    return _slimmed(task, keep, divisor)


def _slimmed(task: Task, keep: float, divisor: int) -> tuple[Step, ...]:
    steps: list[Step] = []
    model, of = task.start, _of(task)
    for stage in range(1, STAGES + 1):
        wanted = keep ** (stage / STAGES) * _cost(task.start, of)
        share = min(1.0, wanted / _cost(model, of))
        slimmed = _slim(model, Slimming(share, of, divisor=divisor))
        what = f"channels removed, {_told_share(slimmed, task.start, of)} left, trained"
        steps.append(task.step(f"slim-{stage}", what, _trainer(task, slimmed, 1 / STAGES, SLIM_LR)))
        model = steps[-1].model
    return tuple(steps)


def _trainer(task: Task, model: Model, part: float, lr_scale: float) -> Callable[[Place], Model]:
    return lambda place: place.retrained(model, task.epochs_of(part), lr_scale)


def low_rank(task: Task) -> tuple[Step, ...]:
    """Layers replaced by products of thinner ones, the ranks by measured loss, and trained."""
    keep = _keep_for(task)

    def make(place: Place) -> Model:
        return place.retrained(_factorized(task, keep), task.epochs, FACTORS_LR)

    return (task.step("svd", "layers replaced by products of thinner ones, ranks by measured loss, trained", make),)


def _factorized(task: Task, keep: float) -> Model:
    for _ in range(TRIES):
        try:
            model = search_ranks(task.start, task.work.sample(task.start), keep, of=_of(task)).model
        except LimitError as error:
            raise UnreachableError(error.message) from None
        now = size_in_bytes(model) if task.measure == "bytes" else _cost(model, "macs")
        if now <= task.limit:
            return model
        keep *= 0.99 * task.limit / now
    raise UnreachableError(f"its factors still take {told(task.measure, now)}")


def int8(task: Task) -> tuple[Step, ...]:
    """Weights and feature maps in 8 bits, without training."""

    def make(place: Place) -> Model:
        return quantized(task.start, task.work.sample(task.start)).model

    return (task.step("int8", "weights and feature maps in 8 bits, calibrated, not trained", make),)


def _of(task: Task) -> Literal["params", "macs"]:
    return "params" if task.measure == "bytes" else "macs"


def _cost(model: Model, of: str) -> float:
    cost = cost_of(model.network.inference)
    return float(cost.params if of == "params" else cost.macs)


def _keep_for(task: Task) -> float:
    """The share of the parameters or multiply-adds of the model, its norms folded away, that the limit allows."""
    whole = fuse_norm(task.start.inference)
    if task.measure == "macs":
        return min(1.0, task.limit / _cost(whole, "macs"))
    weights = 4 * _cost(whole, "params")
    described = plain_bytes(whole) - weights
    if task.limit <= described:
        raise UnreachableError(f"what describes its network takes {described:,.0f} bytes")
    return min(1.0, (task.limit - described) / weights)


def _told_share(model: Model, whole: Model, of: str) -> str:
    """What is left, in words."""
    return f"{_cost(model, of) / _cost(whole, of):.0%} of the {'parameters' if of == 'params' else 'multiply-adds'}"


def _slim(model: Model, settings: Slimming) -> Model:
    try:
        return slim(model, settings).model
    except LimitError as error:
        raise UnreachableError(error.message) from None


def _reaches(model: Model, settings: Slimming) -> bool:
    try:
        _slim(model, settings)
    except UnreachableError:
        return False
    return True


def _searched(task: Task, amount: Callable[[Model], float], divisors: Sequence[int]) -> tuple[float, int]:
    """The largest share that is found to keep to the limit with some room, and the divisor of its widths."""
    found: list[tuple[float, int]] = []
    smallest = float("inf")
    for divisor in divisors:
        low, high, fits = LEAST_KEEP, 1.0, None
        for _ in range(SEARCHES):
            keep = (low * high) ** 0.5
            try:
                now = amount(slim(task.start, Slimming(keep, _of(task), divisor=divisor)).model)
            except LimitError:
                low = keep
                continue
            smallest = min(smallest, now)
            if now <= ROOM * task.limit:
                low = fits = keep
            else:
                high = keep
        if fits is not None:
            found.append((fits, divisor))
    if not found:
        raise UnreachableError(f"with as few channels as may be left it takes {told(task.measure, smallest)}")
    return max(found)
