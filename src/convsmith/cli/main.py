"""The `convsmith` command: verbs, and how errors reach the person at the keyboard."""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import Any

import typer

from convsmith.cli.verb import Verb, tell
from convsmith.errors import ConvsmithError

VERBS = {
    "inspect": "inspect",
    "fit": "fit",
    "design": "design",
    "runs": "runs",
    "report": "report",
    "evaluate": "model.evaluate",
    "calibrate": "model.evaluate",
    "compress": "model.compress",
    "hierarchy": "model.hierarchy",
    "predict": "model.predict",
    "export": "model.export",
    "verify": "model.verify",
    "features": "model.features",
    "models": "network.models",
    "recipes": "recipes",
    "show": "network.show",
    "scale": "network.scale",
    "search": "search",
    "size": "model.size",
    "profile": "network.profile",
    "compare": "network.compare",
    "lint": "network.lint",
    "gradients": "network.gradients",
    "certify": "network.certify",
    "paper-table": "network.paper_table",
    "timeline": "network.timeline",
}
"""Verb -> the module below `convsmith.cli` that has a function of its name, in the order of the help."""

GROUPS = {"data": "data", "weights": "model.weights", "ilsvrc": "ilsvrc"}
"""Word before several verbs -> the module that has them as `app`."""


def application(word: str | None = None) -> typer.Typer:
    """The command line; if `word` is a verb or a group, with that alone: the others would only take time."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="From a folder of images and a budget to a trained, measured and verified convolutional network.",
    )
    app.callback()(_nothing)
    for verb, module in VERBS.items():
        if word == verb or not (word in VERBS or word in GROUPS):
            app.command(cls=Verb)(getattr(_module(module), verb.replace("-", "_")))
    for name, module in GROUPS.items():
        if word == name or not (word in VERBS or word in GROUPS):
            group = _module(module).app
            for command in group.registered_commands:
                command.cls = Verb
            app.add_typer(group, name=name)
    return app


def _nothing() -> None:
    # With a callback typer takes a word for a verb even where there is one alone.
    return None


def _module(name: str) -> Any:
    return import_module(f"convsmith.cli.{name}")


def main() -> None:
    """Entry point: one line on stderr for an error, exit code 2 for bad usage, 1 for failure."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A class name or a path that the terminal's encoding lacks is escaped, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            application(sys.argv[1] if len(sys.argv) > 1 else None)()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except ConvsmithError as error:
        tell(error, {})
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("convsmith: interrupted", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        # The reader (head, less) has gone, the disk is full, the working folder was deleted.
        if not isinstance(error, BrokenPipeError):
            place = f": {error.filename}" if error.filename else ""
            print(f"convsmith: {error.strerror or error}{place}", file=sys.stderr)
        # Python would complain once more while closing stdout.
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
