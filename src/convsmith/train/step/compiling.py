"""`torch.compile` of a network in training: where it may pay, and a trial of it that cannot harm the run."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from convsmith.train.recipes.recipe import Recipe

SHARE = 0.1
"""The share of the planned training that compiling may take: what is gained is 10 to 30% where anything is."""

LEAST_SECONDS, MOST_SECONDS = 60.0, 300.0
"""Less time than the first is not worth a trial, for networks take up to 45 s (docs/speed.md); none gets more than the
second."""

VARIANTS = 64
"""Sizes of images and modes that a network is compiled for. torch's own limit, 8, is one that a resumed run would meet
later than the run that it goes on with."""


def compiled(module: nn.Module) -> Callable[..., Any]:
    """The module's forward pass, compiled when it is first called and again for every other size of its input."""
    torch.compiler.config.recompile_limit = VARIANTS
    # Never with dynamic shapes, for which kernel a size gets would depend on the sizes that came before it.
    forward: Callable[..., Any] = torch.compile(module, dynamic=False)
    return forward


def no_compiler(device: torch.device) -> str:
    """Why nothing can be compiled for this device here; empty where it can."""
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            return "Triton is not installed"
        return "" if torch.cuda.get_device_capability(device) >= (7, 0) else "this GPU is older than Triton's oldest"
    name = os.environ.get("CXX", "g++")
    return "" if shutil.which(name) else f"there is no C++ compiler here ({name})"


def hindrance(device: torch.device, recipe: Recipe, *, processes: int, auxiliary: bool) -> str:
    """Why compiling is not even tried in this training; empty where it is a candidate."""
    if processes > 1:
        return "several processes train together"
    if recipe.compiled:
        return no_compiler(device)
    if recipe.sides[0] != recipe.sides[1]:
        return "the recipe's images grow, and every size would be compiled"
    if recipe.fine_tuning.unfreeze_every is not None:
        return "stages thaw, and each time everything would be compiled again"
    if auxiliary:
        return "auxiliary heads are switched off for evaluation, and everything would be compiled again after it"
    if device.type == "cpu":
        return "on CPUs it has been slower than the plain step; compiled = true forces it"
    return no_compiler(device)


def allowance(training_seconds: float) -> float:
    """Seconds that compiling may take in a training of this length; 0 where it is too short for a trial."""
    seconds = min(MOST_SECONDS, SHARE * training_seconds)
    return seconds if seconds >= LEAST_SECONDS else 0.0


def failure(step: Callable[[], object], seconds: float) -> str:
    """Takes the first step, which compiles. Why that failed, in a line; empty where it is done within the time."""
    try:
        with _time_limit(seconds):
            step()
    except _TooLateError:
        return f"compiling took longer than {seconds:.0f} s"
    except Exception as error:  # the compiler's own are of many types, and none of them may end a run
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"compiling failed ({lines[0] if lines else type(error).__name__})"
    return ""


class _TooLateError(BaseException):
    """Not an Exception, for the compiler catches those and goes on."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raises _TooLateError in the body after `seconds`; where there are no such signals, never."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise _TooLateError

    before = signal.signal(signal.SIGALRM, stop)
    # Again after some seconds: an exception raised inside a destructor is lost.
    signal.setitimer(signal.ITIMER_REAL, seconds, 5.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
