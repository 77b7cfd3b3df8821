"""Makes the registry of published weights, `src/convsmith/weights/published.json`.

    python scripts/make_published_weights.py TORCHVISION.json

TORCHVISION.json holds, under `rows`, the metadata of torchvision's weight enumerations: model, weights, file, params,
gops (multiply-adds in G), top1, top5, file_mb (in MiB), resize, crop, interpolation, mean, std. Its file names hold
the first digits of the SHA-256, which is all that torchvision publishes of it.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "src/convsmith/weights/published.json"
ADDRESS = "https://download.pytorch.org/models"
DIGITS = re.compile(r"-([0-9a-f]{8,})\.pth$")
NO_CLASSIFIER = ("IMAGENET1K_FEATURES",)
"""Weights whose classifier is not a number; they name nothing."""

HALVES = ("googlenet", "inception_v3")
"""Models into which torchvision builds a change of the normalization, `transform_input`: what reaches the first layer
has mean 0.5 and standard deviation 0.5, whatever the metadata say."""


def main() -> None:
    rows = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["rows"]
    published = [of_torchvision(row) for row in rows if row["weights"] not in NO_CLASSIFIER]
    lines = ",\n".join(json.dumps(row) for row in published)
    OUT.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{OUT}: {len(published)} weights")


def of_torchvision(row: dict[str, Any]) -> dict[str, Any]:
    digits = DIGITS.search(row["file"])
    assert digits, row["file"]
    halves = row["model"] in HALVES
    return {
        "name": f"torchvision/{row['model']}.{row['weights']}",
        "model": f"torchvision/{row['model']}",
        "source": "torchvision",
        "url": f"{ADDRESS}/{row['file']}",
        "sha256": digits[1],
        "size": None,
        "mib": row["file_mb"],
        "params": row["params"],
        "gmacs": row["gops"],
        "top1": row["top1"],
        "top5": row["top5"],
        "preprocess": {
            "channels": 3,
            "crop": [row["crop"], row["crop"]],
            "resize": row["resize"],
            "mean": [0.5] * 3 if halves else row["mean"],
            "std": [0.5] * 3 if halves else row["std"],
            "interpolation": row["interpolation"],
        },
    }


if __name__ == "__main__":
    main()
