"""What every verb and every option says of itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import convsmith
from convsmith.cli.main import application

LONGEST = 72
"""Characters of help that fit in one line beside the widest options of a verb."""

PACKAGE = Path(convsmith.__file__).parent


def commands() -> Iterator[tuple[str, Any]]:
    pending = [("convsmith", typer.main.get_command(application()))]
    while pending:
        name, command = pending.pop()
        if hasattr(command, "commands"):
            pending += [(f"{name} {below}", one) for below, one in command.commands.items()]
        else:
            yield name, command


@pytest.mark.parametrize(("name", "command"), [pytest.param(*one, id=one[0]) for one in commands()])
def test_a_verb_has_an_example_and_short_help(name: str, command: Any) -> None:
    assert name in command.help
    for parameter in command.params:
        text = parameter.help or ""
        assert text or parameter.name == "help", parameter.name
        assert "\n" not in text
        assert len(text) <= LONGEST, f"{parameter.name}: {len(text)} characters: {text}"


def test_only_the_command_line_speaks_of_flags() -> None:
    found = []
    for file in PACKAGE.rglob("*.py"):
        place = file.relative_to(PACKAGE).as_posix()
        if place.startswith("cli/") or place == "errors.py":  # which says how the one becomes the other
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.search(r"(?<!\S|-)--[a-z]", node.value)
            ):
                found.append(f"{place}:{node.lineno}: {node.value[:60]}")
    assert found == []
