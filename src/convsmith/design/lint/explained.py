"""What a network's paper card explains: the paper breaks the rule, and says why, or times have changed since."""

from __future__ import annotations

from dataclasses import replace

from convsmith.design.lint.finding import Finding
from convsmith.errors import ConvsmithError
from convsmith.network.network import Network, Node
from convsmith.zoo.registry import create, departures_of

SCALED = {"channels", "features", "groups"}
"""Fields of ops that a width multiplier changes."""


def explained(net: Network, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings, each with its card's words if there are any, and if its layers are as the named network has them.

    A card speaks for the layers of its network, not for what somebody has added to them.
    """
    if net.origin is None or not findings:
        return findings
    words = departures_of(net.origin)
    if not any(finding.code in words for finding in findings):
        return findings
    try:
        own = create(net.origin.name, classes=net.classes, input=net.input)
    except ConvsmithError:
        return findings
    theirs = {node.name: node for node in own}

    def as_named(name: str) -> bool:
        return name in theirs and _alike(net[name], theirs[name])

    return tuple(
        replace(finding, explained=words[finding.code])
        if finding.code in words and all(map(as_named, finding.nodes))
        else finding
        for finding in findings
    )


def _alike(ours: Node, theirs: Node) -> bool:
    """Whether two layers are the same but for their width."""
    if ours.inputs != theirs.inputs or type(ours.op) is not type(theirs.op):
        return False
    names: tuple[str, ...] = type(ours.op).__match_args__
    return all(getattr(ours.op, name) == getattr(theirs.op, name) for name in names if name not in SCALED)
