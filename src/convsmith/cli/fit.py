"""`convsmith fit`: the main job."""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from convsmith.cli.amounts import MaxLatency, MaxMacs, MaxParams, MaxSize, seconds_of
from convsmith.cli.verb import say
from convsmith.errors import UsageError

DATA, NETWORK, TRAINING = "Data", "Network and limits", "Training"
SPEED, CLUSTER, RUN = "Speed", "Cluster", "The run"
"""The groups of options."""


def fit(
    data: Annotated[str, typer.Argument(help="Folder of images, manifest, archive, array file, or a data set's name.")],
    seed: Annotated[
        int | None, typer.Option(min=0, help="For initial weights, splits and order.", rich_help_panel=DATA)
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse data with unreadable files or leaks.", rich_help_panel=DATA)
    ] = False,
    max_unusable: Annotated[
        float | None, typer.Option(min=0, max=1, help="Largest share of unusable files.", rich_help_panel=DATA)
    ] = None,
    network: Annotated[
        str | None,
        typer.Option("--model", help="Network by name or file, or a model to go on from.", rich_help_panel=NETWORK),
    ] = None,
    searching: Annotated[
        str | None,
        typer.Option(
            "--search", metavar="90s|10m|2h", help="Search a network first, so long.", rich_help_panel=NETWORK
        ),
    ] = None,
    pretrained: Annotated[
        str | None,
        typer.Option(help="Weights to start from, by file or name.", rich_help_panel=NETWORK),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="Model that the network learns from, by file or name.", rich_help_panel=TRAINING),
    ] = None,
    distill: Annotated[
        Literal["soft", "hints", "attention"] | None,
        typer.Option(help="What it learns from: shares of classes (soft), or maps too.", rich_help_panel=TRAINING),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of the teacher's shares; 4 by default.", rich_help_panel=TRAINING)
    ] = None,
    freeze: Annotated[
        str | None,
        typer.Option(
            metavar="none|features|stages:N",
            help="Pretrained layers that are not trained.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    layer_decay: Annotated[
        float | None,
        typer.Option(help="Each stage's share of the next one's learning rate.", rich_help_panel=NETWORK),
    ] = None,
    unfreeze_every: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs after which one more stage is trained.", rich_help_panel=NETWORK),
    ] = None,
    side: Annotated[
        int | None,
        typer.Option(min=8, max=1024, help="Side of the network's input in pixels.", rich_help_panel=NETWORK),
    ] = None,
    framing: Annotated[
        Literal["crop", "squash", "pad"] | None,
        typer.Option(help="What is done with pictures that are not square.", rich_help_panel=NETWORK),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option("--flip/--no-flip", help="Mirror images in training.", rich_help_panel=TRAINING),
    ] = None,
    turn: Annotated[
        bool | None,
        typer.Option("--turn/--no-turn", help="Let a recipe turn images.", rich_help_panel=TRAINING),
    ] = None,
    colour: Annotated[
        bool | None,
        typer.Option("--colour/--no-colour", help="Let a recipe change colours.", rich_help_panel=TRAINING),
    ] = None,
    max_params: MaxParams = None,
    max_macs: MaxMacs = None,
    max_size: MaxSize = None,
    max_latency: MaxLatency = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="How to train: see `convsmith recipes`.", rich_help_panel=TRAINING),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data.", rich_help_panel=TRAINING)] = None,
    seconds: Annotated[
        str | None,
        typer.Option("--time", metavar="90s|10m|2h", help="Time in which all is to end.", rich_help_panel=TRAINING),
    ] = None,
    batch_size: Annotated[
        str | None,
        typer.Option(
            metavar="INTEGER|auto", help="Images in a step; scales the learning rate.", rich_help_panel=TRAINING
        ),
    ] = None,
    learning_rate: Annotated[
        str | None,
        typer.Option(metavar="FLOAT|auto", help="Peak learning rate; auto finds one.", rich_help_panel=TRAINING),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Epochs without gain after which to stop.", rich_help_panel=TRAINING)
    ] = None,
    clip_norm: Annotated[
        float | None, typer.Option(help="Largest norm of the gradients.", rich_help_panel=TRAINING)
    ] = None,
    accumulate: Annotated[
        int | None,
        typer.Option(min=1, help="Parts that a batch is split into, to save memory.", rich_help_panel=TRAINING),
    ] = None,
    recover: Annotated[
        bool,
        typer.Option(
            "--recover", help="After a divergence, go on at half the learning rate.", rich_help_panel=TRAINING
        ),
    ] = False,
    precision: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option(help="By default what is faster here.", rich_help_panel=SPEED),
    ] = None,
    memory_format: Annotated[
        Literal["contiguous", "channels_last"] | None,
        typer.Option(help="By default what is faster here.", rich_help_panel=SPEED),
    ] = None,
    compiled: Annotated[
        bool | None,
        typer.Option("--compile/--no-compile", help="Run the step through torch.compile.", rich_help_panel=SPEED),
    ] = None,
    float32: Annotated[
        bool,
        typer.Option("--float32", help="Measure nothing; the plainest arithmetic.", rich_help_panel=SPEED),
    ] = False,
    decoders: Annotated[
        int | None, typer.Option(min=0, help="Processes that decode files.", rich_help_panel=SPEED)
    ] = None,
    cache: Annotated[
        Literal["memory", "disk"] | None,
        typer.Option(help="Keep decoded images for later epochs.", rich_help_panel=SPEED),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="auto|HOST:PORT|ray://HOST:PORT", help="Train on a Ray cluster.", rich_help_panel=CLUSTER),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on the cluster.", rich_help_panel=CLUSTER)] = 2,
    gpus_per_worker: Annotated[
        float, typer.Option(min=0, help="GPUs for each of them.", rich_help_panel=CLUSTER)
    ] = 0.0,
    checkpoints: Annotated[
        str | None,
        typer.Option(metavar="FOLDER|URL", help="Where checkpoints go.", rich_help_panel=CLUSTER),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the run.", rich_help_panel=RUN)] = Path("runs/latest"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder.", rich_help_panel=RUN)
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel=RUN)] = False,
) -> None:
    """Choose a network for your images, train it, test it, and export it, verified.

    Writes model.safetensors and model.onnx, a log, TensorBoard events and checkpoints into the run's folder.

    Example: convsmith fit photos/ --max-size 2MB --max-latency 5 --out runs/photos
    """
    started = clock.monotonic()  # importing torch takes a second or two of the time that is asked for
    from convsmith.cli.progress import teller
    from convsmith.cluster import Cluster
    from convsmith.fitting.fit import fit as run
    from convsmith.request import Request
    from convsmith.train.run.progress import LiveBar

    if float32 and (precision or memory_format):
        raise UsageError("leave these out with --float32, which is both", settings=("precision", "memory_format"))
    if searching is not None:
        from convsmith.cli.search import searched_for_fit

        if named := [name for name, word in (("network", network), ("pretrained", pretrained)) if word is not None]:
            raise UsageError("a network that is named is not searched", settings=("searching", *named))
        limits = (max_params, max_macs, max_size, max_latency)
        network, resume = searched_for_fit(data, limits, seconds_of(searching), (side, seed or 0), out, resume)
        started = clock.monotonic()
    for word in (pretrained, teacher):
        if word is not None:
            _fetch(word)
    request = Request(
        data=data,
        network=network,
        pretrained=pretrained,
        teacher=teacher,
        distill=distill,
        temperature=temperature,
        freeze=freeze,
        layer_decay=layer_decay,
        unfreeze_every=unfreeze_every,
        max_params=max_params,
        max_macs=max_macs,
        max_size=max_size,
        max_latency=max_latency,
        recipe=recipe,
        epochs=epochs,
        seconds=None if seconds is None else seconds_of(seconds),
        batch_size=_number(batch_size, "batch_size", whole=True),
        accumulate=accumulate,
        clip_norm=clip_norm,
        learning_rate=_number(learning_rate, "learning_rate"),
        patience=patience,
        side=side,
        framing=framing,
        flip=flip,
        turn=turn,
        colour=colour,
        seed=seed,
        precision="float32" if float32 else precision,
        memory_format="contiguous" if float32 else memory_format,
        compiled=False if float32 and compiled is None else compiled,
        strict=strict or None,
        max_unusable=max_unusable,
        recover=recover or None,
        decoders=decoders,
        cache=cache,
        checkpoints=checkpoints,
        cluster=None if cluster is None else Cluster(cluster, workers, gpus_per_worker),
    )
    with LiveBar() as bar:
        result = run(
            request=request,
            out=out,
            resume=resume,
            observers=(bar, teller()),
            started=started,
            on_check=bar.check,
        )
    say(result, as_json=as_json)


def _fetch(word: str) -> None:
    """Fetches published weights here, where a bar can be seen."""
    from convsmith.cli.source import checkpoint_of

    checkpoint_of(word)


def _number(text: str | None, setting: str, *, whole: bool = False) -> Any:
    """The number of an option that may be "auto". Raises UsageError."""
    if text is None or text == "auto":
        return text
    if whole:
        if text.isdecimal() and int(text):
            return int(text)
        raise UsageError(f"must be a whole number above 0 or auto, not {text!r}", settings=setting)
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"must be a number or auto, not {text!r}", settings=setting) from None
