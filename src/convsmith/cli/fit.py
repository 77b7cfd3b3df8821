"""`convsmith fit`: the main job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from convsmith.cli.source import checkpoint_of
from convsmith.errors import UsageError


def fit(
    data: Annotated[
        str,
        typer.Argument(
            help="Folder (of class folders, shards, ImageNet's archives or Parquet files), CSV, Parquet, IDX or npz "
            "file, or a data set's name."
        ),
    ],
    model: Annotated[str | None, typer.Option(help="Network by name, or a model file to go on from.")] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="Weights to start from: a model file, or published weights by name.")
    ] = None,
    freeze: Annotated[
        str, typer.Option(metavar="none|features|stages:N", help="What of --pretrained is not trained.")
    ] = "none",
    layer_decay: Annotated[
        float, typer.Option(help="With --pretrained: each stage's learning rate, as a share of the next one's.")
    ] = 1.0,
    unfreeze_every: Annotated[
        int | None, typer.Option(min=1, help="Epochs after which one more frozen stage is trained.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the run.")] = Path("runs/latest"),
    max_params: Annotated[int | None, typer.Option(min=1, help="Most parameters.")] = None,
    max_macs: Annotated[int | None, typer.Option(min=1, help="Most multiply-adds for one image.")] = None,
    max_size: Annotated[int | None, typer.Option(min=1, help="Most bytes of the model file.")] = None,
    max_latency: Annotated[float | None, typer.Option(min=0, help="Most ms for one image on this machine.")] = None,
    recipe: Annotated[str, typer.Option(help="How to train: see `convsmith recipes`; or `paper`.")] = "default",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data. Default: by its size.")] = None,
    time: Annotated[
        str | None, typer.Option(metavar="90s|10m|2h", help="Plan the training so that all ends in this time.")
    ] = None,
    batch_size: Annotated[
        str | None,
        typer.Option(metavar="INTEGER|auto", help="Images in a step; auto: what trains fastest. Default: by the data."),
    ] = None,
    accumulate: Annotated[
        int | None, typer.Option(min=1, help="Parts in which a batch goes through the network, to save memory.")
    ] = None,
    clip_norm: Annotated[float | None, typer.Option(help="Largest norm of the gradients. Default: any.")] = None,
    learning_rate: Annotated[
        str | None,
        typer.Option(metavar="FLOAT|auto", help="Peak rate; auto: by a range test. Default: by network and batch."),
    ] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many epochs without gain.")] = None,
    side: Annotated[int | None, typer.Option(min=8, max=1024, help="Side of the network's input in pixels.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="For initial weights, split and order.")] = 0,
    strict: Annotated[bool, typer.Option(help="Refuse the data if any file is unreadable.")] = False,
    resume: Annotated[bool, typer.Option(help="Go on with the run in --out.")] = False,
    recover: Annotated[
        bool, typer.Option(help="Where training diverges, go on from the last good state at half the rate.")
    ] = False,
    cluster: Annotated[
        str | None, typer.Option(metavar="auto|HOST:PORT|ray://HOST:PORT", help="Train on a Ray cluster.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on the cluster.")] = 2,
    gpus_per_worker: Annotated[float, typer.Option(min=0, help="GPUs that each of them gets.")] = 0.0,
    checkpoints: Annotated[
        str | None, typer.Option(metavar="FOLDER|URL", help="Where checkpoints go. Default: into the run's folder.")
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option(help="Of convolutions and products. Default: what is faster."),
    ] = None,
    memory_format: Annotated[
        Literal["contiguous", "channels_last"] | None, typer.Option(help="Order in memory. Default: what is faster.")
    ] = None,
    float32: Annotated[bool, typer.Option(help="No probe: float32, contiguous, the same bits on every run.")] = False,
    compiled: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="torch.compile. Default: where it is faster.")
    ] = None,
    decoders: Annotated[
        int | None, typer.Option(min=0, help="Processes that decode files. Default: as many as keep up.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Choose a network for your images, train it, test it, and export it, verified.

    Writes model.safetensors and model.onnx, a log, TensorBoard events and checkpoints into the run's folder.

    Example: convsmith fit photos/ --max-size 2000000 --max-latency 5 --out runs/photos
    """
    from rich.console import Console
    from rich.progress import Progress

    from convsmith.cluster import Cluster
    from convsmith.design.choose import Limits
    from convsmith.fit import fit as run
    from convsmith.runplan import Transfer
    from convsmith.train.run.events import Event
    from convsmith.train.run.progress import Lines

    console = Console(stderr=True)
    checking = Progress(console=console, transient=True, disable=not console.is_terminal)
    task = checking.add_task("checking images")

    def tell_checked(done: int, total: int) -> None:
        checking.start()
        checking.update(task, completed=done, total=total)
        if done == total:
            checking.stop()

    lines = Lines()

    def tell(event: Event) -> None:
        typer.echo(lines.line(event), err=True)

    if float32 and (precision or memory_format):
        raise UsageError("--float32 is --precision float32 --memory-format contiguous: leave those out")
    if pretrained is None and (freeze, layer_decay, unfreeze_every) != ("none", 1.0, None):
        raise UsageError("--freeze, --layer-decay and --unfreeze-every are for --pretrained weights")
    if pretrained is not None:
        checkpoint_of(pretrained)  # fetched here, where a bar can be seen
    asked = {
        "batch_size": None if batch_size in (None, "auto") else _whole(batch_size),
        "accumulate": accumulate,
        "clip_norm": clip_norm,
        "learning_rate": None if learning_rate in (None, "auto") else _number(learning_rate),
        "patience": patience,
        "precision": "float32" if float32 else precision,
        "memory_format": "contiguous" if float32 else memory_format,
        "compiled": False if float32 and compiled is None else compiled,
    }
    result = run(
        data,
        out,
        model=model,
        transfer=None if pretrained is None else Transfer(pretrained, freeze, layer_decay, unfreeze_every),
        limits=Limits(max_params, max_macs, max_size, max_latency),
        recipe=recipe,
        epochs=epochs,
        seconds=None if time is None else _seconds(time),
        find_batch=batch_size == "auto",
        find_rate=learning_rate == "auto",
        side=side,
        seed=seed,
        strict=strict,
        resume=resume,
        recover=recover,
        cluster=None if cluster is None else Cluster(cluster, workers, gpus_per_worker),
        checkpoints=checkpoints,
        decoders=decoders,
        changes={name: value for name, value in asked.items() if value is not None},
        on_check=tell_checked,
        on_event=tell,
    )
    typer.echo(json.dumps(result.to_json()) if as_json else str(result))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--learning-rate is a number or auto, not {text!r}") from None


def _whole(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise UsageError(f"--batch-size is a whole number above 0 or auto, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    """Seconds of 90s, 10m or 2h. Raises UsageError for anything else."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.replace(".", "", 1).isdecimal() or not float(number):
        raise UsageError(f"--time is a number with s, m or h, such as 10m; not {text!r}")
    return float(number) * units[unit]
