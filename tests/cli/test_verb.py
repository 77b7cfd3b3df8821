from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from convsmith.cli.verb import Verb
from convsmith.errors import UsageError


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (("seconds", "max_size"), "convsmith: --time, --max-size: too little\n"),
        (("data",), "convsmith: DATA: too little\n"),
        (("unheard_of",), "convsmith: unheard_of: too little\n"),
        ((), "convsmith: too little\n"),
    ],
)
def test_a_verb_spells_settings_as_its_flags(settings: tuple[str, ...], line: str) -> None:
    app = typer.Typer()

    @app.command(cls=Verb)
    def verb(
        data: str, seconds: Annotated[str, typer.Option("--time", "-t")] = "", max_size: Annotated[int, 0] = 0
    ) -> None:
        raise UsageError("too little", settings=settings)

    result = CliRunner().invoke(app, ["photos"])
    assert result.exit_code == 2
    assert result.stderr == line
