"""The linter: rules of design, each with its source, held against any network."""

from convsmith.design.lint.check import lint
from convsmith.design.lint.finding import Finding, Rule, rules
from convsmith.design.lint.mend import mended, mended_model
from convsmith.design.lint.selection import Selection

__all__ = ["Finding", "Rule", "Selection", "lint", "mended", "mended_model", "rules"]
