"""Every example in the README and the docs runs.

A ```python block is executed, the blocks of one page in sequence. In a ```console block each line after `$` is run
as a convsmith command; output that is given must come, `...` standing for anything. `<!-- slow -->` before a block
leaves it to the slow tests, `<!-- not run -->` marks what needs a network or a machine that tests lack.
"""

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from convsmith.zoo.registry import VARIANTS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(?:<!-- (?P<mark>slow|not run) -->\n)?```(?P<kind>python|console)\n(?P<text>.*?)```", re.DOTALL)


def blocks(kind, mark):
    return [
        pytest.param(page, [m["text"] for m in found], id=page.relative_to(ROOT).as_posix())
        for page in PAGES
        if (found := [m for m in BLOCK.finditer(page.read_text()) if (m["kind"], m["mark"]) == (kind, mark)])
    ]


@pytest.mark.parametrize(("page", "texts"), blocks("python", None))
def test_python_examples_run(page, texts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    zoo = dict(VARIANTS)
    try:
        scope = {"__name__": "example"}
        for text in texts:
            exec(compile(text, str(page), "exec"), scope)
    finally:  # a page adds a family
        VARIANTS.clear()
        VARIANTS.update(zoo)


def run_console(text, folder):
    commands = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    assert commands
    for command in commands:
        line, _, wanted = command.partition("\n")
        words = shlex.split(line)
        assert words[0] == "convsmith", line
        run = subprocess.run(
            [sys.executable, "-c", "from convsmith.cli.main import main; main()", *words[1:]],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "120"},
        )
        assert run.returncode == 0, f"{line}\n{run.stderr}"
        if wanted.strip():
            options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            assert doctest.OutputChecker().check_output(wanted, run.stdout, options), f"{line}\n{run.stdout}"


@pytest.mark.parametrize(("page", "texts"), blocks("console", None))
def test_console_examples_run(page, texts, tmp_path):
    for text in texts:
        run_console(text, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "texts"), blocks("console", "slow"))
def test_long_console_examples_run(page, texts, tmp_path):
    for text in texts:
        run_console(text, tmp_path)


def test_a_family_is_added_in_under_80_lines():
    page = (ROOT / "docs/add-a-family.md").read_text()
    lines = [line for m in BLOCK.finditer(page) for line in m["text"].splitlines() if line.strip()]
    assert 30 < len(lines) < 80


def test_the_programs_in_python_take_at_most_40_lines_each():
    page = (ROOT / "docs/python.md").read_text()
    lengths = [len(m["text"].splitlines()) for m in BLOCK.finditer(page) if m["kind"] == "python"]
    assert len(lengths) == 3
    assert max(lengths) <= 40
