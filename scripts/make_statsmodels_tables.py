"""Writes tests/reference/statsmodels_tables.json: what statsmodels says of tables of answers.

It is run where statsmodels is installed, which the tests do not need: it brings five packages of 70 MB.

    python scripts/make_statsmodels_tables.py
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

PAIRS = [(0, 0), (1, 0), (5, 5), (10, 2), (2, 10), (3, 40), (150, 100), (61, 59), (480, 520)]
PROPORTIONS = [(0, 10), (10, 10), (8, 10), (1, 200), (137, 500), (4987, 5000), (76_130, 100_000)]
OUT = Path(__file__).parents[1] / "tests/reference/statsmodels_tables.json"


def main() -> None:
    """Both one-sided counts of a pair of models, and the images that both have right and wrong, which do not matter."""
    tables = {
        "statsmodels": version("statsmodels"),
        "mcnemar": [[*pair, float(mcnemar([[40, pair[0]], [pair[1], 7]], exact=True).pvalue)] for pair in PAIRS],
        "wilson": [[*one, *map(float, proportion_confint(*one, alpha=0.05, method="wilson"))] for one in PROPORTIONS],
    }
    OUT.write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()
