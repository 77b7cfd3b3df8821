"""A model's answers as a tree that can be browsed: as text, and as one self-contained page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from convsmith.cost.table import aligned
from convsmith.evaluation.metrics import Interval
from convsmith.evaluation.nouns.hierarchical import HierarchicalEvaluation, Level

SHOWN_ANCESTORS = 3
"""Of each severity that are named."""

SHOWN_DEPTH = 4
"""Levels below the first fork that the text shows; the page shows all."""


@dataclass(frozen=True)
class Branch:
    """A synset with what was answered below it, and its kinds that have images or answers, the largest first.

    A synset with one such kind alone is left out, and its name stands before that of the kind: "animal > vertebrate".
    """

    name: str
    level: Level
    kinds: tuple[Branch, ...] = ()


def tree_of(found: HierarchicalEvaluation) -> tuple[Branch, ...]:
    """The branches from the roots down. A synset with several parents is below each of them."""
    return tuple(_branch(found, root, ()) for root in found.hierarchy.roots if _met(found, root))


def text_of(found: HierarchicalEvaluation) -> str:
    """The figures, the mistakes by severity, and the top of the tree."""
    one = found.error
    lines = [
        found.headline,
        f"top-1 accuracy      {found.top1}",
        f"hierarchical error  {one.value:.3f} ({one.low:.3f} to {one.high:.3f}); "
        f"{found.error_of_guesses.value:.3f} with the best of {found.guesses} guesses",
        _mistakes(found),
        "",
        aligned(
            ("severity", "images", "share", "what image and answer have in common"),
            _severities(found),
            "rrrl",
        ),
    ]
    if found.hedged is not None:
        lines += ["", _hedged(found)]
    rows = [row for root in tree_of(found) for row in _rows(root, 0)]
    lines += ["", aligned(("kind", "images", "called so", "recall", "precision"), rows, "lrrrr")]
    return "\n".join(lines)


def levels_of(found: HierarchicalEvaluation, levels: Sequence[Level]) -> str:
    """The accuracy at some kinds alone, with 95% intervals."""
    rows = [
        (one.name, f"{one.images:,}", f"{one.predicted:,}", _told(one.recall), _told(one.precision)) for one in levels
    ]
    return "\n".join([found.headline, aligned(("kind", "images", "called so", "recall", "precision"), rows, "lrrll")])


def write_tree(found: HierarchicalEvaluation, path: Path) -> None:
    """Writes the page. Raises OutputError if it cannot be written."""
    from convsmith.files import write_bytes

    write_bytes(path, tree_page(found).encode())


def tree_page(found: HierarchicalEvaluation) -> str:
    """One self-contained HTML page: the figures and the whole tree, each kind with its counts and accuracy."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("convsmith.report", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["percent"] = lambda value: "none" if value != value else f"{value:.1%}"
    template = environment.get_template("hierarchy.html.j2")
    return template.render(found=found, tree=tree_of(found), severities=_severities(found), hedged=_hedged(found))


def _branch(found: HierarchicalEvaluation, wordnet_id: str, above: tuple[str, ...]) -> Branch:
    level = found.levels[wordnet_id]
    names = (*above, level.name)
    kinds = [kind for kind in found.hierarchy.children[wordnet_id] if _met(found, kind)]
    kinds.sort(key=lambda kind: (-found.levels[kind].images, -found.levels[kind].predicted, found.levels[kind].name))
    if len(kinds) == 1:
        return _branch(found, kinds[0], names)
    # Of a chain without forks the ends are enough.
    name = level.name if not above else " > ".join(dict.fromkeys((above[0], level.name)))
    return Branch(name, level, tuple(_branch(found, kind, ()) for kind in kinds))


def _met(found: HierarchicalEvaluation, wordnet_id: str) -> bool:
    level = found.levels[wordnet_id]
    return bool(level.images or level.predicted)


def _rows(branch: Branch, depth: int) -> Iterator[tuple[str, ...]]:
    level = branch.level
    shares = (_share(level.right, level.images), _share(level.right, level.predicted))
    yield "  " * depth + branch.name, f"{level.images:,}", f"{level.predicted:,}", *shares
    if depth < SHOWN_DEPTH:
        for kind in branch.kinds:
            yield from _rows(kind, depth + 1)


def _told(interval: Interval) -> str:
    return str(interval) if interval.value == interval.value else "none"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _mistakes(found: HierarchicalEvaluation) -> str:
    severity = found.severity
    if severity.value != severity.value:
        return "mistakes            none"
    return f"mistakes' severity  {severity.value:.3f} ({severity.low:.3f} to {severity.high:.3f}) on average"


def _severities(found: HierarchicalEvaluation) -> list[tuple[str, str, str, str]]:
    """A row for each severity that occurred, with the commonest ancestors that images and answers share."""
    rows = []
    for height, count in enumerate(found.severities):
        if not count:
            continue
        shared: Counter[str] = Counter()
        for mistake in found.mistakes:
            if mistake.severity == height:
                shared[found.hierarchy[mistake.common].names[0]] += mistake.images
        named = ", ".join(f"{name} ({images:,})" for name, images in shared.most_common(SHOWN_ANCESTORS))
        rows.append((str(height), f"{count:,}", _share(count, found.images), named or "right"))
    return rows


def _hedged(found: HierarchicalEvaluation) -> str:
    one = found.hedged
    if one is None:
        return ""
    above = ", ".join(f"{name} {count:,} times" for name, count in one.commonest)
    return (
        f"Answers as precise as they can be at {one.target:.0%} accuracy: {one.accuracy} are true, {one.classes:.1%} "
        f"name a class; {one.information:.2f} of {one.most_bits:.2f} bits."
        + (f" The others: {above}." if above else "")
    )
