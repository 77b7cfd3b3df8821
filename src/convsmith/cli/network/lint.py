"""`convsmith lint`: a network held against the rules of design."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convsmith.cli.source import network_of
from convsmith.cli.verb import say
from convsmith.errors import UsageError

if TYPE_CHECKING:
    from convsmith.design.lint import Finding, Selection
    from convsmith.network import Network


def lint(
    networks: Annotated[
        list[str] | None, typer.Argument(help="Names, model files, ONNX files, JSON, or module.py:make_model.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="The images that the networks are for: more rules apply.")] = None,
    input: Annotated[str | None, typer.Option(metavar="CxHxW", help="Input instead of each paper's.")] = None,
    select: Annotated[str | None, typer.Option(metavar="CODES", help="Only these rules: CS1,CS304.")] = None,
    ignore: Annotated[str | None, typer.Option(metavar="CODES", help="All but these rules.")] = None,
    fix: Annotated[Path | None, typer.Option(help="Write the network without what can be fixed here.")] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules, with reasons and sources.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Check networks against rules of design: kernels, strides, receptive field, filters, dense layers, norms, shape.

    Each finding names the layers, why, what would be better, and who says so. What a network's paper card explains is
    shown, and does not count. The exit code is 1 if anything counts. `select` and `ignore` may also stand in the table
    tool.convsmith.lint of the folder's pyproject.toml. --fix writes a network (.json) or a model (.safetensors).

    Example: convsmith lint net.py:make_model --input 3x64x64 --data photos/
    """
    from convsmith.design.lint import Selection, lint as findings_of

    if rules:
        _list_rules(as_json)
        return
    if not networks:
        raise UsageError("name a network", settings="networks")
    chosen = Selection.in_folder(Path.cwd())
    if select is not None or ignore is not None:
        chosen = Selection(_codes(select) or chosen.select, _codes(ignore) or chosen.ignore)
    if fix is not None:
        _fix(networks, input, fix, chosen)
    found = {
        name: findings_of(_meant(name, input, data), data, select=chosen.select, ignore=chosen.ignore)
        for name in networks
    }
    if as_json:
        say([{"network": name, "findings": findings} for name, findings in found.items()], as_json=True)
    else:
        say("\n\n".join(_told(name, findings) for name, findings in found.items()), as_json=False)
    if any(finding.counts for findings in found.values() for finding in findings):
        raise typer.Exit(1)


def _meant(name: str, input: str | None, data: str | None) -> Network | str:
    """The network; as it was typed where the data say what it is for."""
    return name if data is not None and input is None else network_of(name, input=input)


def _codes(words: str | None) -> tuple[str, ...]:
    return tuple(code.strip() for code in words.split(",")) if words else ()


def _told(name: str, findings: tuple[Finding, ...]) -> str:
    counting = [finding for finding in findings if finding.counts]
    explained = len(findings) - len(counting)
    head = f"{name}: {len(counting)} finding{'s' if len(counting) != 1 else ''}"
    return "\n\n".join([f"{head}, {explained} explained" if explained else head, *map(str, findings)])


def _list_rules(as_json: bool) -> None:
    from convsmith.design.lint import rules
    from convsmith.design.lint.finding import indented

    fields = ("code", "name", "rationale", "source", "fixable")
    if as_json:
        say([{field: getattr(rule, field) for field in fields} for rule in rules()], as_json=True)
        return
    for rule in rules():
        typer.echo(f"{rule.code} {rule.name}{' (can be fixed)' if rule.fixable else ''}")
        typer.echo("\n".join([*map(indented, (rule.rationale, f"source: {rule.source}")), ""]))


def _fix(names: list[str], input: str | None, path: Path, chosen: Selection) -> None:
    """Writes the mended network or model, and says on stderr what was mended."""
    from convsmith.design.lint import mended, mended_model

    if len(names) > 1:
        raise UsageError("mends one network", settings="fix")
    select, ignore = chosen.select, chosen.ignore
    if path.suffix == ".safetensors":
        from convsmith.model import save_model
        from convsmith.resolve import model_of

        model, done = mended_model(model_of(names[0]), select=select, ignore=ignore)
        save_model(model, path)
    elif path.suffix == ".json":
        from convsmith.files import write_bytes
        from convsmith.records import json_text

        net, done = mended(network_of(names[0], input=input), select=select, ignore=ignore)
        write_bytes(path, json_text(net.to_json(), indent=1).encode())
    else:
        raise UsageError(f"{path.name} must end in .json (a network) or .safetensors (a model)", settings="fix")
    for finding in done:
        typer.echo(f"fixed {finding.code} {finding.name}: {finding.place}", err=True)
    typer.echo(f"{path}: {len(done)} fixed", err=True)
