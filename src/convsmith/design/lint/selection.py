"""Which rules are asked: by code, and as the working folder's pyproject.toml says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from convsmith.design.lint.finding import Rule, rules
from convsmith.errors import UnknownNameError, UsageError

TABLE = "[tool.convsmith.lint]"
KEYS = ("select", "ignore")


@dataclass(frozen=True, slots=True)
class Selection:
    """Codes or their beginnings: of rules that are asked (all, if none are given), and of those that are not.

    Raises UnknownNameError for a code that no rule begins with.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.select and not self.ignore:
            return
        codes = [rule.code for rule in rules()]
        for code in (*self.select, *self.ignore):
            if not code or not any(known.startswith(code) for known in codes):
                raise UnknownNameError("rule", code, codes)

    def of(self, every: Iterable[Rule]) -> tuple[Rule, ...]:
        """Those of the rules that are asked. Where both match, the longer word wins, and `ignore` over its equal."""
        return tuple(rule for rule in every if _longest(rule, self.select or ("CS",)) > _longest(rule, self.ignore))

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """What `[tool.convsmith.lint]` of the folder's pyproject.toml says; everything if there is none.

        Raises UsageError for a table with other keys or values, or a file that is not TOML.
        """
        import tomllib

        path = folder / "pyproject.toml"
        if not path.is_file():
            return cls()
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            for key in ("tool", "convsmith", "lint"):
                table = table.get(key, {})
                if not isinstance(table, dict):
                    raise UsageError(f"{path}: {TABLE} is not a table")
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read {path}: {error}") from None
        unknown = [key for key in table if key not in KEYS]
        if unknown:
            raise UsageError(f"{path}: {TABLE} has no {unknown[0]!r}; it has: {', '.join(KEYS)}")
        words = {key: table.get(key, []) for key in KEYS}
        for key, value in words.items():
            if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
                raise UsageError(f'{path}: {key} of {TABLE} must be a list of codes, such as ["CS3"]')
        try:
            return cls(tuple(words["select"]), tuple(words["ignore"]))
        except UnknownNameError as error:
            raise UsageError(f"{path}: {error}") from None


def _longest(rule: Rule, words: tuple[str, ...]) -> int:
    return max((len(word) for word in words if rule.code.startswith(word)), default=0)
