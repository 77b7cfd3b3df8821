"""How long from process start to a val accuracy: `convsmith fit --recipe fast` beside Keras' own example.

Keras (torch backend) trains the network, batch size, optimizer and validation split of its documented example for
such data, "Simple MNIST convnet" (keras.io/examples/vision/mnist_convnet), on the same images. The clock starts with
the process and stops when an epoch ends at the accuracy; Keras is given `AIM` times what we took, and no more.

    python benchmarks/time_to_accuracy.py           part of `make bench`
    python benchmarks/time_to_accuracy.py --long    the accuracies that take more than five minutes
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from row import Row, show

LIMIT = 1800
"""Seconds after which we give up ourselves."""

AIM = 4.0


@dataclass(frozen=True)
class Case:
    """Data, the val accuracy that is wanted, and the further words of `convsmith fit`."""

    data: str
    accuracy: float
    options: str = ""


SHORT = (Case("digits", 0.99), Case("fashion-mnist", 0.93))
LONG = (Case("fashion-mnist", 0.945, "--epochs 24"),)

KERAS = """
import sys
import numpy as np
import keras
from keras import layers
from convsmith.data import open_dataset

train = open_dataset(sys.argv[1]).split("train")
images, labels = np.asarray(train.images.array, "float32") / 255, keras.utils.to_categorical(train.labels, 10)
order = np.random.default_rng(0).permutation(len(images))
images, labels = images[order], labels[order]
model = keras.Sequential([
    keras.Input(shape=images.shape[1:]),
    layers.Conv2D(32, kernel_size=(3, 3), activation="relu"), layers.MaxPooling2D(pool_size=(2, 2)),
    layers.Conv2D(64, kernel_size=(3, 3), activation="relu"), layers.MaxPooling2D(pool_size=(2, 2)),
    layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, activation="softmax"),
])
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
told = keras.callbacks.LambdaCallback(
    on_epoch_end=lambda epoch, logs: print(f"val accuracy {100 * logs['val_accuracy']:.2f}%", flush=True)
)
model.fit(images, labels, batch_size=128, epochs=100, validation_split=0.1, verbose=0, callbacks=[told])
"""


def seconds_to(target: float, command: list[str], limit: float) -> tuple[float | None, float]:
    """Seconds until the process tells of this val accuracy, or None; and the best that it told of within the limit."""
    start, best = time.perf_counter(), 0.0
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert process.stdout is not None
    stop = Timer(limit, process.kill)
    stop.start()
    try:
        for line in process.stdout:
            if found := re.search(r"val accuracy ([\d.]+)%", line):
                best = max(best, float(found[1]) / 100)
            if best >= target:
                return time.perf_counter() - start, best
    finally:
        stop.cancel()
        process.kill()
        process.wait()
    return None, best


def measure(case: Case) -> Row:
    convsmith = str(Path(sys.executable).with_name("convsmith"))
    subprocess.run([convsmith, "data", "fetch", case.data], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder:
        words = ["fit", case.data, "--recipe", "fast", *case.options.split()]
        ours, best = seconds_to(case.accuracy, [convsmith, *words, "--out", f"{folder}/run"], LIMIT)
    name, aim = f"`time_to_accuracy.py`: {' '.join(words)}, to {case.accuracy:.1%}", f"{AIM:.0f}x sooner than Keras"
    if ours is None:
        return Row(name, aim, f"not reached (best {best:.2%})", False)
    theirs, keras_best = seconds_to(case.accuracy, [sys.executable, "-c", KERAS, case.data], AIM * ours)
    if theirs is None:
        return Row(name, aim, f"{ours:.0f} s; Keras is at {keras_best:.2%} after {AIM * ours:.0f} s", True)
    return Row(name, aim, f"{ours:.0f} s; Keras {theirs:.0f} s, {theirs / ours:.1f}x", theirs / ours >= AIM)


def rows(cases: Iterable[Case] = SHORT) -> Iterator[Row]:
    return map(measure, cases)


if __name__ == "__main__":
    show(rows(LONG if "--long" in sys.argv else SHORT))
