"""A Ray cluster by its address: reached or refused within seconds, and left when the work is done."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convsmith.errors import ConvsmithError, UsageError
from convsmith.telemetry import switch_off

CONNECTING = 10
"""Seconds to wait for the cluster's head."""

ATTEMPTS = 3
"""To join as a client: now and then the head fails to start a process for one (Ray 2.60: its fork races with gRPC's
threads), and the next attempt succeeds."""

RESTARTS = 20
"""Workers or nodes that may be lost in a run."""

ON_HEAD = {"num_cpus": 0, "resources": {"node:__internal_head__": 0.001}}
"""Ray's options for an actor that takes no core and is lost only with the cluster's head, when everything is lost."""


class ClusterError(ConvsmithError):
    """The cluster cannot be reached, or the work on it failed."""


@dataclass(frozen=True)
class Cluster:
    """Where and how wide to work.

    `address` is "auto" (the cluster that this machine belongs to, else one started for this run), HOST:PORT of its
    head, or ray://HOST:PORT of its client server. There are `workers` processes with `gpus` each; if some are lost, the
    work goes on.
    """

    address: str
    workers: int
    gpus: float = 0.0


def import_ray() -> Any:
    """The module `ray`. Raises UsageError if it is not installed."""
    switch_off()
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")  # read when Ray is imported
    try:
        import ray
        import ray.train
    except ImportError:
        raise UsageError("Ray is not installed: pip install 'convsmith[cluster]'", settings="cluster") from None
    return ray


@contextmanager
def connected(ray: Any, address: str) -> Iterator[None]:
    """Within, Ray's calls go to the cluster at `address`. Raises UsageError for a malformed address, ClusterError."""
    if address != "auto":
        _check_port(address)
    elif (left := _remembered()) and _silence(left):
        raise ClusterError(
            f"Ray remembers a cluster at {left} that does not answer; run `ray stop`", settings="cluster"
        )
    _join(ray, address)
    try:
        yield
    finally:
        ray.shutdown()


def _join(ray: Any, address: str) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            ray.init(
                address=None if address == "auto" else address,
                log_to_driver=False,
                logging_level="error",
                ignore_reinit_error=True,
            )
            return
        except (ConnectionError, RuntimeError, ValueError) as error:
            # ConnectionAbortedError: the head answered but could not serve. A lasting refusal comes again at once.
            if attempt == ATTEMPTS or not isinstance(error, ConnectionAbortedError):
                raise ClusterError(f"{address} cannot be reached ({last_line(error)})", settings="cluster") from None


def _check_port(address: str) -> None:
    """Ray itself waits for minutes if nobody listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"must be auto, HOST:PORT or ray://HOST:PORT, not {address!r}", settings="cluster")
    if why := _silence(f"{host}:{port}"):
        raise ClusterError(f"{address} does not answer ({why})", settings="cluster")


def _remembered() -> str:
    """The address that `ray start` wrote on this machine, and that a killed head leaves behind; empty without one."""
    file = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _silence(address: str) -> str:
    """Why nobody answers at HOST:PORT; empty if somebody does."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECTING).close()
    except (OSError, OverflowError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


def last_line(error: BaseException) -> str:
    """The message of an error, without the traceback that Ray puts before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
