"""`convsmith predict`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convsmith.cli.verb import SHOWN, say

if TYPE_CHECKING:
    from convsmith.deploy.predict import Prediction


def predict(
    images: Annotated[list[Path], typer.Argument(help="Image files, folders of them, or WebDataset shards (.tar).")],
    model: Annotated[str, typer.Option(help="Model file, run folder, .onnx file or published name.")],
    top: Annotated[int, typer.Option(min=1, help="Classes to give for each image.")] = 5,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write: .csv, .jsonl or .parquet.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="auto|HOST:PORT|ray://HOST:PORT", help="Predict on a Ray cluster.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on the cluster.")] = 2,
    gpus_per_worker: Annotated[float, typer.Option(min=0, help="GPUs for each process.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --out, what was written.")] = False,
) -> None:
    """Predict the likeliest classes of images, with their probabilities: a line or a row for each image.

    A file has the columns image, error, class_1, probability_1, class_2 and so on. An image that cannot be read is
    reported, the others are predicted, and the exit code is 1.

    Example: convsmith predict photo.jpg scans/ --model runs/demo/model.safetensors --out predictions.csv
    """
    from convsmith.cli.progress import download_progress, image_progress
    from convsmith.cluster.connect import Cluster
    from convsmith.cluster.predict import predict_on
    from convsmith.data.unlabelled import gather
    from convsmith.deploy.classifier import open_classifier
    from convsmith.deploy.predict import predictions
    from convsmith.deploy.table import prediction_file
    from convsmith.evaluation.inference import best_device

    with download_progress() as fetching:
        classifier = open_classifier(model, best_device() if cluster is None else None, on_progress=fetching)
    guesses = min(top, len(classifier.classes))
    tally = _Tally(monotonic())
    with prediction_file(out, guesses) if out else _printed(as_json) as take:
        found = gather(images, classifier.decoding)
        for finding in found.findings:
            typer.echo(f"note: {finding}", err=True)
        if cluster is None:
            stream = predictions(classifier, found, top=top)
        else:
            stream = predict_on(Cluster(cluster, workers, gpus_per_worker), model, found, top=top)
        with image_progress("predicting", shown=as_json or out is not None) as tell, closing(stream):
            for prediction in stream:
                take(prediction)
                tally.add(prediction)
                if prediction.error is not None and (out is None or tally.unreadable <= SHOWN):
                    typer.echo(f"error: {prediction}", err=True)
                tell(tally.images, len(found))
    if out is not None:
        say({"file": out} | tally.to_json() if as_json else f"{out}: {tally}", as_json=as_json)
    elif len(found) != len(images):
        typer.echo(str(tally), err=True)
    if tally.unreadable:
        raise typer.Exit(1)


@dataclass
class _Tally:
    """How many images there have been since `start`, and how many of them could not be read."""

    start: float
    images: int = 0
    unreadable: int = 0

    def add(self, prediction: Prediction) -> None:
        self.images += 1
        self.unreadable += prediction.error is not None

    def to_json(self) -> dict[str, Any]:
        seconds = monotonic() - self.start
        return {"images": self.images, "unreadable": self.unreadable, "seconds": round(seconds, 3)}

    def __str__(self) -> str:
        rate = self.images / (monotonic() - self.start)
        noun = "image" if self.images == 1 else "images"
        return f"{self.images:,} {noun}, {self.unreadable:,} unreadable, {rate:,.{0 if rate >= 10 else 1}f} images/s"


@contextmanager
def _printed(as_json: bool) -> Iterator[Callable[[Prediction], None]]:
    """Yields what prints a prediction; as JSON, all of them at the end. Only JSON has errors on stdout."""
    kept: list[Prediction] = []

    def take(prediction: Prediction) -> None:
        if as_json:
            kept.append(prediction)
        elif prediction.error is None:
            typer.echo(str(prediction))

    yield take
    if as_json:
        say(kept, as_json=True)
