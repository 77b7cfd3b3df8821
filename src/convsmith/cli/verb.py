"""How results and errors reach the person at the keyboard: in the verb's words, and in what a terminal can print."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand

from convsmith.errors import ConvsmithError
from convsmith.records import json_text

SHOWN = 10
"""Unreadable files that are named on stderr; the others are counted."""


class Verb(TyperCommand):
    """A command that reports the library's errors in its own words: `--time` where the library says `seconds`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ConvsmithError as error:
            tell(error, {parameter.name: _typed(parameter) for parameter in self.params})
            raise typer.Exit(error.exit_code) from None


def tell(error: ConvsmithError, flags: dict[str | None, str]) -> None:
    """Prints an error; `flags` maps the names of settings to how they are typed here."""
    print(f"convsmith: {error.told(lambda setting: flags.get(setting, setting))}", file=sys.stderr)


def say(value: object, *, as_json: bool) -> None:
    """Prints a result: as text, or as strict JSON of what its `to_json` gives, if it has one."""
    if as_json:
        value = json_text(value.to_json() if hasattr(value, "to_json") else value)
    typer.echo(value)


def exit_for_unreadable(unreadable: Sequence[object]) -> None:
    """Names the files that were left out of a result, and then exits with 1."""
    for finding in unreadable[:SHOWN]:
        typer.echo(f"error: {finding}", err=True)
    if len(unreadable) > SHOWN:
        typer.echo(f"error: {len(unreadable) - SHOWN:,} more could not be read", err=True)
    if unreadable:
        raise typer.Exit(1)


def _typed(parameter: Any) -> str:
    """`--batch-size` of an option, `DATA` of an argument."""
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return str(max(parameter.opts, key=len))
