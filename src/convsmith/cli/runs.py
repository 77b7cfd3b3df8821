"""`convsmith runs`: the runs below a folder, or some of them side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli.verb import say
from convsmith.errors import UsageError

if TYPE_CHECKING:
    from convsmith.report.record import RunRecord

COLUMNS = (
    *("run", "state", "epochs", "network", "data", "recipe", "val", "test (95% interval)", "parameters", "MACs"),
    *("images/s", "size", "changed"),
)
SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "test": lambda run: (-_top1(run), -(run["val_accuracy"] or 0.0)),
    "val": lambda run: -(run["val_accuracy"] or 0.0),
    "name": lambda run: run["run"],
    "params": lambda run: run["params"] or 0,
    "macs": lambda run: run["macs"] or 0,
    "size": lambda run: run["model_bytes"] or 0,
    "speed": lambda run: -(run["images_per_second"] or 0.0),
    "changed": lambda run: run["changed"],
}


def runs(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders to look in, or runs to compare.")] = None,
    sort: Annotated[str, typer.Option(help=f"Order: {', '.join(SORTS)}.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects; of compared runs, one object.")] = False,
) -> None:
    """List the runs in runs/ or other folders, best first; of two or more runs, show what differs.

    Examples: convsmith runs; convsmith runs runs/first runs/second
    """
    from convsmith.report.record import find_runs, is_run, read_run

    if sort not in SORTS:
        raise UsageError(f"--sort is one of {', '.join(SORTS)}; not {sort!r}")
    places = folders or [Path("runs")]
    if len(places) > 1 and all(map(is_run, places)):
        _compare([read_run(place) for place in places], as_json)
        return
    found = sorted((read_run(place).to_json() for place in find_runs(places)), key=SORTS[sort])
    if not found and not as_json:
        raise UsageError(f"no run in {', '.join(map(str, places))}; `convsmith fit` makes them")
    say(found if as_json else _table(found), as_json=as_json)


def _top1(run: dict[str, Any]) -> float:
    return float(run["test"]["top1"]["value"]) if run["test"] else -1.0


def _table(found: list[dict[str, Any]]) -> str:
    from convsmith.cost.table import aligned

    rows = [(run["run"], *_cells(run).values()) for run in found]
    problems = [f"{run['run']} is damaged: {run['problem']}" for run in found if run["problem"]]
    return "\n".join([aligned(COLUMNS, [_plain(row) for row in rows], "llrlllrlrrrrl"), *problems])


def _cells(run: dict[str, Any]) -> dict[str, str]:
    """Row title -> cell, of a run as `RunRecord.to_json` has it."""
    from convsmith.cost.table import size
    from convsmith.network.describe import short

    def shown(value: Any, how: Callable[[Any], str] = str) -> str:
        return "" if value is None else how(value)

    return {
        "state": run["state"],
        "epochs": f"{run['epochs']} of {shown(run['epochs_planned']) or '?'}",
        "network": shown(run["network"]),
        "data": shown(run["data"]),
        "recipe": shown(run["recipe"]),
        "val": shown(run["val_accuracy"], lambda value: f"{value:.2%}"),
        "test (95% interval)": shown(run["test"], lambda test: _percent(test["top1"])),
        "parameters": shown(run["params"], short),
        "MACs": shown(run["macs"], short),
        "images/s": shown(run["images_per_second"], lambda value: f"{value:,.0f}"),
        "size": shown(run["model_bytes"], size),
        "changed": run["changed"][:16].replace("T", " "),
    }


def _compare(records: list[RunRecord], as_json: bool) -> None:
    from convsmith.cost.table import aligned
    from convsmith.report.side_by_side import differences, results

    differing, outcomes = differences(records), [results(record) for record in records]
    if as_json:
        say({"runs": outcomes, "differences": differing}, as_json=True)
        return
    names = [str(record.folder) for record in records]
    settings = [_plain((name, *map(_value, values))) for name, values in differing.items()]
    columns = [_cells(run) | _more(run) for run in outcomes]
    rows = [_plain((title, *(column[title] for column in columns))) for title in columns[0]]
    sides = "l" * (len(names) + 1)
    if settings:
        typer.echo(aligned(_plain(("what differs", *names)), settings, sides))
    else:
        typer.echo("their settings are the same")
    typer.echo("\n" + aligned(_plain(("results", *names)), rows, sides))
    for run in outcomes:
        if run["problem"]:
            typer.echo(f"\n{run['run']} is damaged: {run['problem']}")


def _more(run: dict[str, Any]) -> dict[str, str]:
    loss, calibration, latency = run["loss"], run["calibration_error"], run["latency_ms"]
    return {
        "cross-entropy": f"{loss['value']:.4f} ({loss['low']:.4f} to {loss['high']:.4f})" if loss else "",
        "calibration error": _percent(calibration) if calibration else "",
        "latency": f"{latency:.2f} ms" if latency is not None else "",
        "weights": run["weights"] or "",
    }


def _percent(interval: dict[str, float]) -> str:
    return f"{interval['value']:.2%} ({interval['low']:.2%} to {interval['high']:.2%})"


def _value(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _plain(cells: tuple[str, ...]) -> tuple[str, ...]:
    """The cells without control characters: names come from files."""
    return tuple(cell if cell.isprintable() else repr(cell)[1:-1] for cell in cells)
