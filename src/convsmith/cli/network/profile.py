"""`convsmith profile`: what operators take on a device, from which latencies are predicted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convsmith.cli.verb import say
from convsmith.errors import UsageError

if TYPE_CHECKING:
    from convsmith.devices import DeviceTable


def profile(
    name: Annotated[
        str | None, typer.Argument(help="What to call the device; by default engine and threads: onnxruntime-1.")
    ] = None,
    engine: Annotated[
        Literal["onnxruntime", "openvino", "pytorch"], typer.Option(help="The engine to measure.")
    ] = "onnxruntime",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the engine.")] = 1,
    seconds: Annotated[
        str, typer.Option("--time", metavar="90s|10m", help="Most time to take; less time, a coarser table.")
    ] = "10m",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Also write the table to this JSON file.")] = None,
    source: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Keep the table in FILE, or one learned from timings in it."),
    ] = None,
    graphs: Annotated[
        Path | None,
        typer.Option(metavar="FILE.zip", help="Write the graphs, and a script to time them on another device."),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget what was measured under this name.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the devices that are known.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Measure what operators take here, so that `show --device` and `design --device` predict latency without running.

    The machine should do nothing else meanwhile. An interrupted measurement goes on when it is started again.

    Example: convsmith profile --engine openvino --threads 2 && convsmith show resnet50 --device openvino-2
    """
    chosen = [flag for flag, given in (("source", source), ("graphs", graphs), ("listed", listed)) if given]
    if len(chosen) > 1:
        raise UsageError("give one of them, not both", settings=tuple(chosen))
    if listed:
        _list(as_json)
        return
    from convsmith.cli.progress import stages

    with stages() as tell:
        if graphs is not None:
            from convsmith.devices.measure.kit import SCRIPT, write_kit

            write_kit(graphs, on_progress=tell)
            say(f"graphs: {graphs}; on the device, unpack it and run: python {SCRIPT} . timings.jsonl", as_json=False)
            return
        if source is not None:
            from convsmith.devices.measure.session import import_file

            table = import_file(source, name, tell)
        else:
            from convsmith.cli.amounts import seconds_of
            from convsmith.devices.measure.session import profile as measure

            try:
                table = measure(
                    name, engine=engine, threads=threads, seconds=seconds_of(seconds), restart=restart, on_progress=tell
                )
            except KeyboardInterrupt:
                typer.echo("interrupted; what was measured is kept, and the same command goes on", err=True)
                raise typer.Exit(130) from None
    if out is not None:
        from convsmith.devices import write_table

        write_table(table, out)
        typer.echo(f"table: {out}", err=True)
    say(_facts(table) if as_json else _told(table), as_json=as_json)


def _list(as_json: bool) -> None:
    from convsmith.devices import load_table
    from convsmith.devices.store import names

    tables = [load_table(name) for name in names()]
    if as_json:
        say([_facts(table) for table in tables], as_json=True)
        return
    from convsmith.cost.table import aligned

    if not tables:
        say("no device has been measured: convsmith profile", as_json=False)
        return
    rows = [(t.name, str(t.engine), t.machine.processor, t.date, f"{t.accuracy.networks_median:.1%}") for t in tables]
    say(aligned(("device", "engine", "processor", "measured", "error"), rows, "llllr"), as_json=False)


def _facts(table: DeviceTable) -> dict[str, object]:
    """What identifies a table, and how good it is; without its rows."""
    from convsmith.devices.store import path_of

    data = table.to_json()
    return {
        **{key: data[key] for key in ("name", "machine", "engine", "date", "networks", "run_ms", "accuracy")},
        "operators": len(table.rows),
        "file": str(path_of(table.name)),
    }


def _told(table: DeviceTable) -> str:
    from convsmith.cost.table import aligned
    from convsmith.devices.store import path_of

    found = table.accuracy
    rows = [
        ("device", f"{table.name}: {table.engine}, {table.machine.processor}"),
        ("measured", f"{table.date}: {len(table.rows):,} operators in {table.networks} networks"),
        (
            "error",
            f"{found.networks_median:.1%} median, {found.networks_p90:.1%} for nine in ten of the networks left out",
        ),
        ("explained", f"{found.explained:.1%} of the measured time belongs to operators that are known by name"),
        ("kept in", str(path_of(table.name))),
    ]
    return aligned((), rows, "ll")
