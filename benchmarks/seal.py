"""Claim: a model file is checked at more than a quarter of the speed at which memory is copied.

    python benchmarks/seal.py [--megabytes 512]

Measures in one process, interleaved, the median of seven: a copy of the memory; the file's checksum over bytes in
memory, and while they are read from a cached file, against only reading them; and the checksums that it could have
been. Prints the machine and whether the claim is met.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from convsmith.model.seal import seal

ROUNDS = 7
CLAIMED_SHARE = 1 / 4


def gigabytes_a_second(sides: dict[str, Callable[[], object]], size: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: size / statistics.median(taken) / 1e9 for name, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=512)
    size = parser.parse_args().megabytes * 2**20
    source = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    target = np.empty_like(source)
    content = memoryview(source)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        path.write_bytes(content)
        file = os.open(path, os.O_RDONLY)
        into = memoryview(target)

        def read_block(start: int, stop: int) -> None:
            os.preadv(file, [into[start:stop]], start)

        def read_only() -> None:
            for start in range(0, size, 2**20):
                read_block(start, min(start + 2**20, size))

        rates = gigabytes_a_second(
            {
                "copying memory": lambda: np.copyto(target, source),
                "the seal": lambda: seal(content),
                "reading a cached file": read_only,
                "reading it, and the seal": lambda: seal(into, read_block),
                "CRC-32, one thread": lambda: zlib.crc32(content),
                "BLAKE2b": lambda: hashlib.blake2b(content).digest(),
                "SHA-256": lambda: hashlib.sha256(content).digest(),
            },
            size,
        )
        os.close(file)
    for name, rate in rates.items():
        print(f"{name:<26} {rate:6.2f} GB/s")
    share = rates["the seal"] / rates["copying memory"]
    print(
        f"the seal at {share:.2f} of copying: {'met' if share > CLAIMED_SHARE else 'NOT met'} (> {CLAIMED_SHARE:.2f})"
    )
    print(f"{size // 2**20} MiB, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
