"""`lint`: every rule held against a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convsmith.design.lint.explained import explained
from convsmith.design.lint.facts import Facts
from convsmith.design.lint.finding import Finding, Rule, rules
from convsmith.design.lint.selection import Selection
from convsmith.errors import ShapeError
from convsmith.network.network import INPUT, Network, infer
from convsmith.resolve import file_of, is_code, network_of
from convsmith.zoo import create

if TYPE_CHECKING:
    from convsmith.data.dataset import Dataset
    from convsmith.design.lint.images import ImageFacts
    from convsmith.model import Model

MISFIT = "CS100"
"""The rule that a network breaks whose shapes do not fit. No other can be asked then."""


def lint(
    network: Network | Model | str | Path,
    data: Dataset | str | Path | None = None,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> tuple[Finding, ...]:
    """What a network breaks of the rules of design (`convsmith.design.lint.rules()` lists them), by code.

    `network` is anything that `convsmith.resolve.network_of` takes. `data`, the images that it is for, makes more rules
    answerable; a network by name is then written for its classes, and code is read for its images. `select` and
    `ignore` are codes or their beginnings: "CS3" is every rule about dense layers.

    A finding whose `explained` is not empty is one that the network's paper card explains: the paper is so.

    Raises UsageError for a code that no rule has, and what opening the network and the data raise.
    """
    selection = Selection(tuple(select), tuple(ignore))
    chosen = selection.of(rules())
    images = None
    if data is not None:
        from convsmith.data.open import open_dataset
        from convsmith.design.lint.images import facts_of

        images = facts_of(open_dataset(data))
    net = _meant(network, images)
    misfit = _misfit(net)
    if misfit is not None:
        return tuple(finding for finding in (misfit,) if any(rule.code == MISFIT for rule in chosen))
    facts = Facts(net, images)
    return explained(net, tuple(finding for rule in chosen for finding in _found(rule, facts)))


def _meant(network: Network | Model | str | Path, images: ImageFacts | None) -> Network:
    """The network; one by name for the classes of the images, code for images like them."""
    if images is None or not isinstance(network, str):
        return network_of(network)
    if is_code(network):
        return network_of(network, input=(images.channels, *images.size))
    return network_of(network) if file_of(network) else create(network, classes=images.classes)


def _found(rule: Rule, facts: Facts) -> list[Finding]:
    return [
        Finding(rule.code, rule.name, fault.nodes, fault.why, fault.suggestion, rule.source, rule.fixable)
        for fault in rule.check(facts)
    ]


def _misfit(net: Network) -> Finding | None:
    """The first layer whose inputs do not fit, or whose output is empty."""
    try:
        _ = net.shapes
    except ShapeError as error:
        rule = next(rule for rule in rules() if rule.code == MISFIT)
        better = "give the layer what it needs: a larger image, less stride and pooling before it, or padding"
        return Finding(rule.code, rule.name, (_first_misfit(net),), error.message, better, rule.source)
    return None


def _first_misfit(net: Network) -> str:
    shapes = {INPUT: net.input}
    for node in net:
        try:
            shapes[node.name] = infer(node.name, node.op, [shapes[source] for source in node.inputs])
        except ShapeError:
            return node.name
    return next(node.name for node in net if node.shares)  # the shapes fit: shared parameters do not
