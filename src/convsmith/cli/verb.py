"""How an error reaches the person at the keyboard: one line on stderr that names the flags as they are typed."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperCommand

from convsmith.errors import ConvsmithError


class Verb(TyperCommand):
    """A command that tells of the library's errors in its own words: `--time` where the library says `seconds`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ConvsmithError as error:
            tell(error, {parameter.name: _typed(parameter) for parameter in self.params})
            raise typer.Exit(error.exit_code) from None


def tell(error: ConvsmithError, flags: dict[str | None, str]) -> None:
    """Prints an error; `flags` maps the names of settings to how they are typed here."""
    print(f"convsmith: {error.told(lambda setting: flags.get(setting, setting))}", file=sys.stderr)


def _typed(parameter: Any) -> str:
    """`--batch-size` of an option, `DATA` of an argument."""
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return str(max(parameter.opts, key=len))
