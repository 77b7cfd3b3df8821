"""The `convsmith` command: verbs, and how errors reach the person at the keyboard."""

from __future__ import annotations

import io
import os
import sys

import typer

from convsmith.cli import data, design, fit, ilsvrc, inspect, recipes, report, runs
from convsmith.cli.model import evaluate, export, features, hierarchy, predict, size, verify, weights
from convsmith.cli.network import certify, compare, gradients, lint, models, show
from convsmith.cli.verb import Verb, tell
from convsmith.errors import ConvsmithError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a folder of images and a budget to a trained, measured and verified convolutional network.",
)
app.command()(inspect.inspect)
app.command()(fit.fit)
app.command()(design.design)
app.command()(runs.runs)
app.command()(report.report)
app.command()(evaluate.evaluate)
app.command()(evaluate.calibrate)
app.command()(hierarchy.hierarchy)
app.command()(predict.predict)
app.command()(export.export)
app.command()(verify.verify)
app.command()(features.features)
app.command()(models.models)
app.command()(recipes.recipes)
app.command()(show.show)
app.command()(size.size)
app.command()(compare.compare)
app.command()(lint.lint)
app.command()(gradients.gradients)
app.command()(certify.certify)
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")
app.add_typer(ilsvrc.app, name="ilsvrc")
for group in (app, data.app, weights.app, ilsvrc.app):
    for command in group.registered_commands:
        command.cls = Verb


def main() -> None:
    """Entry point: one line on stderr for an error, exit code 2 for bad usage, 1 for failure."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A class name or a path that the terminal's encoding lacks is escaped, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except ConvsmithError as error:
        tell(error, {})
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("convsmith: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would complain once more while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
