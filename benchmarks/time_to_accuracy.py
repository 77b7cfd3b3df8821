"""How long from process start to a val accuracy: `convsmith fit --recipe fast` beside Keras' own example.

Keras (torch backend) trains the network, batch size, optimizer and validation split of its documented example for
such data, "Simple MNIST convnet" (keras.io/examples/vision/mnist_convnet), on the same images. Both are stopped when
an epoch ends at the accuracy, or after `LIMIT` seconds; the clock starts with the process.

    python benchmarks/time_to_accuracy.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from row import Row, show

LIMIT = 240
CASES = (("digits", 0.99), ("fashion-mnist", 0.93))
AIM = 4.0

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


def seconds_to(target: float, command: list[str]) -> tuple[float | None, float]:
    """Seconds until the process tells of this val accuracy, or None; and the best that it told of."""
    start, best = time.perf_counter(), 0.0
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"val accuracy ([\d.]+)%", line):
                best = max(best, float(found[1]) / 100)
            passed = time.perf_counter() - start
            if best >= target:
                return passed, best
            if passed > LIMIT:
                break
    finally:
        process.kill()
        process.wait()
    return None, best


def rows() -> Iterator[Row]:
    for data, target in CASES:
        with tempfile.TemporaryDirectory() as folder:
            fit = [str(Path(sys.executable).with_name("convsmith")), "fit", data, "--recipe", "fast"]
            ours, best = seconds_to(target, [*fit, "--out", f"{folder}/run"])
        theirs, keras_best = seconds_to(target, [sys.executable, "-c", KERAS, data])
        said = f"{ours:.0f} s" if ours else f"not reached (best {best:.2%})"
        beside = f"Keras {theirs:.0f} s" if theirs else f"Keras not within {LIMIT} s (best {keras_best:.2%})"
        ratio = "" if ours is None else f", {(theirs or LIMIT) / ours:.1f}x{'' if theirs else ' or more'}"
        holds = ours is not None and (theirs or LIMIT) / ours >= AIM
        yield Row(
            f"`time_to_accuracy.py`: {data} to {target:.1%} val accuracy",
            f"{AIM:.0f}x sooner than Keras",
            f"{said}; {beside}{ratio}",
            holds,
        )


if __name__ == "__main__":
    show(rows())
