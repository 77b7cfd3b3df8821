"""What the house promises of its own shape."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import convsmith

TESTS = Path(__file__).parent
PACKAGE = Path(convsmith.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_PARAMETERS, MOST_LINES, MOST_MODULES = 10, 400, 15


def parsed() -> Iterator[tuple[Path, ast.Module]]:
    return ((path.relative_to(PACKAGE), ast.parse(path.read_text(encoding="utf-8"))) for path in FILES)


def modules_after(statement: str) -> list[str]:
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize(
    "statement",
    ["import convsmith; convsmith.cost_of(convsmith.create('resnet50')).macs", "import convsmith.cli.main"],
)
def test_what_is_said_of_a_network_needs_neither_torch_nor_numpy(statement: str) -> None:
    assert not {"torch", "numpy", "onnx"} & set(modules_after(statement))


def test_no_function_takes_more_than_ten_parameters() -> None:
    def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        given = function.args
        names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        return len([name for name in names if name not in ("self", "cls")])

    # A verb of the command line has a parameter for each of its options: typer reads them off the signature.
    found = [
        f"{path}: {node.name} takes {parameters(node)}"
        for path, tree in parsed()
        if path.parts[0] != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and parameters(node) > MOST_PARAMETERS
    ]
    assert found == []


def test_no_file_passes_400_lines() -> None:
    assert [p.name for p in FILES if len(p.read_text(encoding="utf-8").splitlines()) > MOST_LINES] == []


def test_no_folder_has_more_than_15_modules() -> None:
    folders = {path.parent for path in FILES}
    crowded = {str(f.relative_to(PACKAGE)): n for f in folders if (n := len(list(f.glob("*.py")))) > MOST_MODULES}
    assert crowded == {}


def test_only_the_command_line_says_flags() -> None:
    """In no string outside cli/, docstrings apart, is there an option as it is typed."""
    found = []
    for path, tree in parsed():
        if path.parts[0] == "cli":
            continue
        documented = {
            id(statement.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            for statement in node.body
            if isinstance(statement, ast.Expr)
        }
        found += [
            f"{path}:{node.lineno}: {node.value!r}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and "--" in node.value
            and id(node) not in documented
            and any(word.startswith("--") and word[2:3].isalpha() for word in node.value.replace("(", " ").split())
        ]
    assert found == []


def test_modules_of_tests_have_names_of_their_own() -> None:
    """pytest imports them by name alone, so that of two of one name the second is not collected."""
    names = Counter(file.name for file in TESTS.rglob("*.py") if file.name not in ("__init__.py", "conftest.py"))
    assert [name for name, count in names.items() if count > 1] == []
