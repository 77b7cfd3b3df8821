"""Fuzzes the reader of coded model files: whatever the bytes, it gives a network or a ConvsmithError, in little memory
and time.

    pip install atheris
    python scripts/fuzz_model_file.py -max_total_time=120 -rss_limit_mb=2048 -timeout=10

Half of the inputs are files as they come. The others are a small coded file of which the fuzzer changes bytes, lengths
and numbers, sealed again, so that the checksums do not refuse them before the decoder sees them. Stops with a traceback
at the first error of another kind.
"""

from __future__ import annotations

import contextlib
import json
import struct
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "model"))

with atheris.instrument_imports(include=["convsmith.model", "convsmith.network"]):
    import numpy as np
    from resealed import sealed, split

    import convsmith
    from convsmith.compression import Sample
    from convsmith.compression.rate_distortion import measure, quantize_to
    from convsmith.errors import ConvsmithError
    from convsmith.model import Model, load_model, save_model

import torch

FOLDER = Path(tempfile.mkdtemp())
SEED, TRIED = FOLDER / "seed.safetensors", FOLDER / "tried.safetensors"
MOST_EDITS = 4
NUMBERS = (0, 1, -1, 2, 255, 2**15, 2**31 - 1, 2**31, 2**53, 2**63, 10**30)


def written() -> bytes:
    network = convsmith.create("lenet5", classes=10, input=(1, 28, 28))
    preprocess = convsmith.Preprocess(1, (28, 28), 28, (0.286,), (0.353,))
    model = Model(network, convsmith.build(network, 0).state_dict(), tuple("0123456789"), preprocess)
    images = torch.randn(16, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    measured = measure(model, Sample(images, torch.from_numpy(np.arange(16) % 10)))
    save_model(quantize_to(measured, 20_000).model, SEED)
    return SEED.read_bytes()


def edited(content: bytes, given: atheris.FuzzedDataProvider) -> bytes:
    """The file with some of its bytes and numbers changed, and its seal made to fit."""
    header, data = split(content)
    changed = bytearray(data)
    text = json.dumps(header)
    for _ in range(given.ConsumeIntInRange(1, MOST_EDITS)):
        match given.ConsumeIntInRange(0, 3):
            case 0:
                changed[given.ConsumeIntInRange(0, len(changed) - 1)] = given.ConsumeIntInRange(0, 255)
            case 1:
                at = given.ConsumeIntInRange(0, max(0, len(changed) - 4))
                changed[at : at + 4] = struct.pack("<I", given.ConsumeUInt(4))
            case 2:
                del changed[given.ConsumeIntInRange(1, len(changed)) :]
                changed = changed or bytearray(1)
            case 3:
                digits = [at for at, letter in enumerate(text) if letter.isdigit()]
                at = digits[given.ConsumeIntInRange(0, len(digits) - 1)]
                number = NUMBERS[given.ConsumeIntInRange(0, len(NUMBERS) - 1)]
                text = f"{text[:at]}{number}{text[at + 1 :]}"
    try:
        return sealed(json.loads(text), bytes(changed))
    except (ValueError, KeyError, TypeError):
        return content[:-1]


CONTENT = written()


def one_input(data: bytes) -> None:
    given = atheris.FuzzedDataProvider(data)
    TRIED.write_bytes(edited(CONTENT, given) if given.ConsumeBool() else data)
    with contextlib.suppress(ConvsmithError):
        load_model(TRIED)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
