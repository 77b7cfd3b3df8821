"""Training on a Ray cluster: the same run as on one machine, in several processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from convsmith.cluster.connect import ON_HEAD, RESTARTS, Cluster, ClusterError, connected, import_ray, last_line
from convsmith.data import open_dataset
from convsmith.errors import ConvsmithError
from convsmith.train.run.events import Event, Noticed, StepEnded
from convsmith.train.run.loop import Training
from convsmith.train.run.plan import RunPlan, first_module, objective_of, read_start, read_teacher
from convsmith.train.run.store import RunStore
from convsmith.train.run.tensorboard import TensorBoard


@dataclass(frozen=True)
class Job:
    """What each worker needs to know; all of it can be sent to another machine."""

    plan: dict[str, Any]
    data: str
    seed: int
    strict: bool
    max_unusable: float
    run_dir: str
    checkpoints: str | None
    decoders: int | None = None


def train_on(cluster: Cluster, job: Job, on_event: Callable[[Event], None]) -> None:
    """Trains to the end; the result is in the last checkpoint, from which `Training` takes it.

    Where workers are lost, it goes on with those that are left, from the last checkpoint. The data and the
    checkpoints must be at the same place for every worker: on a shared file system, or at a URL. Raises UsageError if
    Ray is not installed; ClusterError if the cluster cannot be reached or training fails there; what `Training` raises
    on a worker.
    """
    ray = import_ray()
    with connected(ray, cluster.address):
        from ray.util.queue import Queue

        events, failed = Queue(actor_options=ON_HEAD), Queue(actor_options=ON_HEAD)
        teller = Thread(target=_tell, args=(events, on_event), daemon=True)
        teller.start()
        try:
            ray.get(ray.remote(**ON_HEAD)(_direct).remote(cluster, job, events, failed))
            events.put(None)
            teller.join(timeout=10)
            failure = None if failed.empty() else failed.get()
        except Exception as error:  # Ray wraps what happens to a worker, or to the cluster, in types of its own
            raise ClusterError(f"training on the cluster failed: {last_line(error)}") from None
        if failure is not None:
            raise failure


def _direct(cluster: Cluster, job: Job, events: Any, failed: Any) -> None:
    """Has Ray Train do the work. In a process of the cluster: it does not run in a client of one (`ray://`)."""
    ray = import_ray()
    from ray.train.torch import TorchTrainer

    TorchTrainer(
        _work,
        train_loop_config={"job": job, "events": events, "failed": failed},
        scaling_config=ray.train.ScalingConfig(
            num_workers=(1, cluster.workers) if cluster.workers > 1 else 1,
            use_gpu=cluster.gpus > 0,
            resources_per_worker={"CPU": 1, **({"GPU": cluster.gpus} if cluster.gpus else {})},
        ),
        run_config=ray.train.RunConfig(
            name=Path(job.run_dir).name,
            storage_path=str(Path(job.run_dir).absolute() / "ray"),
            failure_config=ray.train.FailureConfig(max_failures=RESTARTS),
        ),
    ).fit()


def _work(config: dict[str, Any]) -> None:
    """What one worker does: the same as one machine would, on its part of every batch."""
    import ray.train.torch

    job, events, failed = config["job"], config["events"], config["failed"]
    if not failed.empty():
        return  # Ray has begun again what would fail again
    world = ray.train.get_context().get_world_size()
    first = ray.train.get_context().get_world_rank() == 0
    if first:
        events.put(Noticed(f"training in {world} process{'es' if world > 1 else ''} of the cluster"))
    try:
        _train(job, ray.train.torch.get_device(), events)
    except ConvsmithError as error:
        failed.put(error)
        raise  # so that Ray ends the others too, which may be waiting for this one


def _train(job: Job, device: Any, events: Any) -> None:
    """Trains to the end, or goes on from the last checkpoint; the weights are in the one that it leaves."""
    plan = RunPlan.from_json(job.plan)
    dataset = open_dataset(job.data, seed=job.seed, strict=job.strict, max_unusable=job.max_unusable)
    run_dir = Path(job.run_dir)
    start = read_start(run_dir)
    module = first_module(plan, dataset.classes, start).to(device)

    def send(event: Event, training: Training | None) -> None:
        if not isinstance(event, StepEnded):  # hundreds a second would keep the queue busy
            events.put(event)

    store = RunStore(run_dir, job.checkpoints)
    with store.log, TensorBoard(run_dir) as board:
        training = Training(
            *(module, dataset, plan.preprocess, plan.recipe),
            objective=objective_of(plan, module, dataset, read_teacher(run_dir, plan)),
            decoders=job.decoders,
            store=store,
            observers=(store.log, board, send),
        )
        training.advance()


def _tell(events: Any, on_event: Callable[[Event], None]) -> None:
    with suppress(Exception):  # a cluster that is lost is told of by whoever waits for the training
        while (event := events.get()) is not None:
            on_event(event)
