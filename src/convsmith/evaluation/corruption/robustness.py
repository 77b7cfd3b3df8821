"""A model's error on pictures that are corrupted, by type and severity."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from convsmith.backend.preprocess import PreprocessModule
from convsmith.cost.table import aligned
from convsmith.data.checks.examine import Progress
from convsmith.data.dataset import Dataset, Split
from convsmith.data.load.loader import WORKERS
from convsmith.errors import UsageError
from convsmith.evaluation.corruption.corrupt import CORRUPTIONS, SEED, SEVERITIES, corrupt
from convsmith.evaluation.inference import answers, device_of, evaluating
from convsmith.evaluation.measured import ClassesBy, Task, task_of
from convsmith.evaluation.metrics import Interval, mean_of, wilson
from convsmith.evaluation.protocol import Protocol
from convsmith.model import Model
from convsmith.network.preprocess import Preprocess

BATCH = 256
LEFT_OUT = ("frost",)
"""Of the fifteen common corruptions."""


@dataclass(frozen=True, slots=True)
class Corrupted:
    """One corruption: its top-1 error at severities 1 to 5, and their mean with its 95% interval."""

    name: str
    kind: str
    errors: tuple[float, ...]
    mean: Interval

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "kind": self.kind, "errors": list(self.errors), "mean": self.mean.to_json()}


@dataclass(frozen=True)
class Robustness:
    """A model's top-1 error on corrupted images (Hendrycks and Dietterich 2019, arXiv 1903.12261, section 4.1).

    `clean` is the error on the same images as they are, `mean` that over all corruptions and severities. The paper
    divides each corruption's error by AlexNet's on ImageNet-C before the mean is taken; here nothing is divided, so
    that it can be measured on any data. `seed` is that of the noise.
    """

    data: str
    split: str
    images: int
    clean: Interval
    mean: Interval
    corruptions: tuple[Corrupted, ...]
    seed: int = SEED

    def to_json(self) -> dict[str, Any]:
        return {
            "data": self.data,
            "split": self.split,
            "images": self.images,
            "seed": self.seed,
            "left_out": list(LEFT_OUT),
            "clean_error": self.clean.to_json(),
            "mean_corruption_error": self.mean.to_json(),
            "corruptions": [one.to_json() for one in self.corruptions],
        }

    def __str__(self) -> str:
        columns = ("corruption", "kind", *(f"severity {severity}" for severity in SEVERITIES), "mean error")
        rows = [
            (one.name.replace("_", " "), one.kind, *(f"{error:.2%}" for error in one.errors), str(one.mean))
            for one in self.corruptions
        ]
        more = 100 * (self.mean.value - self.clean.value)
        return "\n".join(
            (
                f"{self.data}: top-1 error on corrupted images, {self.split} split; as they are, {self.clean}",
                aligned(columns, rows, "ll" + "r" * len(SEVERITIES) + "l"),
                f"mean corruption error {self.mean}, {more:+.2f} points; not divided by AlexNet's, and without "
                f"{' and '.join(LEFT_OUT)}",
            )
        )


def robustness(
    model: Model | str | Path,
    data: Dataset | str | Path,
    *,
    split: str | None = None,
    side: int | None = None,
    seed: int | None = None,
    classes_by: ClassesBy = "name",
    protocol: Protocol | str | None = None,
    progress: Progress = lambda done, total: None,
) -> Robustness:
    """Measures a model on images that are corrupted in 14 ways at 5 severities, which is 71 times an evaluation.

    Images are corrupted as the network sees them, after the resize and the crop, as ImageNet-C's are. The noise is a
    function of a seed and of an image's place in the split, so that the same data give the same figures.

    The arguments and errors are those of `evaluate`; raises UsageError for a protocol of several views. `progress` gets
    the images done so far, and all images.
    """
    task = task_of(model, data, split=split, side=side, seed=seed, classes_by=classes_by, protocol=protocol)
    if not task.protocol.single:
        raise UsageError(
            f"corruptions are measured on one view of an image; {task.protocol.name} has {task.protocol.views}",
            settings="protocol",
        )
    clean, wrong = _answered(task, progress)
    corruptions = tuple(
        Corrupted(
            name,
            corruption.kind,
            tuple(float(share) for share in wrong[number].mean(axis=1)),
            mean_of(wrong[number].mean(axis=0)),
        )
        for number, (name, corruption) in enumerate(CORRUPTIONS.items())
    )
    return Robustness(
        data=task.data.name,
        split=task.split,
        images=len(task.images),
        clean=wilson(int(clean.sum()), len(clean)),
        mean=mean_of(wrong.mean(axis=(0, 1))),
        corruptions=corruptions,
    )


def _answered(task: Task, progress: Progress) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which images are answered wrong: as they are (N,), and by corruption and severity (corruptions, 5, N)."""
    count = len(task.images)
    clean, wrong = np.zeros(count, np.bool_), np.zeros((len(CORRUPTIONS), len(SEVERITIES), count), np.bool_)
    preprocess = task.protocol.preprocess(task.preprocess)
    prepare = PreprocessModule(preprocess).to(device_of(task.module))

    def missed(rows: range, pictures: list[NDArray[np.uint8]]) -> NDArray[np.bool_]:
        batch = torch.from_numpy(np.stack(pictures)).to(device_of(task.module))
        outputs = answers(task.module, prepare.normalize(prepare.to_channels(batch))).cpu().numpy()
        missed: NDArray[np.bool_] = task.by_class(outputs).argmax(axis=1) != task.images.labels[rows.start : rows.stop]
        return missed

    with ThreadPoolExecutor(max(1, WORKERS)) as pool, evaluating(task.module), torch.inference_mode():
        for rows, pictures in _pictures(task.images, preprocess, pool):
            here = slice(rows.start, rows.stop)
            clean[here] = missed(rows, pictures)
            for number, name in enumerate(CORRUPTIONS):
                for severity in SEVERITIES:
                    spoil = partial(_spoiled, name=name, severity=severity)
                    wrong[number, severity - 1, here] = missed(rows, list(pool.map(spoil, pictures, rows)))
            progress(rows.stop, count)
    return clean, wrong


def _spoiled(picture: NDArray[np.uint8], row: int, *, name: str, severity: int) -> NDArray[np.uint8]:
    return corrupt(picture, name, severity, row)


def _pictures(
    images: Split, preprocess: Preprocess, pool: ThreadPoolExecutor
) -> Iterator[tuple[range, list[NDArray[np.uint8]]]]:
    """What the network sees of each image before it is normalized: uint8 (h, w, C), C 1 (grey) or 3 (RGB)."""
    seen = preprocess
    if preprocess.channels > 1:
        seen = replace(preprocess, channels=3, order="RGB", mean=(0.0,) * 3, std=(1.0,) * 3)
    prepare = PreprocessModule(seen)

    def picture(row: int) -> NDArray[np.uint8]:
        pixels = prepare.to_channels(torch.from_numpy(np.array(images.images[row])))
        cropped = prepare.resize_and_crop(pixels)[0].round().clamp(0, 255)
        return cropped.permute(1, 2, 0).to(torch.uint8).numpy()

    for start in range(0, len(images), BATCH):
        rows = range(start, min(start + BATCH, len(images)))
        yield rows, list(pool.map(picture, rows))
