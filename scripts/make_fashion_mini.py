"""Makes the bundled data set `fashion-mini`: 1,000 training and 200 test images of each class of Fashion-MNIST.

    python scripts/make_fashion_mini.py [FOLDER OF FASHION-MNIST'S IDX FILES]

The choice is seeded and keeps the order of the full set; the files come out the same, byte for byte, on every run
with the same zlib.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convsmith.data.sources.idx import read_array, write_array

SOURCE = Path("/usr/share/datasets/fashion-mnist")
OUT = Path(__file__).parents[1] / "src/convsmith/data/known/bundled/fashion-mini"
PER_CLASS = {"train": 1000, "t10k": 200}
SEED = 0


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE
    for part, per_class in PER_CLASS.items():
        images = read_array(source / f"{part}-images-idx3-ubyte.gz")
        labels = read_array(source / f"{part}-labels-idx1-ubyte.gz")
        rows = balanced_rows(labels, per_class)
        write_array(OUT / f"{part}-images-idx3-ubyte.gz", images[rows])
        write_array(OUT / f"{part}-labels-idx1-ubyte.gz", labels[rows])
    total = sum(path.stat().st_size for path in OUT.iterdir())
    print(f"{OUT}: {total:,} bytes")


def balanced_rows(labels: NDArray[np.uint8], per_class: int) -> NDArray[np.int64]:
    """Rows of `per_class` images of every class, ascending."""
    generator = np.random.default_rng(SEED)
    chosen = [generator.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in np.unique(labels)]
    return np.sort(np.concatenate(chosen))


if __name__ == "__main__":
    main()
