"""`convsmith search`: the best network of a space for your images, within limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from convsmith.cli.amounts import LIMITS, MaxLatency, MaxMacs, MaxParams, MaxSize, seconds_of
from convsmith.cli.verb import say
from convsmith.errors import UsageError

TRIALS, OUTPUT = "Trials", "Where"


LimitValues = tuple[int | None, int | None, int | None, float | None]


def searched_for_fit(
    data: str, limits: LimitValues, seconds: float, side_and_seed: tuple[int | None, int], run: Path, resume: bool
) -> tuple[str | None, bool]:
    """The network that `fit` trains after a search beside the run's folder, and whether there is a run to resume.

    A run that had begun is what is resumed: its network is known. One that was stopped before goes on searching.
    """
    from convsmith.design.limits import Limits
    from convsmith.fitting.folder import holds_run
    from convsmith.searching.folder import ASKED_FILE, NETWORK_FILE
    from convsmith.searching.search import search as run_search
    from convsmith.searching.settings import SearchSettings
    from convsmith.train.run.folder import PLAN_FILE

    if resume and (run / PLAN_FILE).exists():
        return None, True
    if holds_run(run):  # said before the search, which takes its time
        raise UsageError(f"{run} already holds a run: resume it, or choose another folder", settings=("resume", "out"))
    folder, (side, seed) = run.with_name(f"{run.name}-search"), side_and_seed
    found = run_search(
        data,
        Limits(*limits),
        settings=SearchSettings(seconds=seconds, side=side, seed=seed),
        out=folder,
        resume=resume and (folder / ASKED_FILE).exists(),
        told=lambda line: typer.echo(line, err=True),
    )
    typer.echo(found, err=True)
    return str(folder / NETWORK_FILE), False


def search(
    data: Annotated[str, typer.Argument(help="Folder of images, manifest, archive, array file, or a data set's name.")],
    max_params: MaxParams = None,
    max_macs: MaxMacs = None,
    max_size: MaxSize = None,
    max_latency: MaxLatency = None,
    device: Annotated[
        str | None,
        typer.Option(help="Predict latencies there: see `convsmith profile`.", rich_help_panel=LIMITS),
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="residual, mbconv, dense, plain, a zoo network's name, or a JSON file.")
    ] = None,
    goal: Annotated[
        Literal["accuracy", "mnas", "front"],
        typer.Option("--objective", help="Accuracy, accuracy priced by cost, or the front of both."),
    ] = "accuracy",
    target: Annotated[
        str | None, typer.Option(metavar="5ms|3M-macs|100k-params|2MB", help="What mnas aims at.")
    ] = None,
    hard: Annotated[bool, typer.Option("--hard", help="mnas: no price up to the target, a high one above it.")] = False,
    unit: Annotated[
        Literal["params", "macs", "bytes", "ms"], typer.Option("--cost", help="What the front is against.")
    ] = "macs",
    trials: Annotated[
        int | None, typer.Option(min=1, help="How many; 30 unless there is a time.", rich_help_panel=TRIALS)
    ] = None,
    seconds: Annotated[
        str | None,
        typer.Option("--time", metavar="90s|10m|2h", help="What all of them may take.", rich_help_panel=TRIALS),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the longest trainings.", rich_help_panel=TRIALS)] = None,
    sampler: Annotated[
        Literal["tpe", "nsga2", "evolution", "random"],
        typer.Option(help="What proposes candidates.", rich_help_panel=TRIALS),
    ] = "tpe",
    pruner: Annotated[
        Literal["halving", "hyperband", "none"],
        typer.Option(help="What stops trainings early.", rich_help_panel=TRIALS),
    ] = "halving",
    proxy: Annotated[
        Literal["none", "largest", "synflow", "grad_norm", "naswot"] | None,
        typer.Option(
            help="Orders candidates before training; within limits, largest by default.", rich_help_panel=TRIALS
        ),
    ] = None,
    inherit: Annotated[
        bool, typer.Option("--inherit", help="Begin with a finished trial's weights.", rich_help_panel=TRIALS)
    ] = False,
    side: Annotated[
        int | None, typer.Option(min=8, max=1024, help="Side of the input in pixels.", rich_help_panel=TRIALS)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="For proposals, weights and order.", rich_help_panel=TRIALS)] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the search.", rich_help_panel=OUTPUT)] = Path("searches/latest"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in the folder.", rich_help_panel=OUTPUT)
    ] = False,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Database for the trials instead of SQLite.", rich_help_panel=OUTPUT),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="auto|HOST:PORT", help="Ray cluster to run on.", rich_help_panel=OUTPUT)
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on the cluster.", rich_help_panel=OUTPUT)] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print trials and network as JSON.")] = False,
) -> None:
    """Search a space of networks for the best one on your images, within limits that hold exactly.

    Candidates are costed before training, and the worse half of the trainings stops early, again and again. Unless you
    name a space, it is residual for images of up to 48 pixels, and mbconv above. The folder gets the trials' database
    and log, the front as a picture, and network.json, which fit takes as --model.

    Example: convsmith search photos/ --max-params 100k --time 30m --out searches/photos
    """
    from convsmith.cluster.connect import Cluster
    from convsmith.design.limits import Limits
    from convsmith.searching.folder import NETWORK_FILE
    from convsmith.searching.search import search as run
    from convsmith.searching.settings import SearchSettings

    settings = SearchSettings(
        trials=trials,
        seconds=None if seconds is None else seconds_of(seconds),
        epochs=epochs,
        sampler=sampler,
        goal=goal,
        pruner=pruner,
        proxy=proxy,
        target=target,
        hard=hard,
        unit=unit,
        inherit=inherit,
        seed=seed,
        side=side,
        device=device,
    )
    found = run(
        data,
        Limits(max_params, max_macs, max_size, max_latency),
        space=space,
        settings=settings,
        out=out,
        resume=resume,
        storage=storage,
        cluster=None if cluster is None else Cluster(cluster, workers),
        told=lambda line: typer.echo(line, err=True),
    )
    typer.echo(f"network: {out / NETWORK_FILE}", err=True)
    say(found, as_json=as_json)
