"""Prediction on a Ray cluster, through Ray Data: the same predictions as on one machine, from several processes."""

from __future__ import annotations

import socket
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from convsmith.cluster.connect import ON_HEAD, RESTARTS, Cluster, ClusterError, connected, import_ray, last_line
from convsmith.data.unlabelled import GatheredImages
from convsmith.deploy.classifier import open_classifier
from convsmith.deploy.predict import TOP, Prediction, predictions
from convsmith.errors import ConvsmithError
from convsmith.resolve import file_of

CHUNK = 64
"""The most images that a worker takes at once: what is done again if it dies."""

SHARES = 4
"""Chunks for each worker at least, so that none waits long for the last."""


def predict_on(cluster: Cluster, model: str | Path, images: GatheredImages, *, top: int = TOP) -> Generator[Prediction]:
    """A prediction for each image, in order, as `predictions` gives them.

    `model` is a model file, an exported file, or published weights by name. Files must be at the same place for every
    worker, on a shared file system. If workers or nodes are lost, what they had not finished is done again. Raises
    UsageError if Ray is not installed; ClusterError if the cluster cannot be reached or the work fails there.
    """
    ray = import_ray()
    with connected(ray, cluster.address):
        _check_gpus(ray, cluster)
        try:
            row = 0
            for chunk in _chunks(ray, cluster, model, images, top):
                if isinstance(chunk, str):
                    raise ClusterError(f"prediction on the cluster failed: {chunk}")
                for found in chunk:
                    yield _renamed(images, row, found)
                    row += 1
        except ConvsmithError:
            raise
        except Exception as error:  # Ray wraps what happens to a worker, or to the cluster, in types of its own
            raise ClusterError(f"prediction on the cluster failed: {last_line(error)}") from None


def _check_gpus(ray: Any, cluster: Cluster) -> None:
    """Ray itself waits for GPUs that may never come."""
    there = ray.cluster_resources().get("GPU", 0)
    if there < cluster.gpus:
        raise ClusterError(
            f"{cluster.address} has {there:g} GPUs; a worker is to get {cluster.gpus:g}", settings="cluster"
        )


def _chunks(
    ray: Any, cluster: Cluster, model: str | Path, images: GatheredImages, top: int
) -> Iterator[list[Prediction] | str]:
    """The predictions of each chunk, in order; or why a worker cannot make any."""
    file = file_of(model)
    place = str(model if file is None else file.absolute())
    pipeline = ray.remote(**ON_HEAD)(_Pipeline).remote(cluster, place, images.absolute(), top)
    while (chunk := ray.get(pipeline.next.remote())) is not None:
        yield msgspec.json.decode(chunk, type=list[Prediction] | str)


class _Pipeline:
    """Runs Ray Data in a process of the cluster, because it does not run in a client of one (`ray://`)."""

    def __init__(self, cluster: Cluster, model: str, images: GatheredImages, top: int) -> None:
        from ray import data

        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        context.max_consecutive_actor_init_deaths = RESTARTS
        size = max(1, min(CHUNK, len(images) // (SHARES * cluster.workers)))
        starts = list(range(0, len(images), size))
        # Blocks hold row numbers: the list of the images goes to each worker once. Ray Data restarts a worker that died
        # and redoes its chunk; it goes on with fewer workers than were asked for.
        chunks = data.from_items(starts, override_num_blocks=len(starts)).map_batches(
            Worker,
            batch_size=1,
            fn_constructor_args=(model, images, size, top, cluster.gpus > 0),
            compute=data.ActorPoolStrategy(min_size=1, max_size=cluster.workers, initial_size=cluster.workers),
            num_cpus=1,
            num_gpus=cluster.gpus or None,
        )
        self._rows = iter(chunks.iter_rows())

    def next(self) -> bytes | None:
        """The predictions of the next chunk, as JSON; None at the end."""
        row = next(self._rows, None)
        return None if row is None else bytes(row["predictions"])


class Worker:
    """A process of the cluster, which opens the model once and then takes chunk after chunk."""

    def __init__(self, model: str, images: GatheredImages, size: int, top: int, gpu: bool) -> None:
        self._images, self._size, self._top = images, size, top
        self._failure: str | None = None
        try:
            # One core is what Ray gives to each.
            self._classifier = open_classifier(model, torch.device("cuda") if gpu else None, threads=1)
        except ConvsmithError as error:
            self._failure = f"{socket.gethostname()}: {error}"

    def __call__(self, batch: dict[str, NDArray[np.int64]]) -> dict[str, list[bytes]]:
        if self._failure is not None:  # in place of predictions: Ray would bury an exception in tracebacks
            return {"predictions": [msgspec.json.encode(self._failure)]}
        start = int(batch["item"][0])
        chunk = self._images.between(start, start + self._size)
        found = list(predictions(self._classifier, chunk, top=self._top, workers=0))
        return {"predictions": [msgspec.json.encode(found)]}


def _renamed(images: GatheredImages, row: int, prediction: Prediction) -> Prediction:
    """A worker's prediction with the name that the image has here, where paths may be relative."""
    name = images.name(row)
    error = prediction.error and prediction.error.replace(prediction.image, name, 1)
    return replace(prediction, image=name, error=error)
