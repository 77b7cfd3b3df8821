from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import convsmith
from convsmith.model.file import Header, Model, save_model
from convsmith.network import Preprocess


@dataclass(frozen=True)
class Noise:
    """Random images of a few sizes."""

    count: int
    sizes: tuple[tuple[int, int], ...] = ((28, 28), (40, 31), (29, 64))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        size = self.sizes[index % len(self.sizes)]
        return np.random.default_rng(index).integers(0, 256, (*size, 3), dtype=np.uint8)

    def name(self, index: int) -> str:
        return f"noise-{index}.png"


@pytest.fixture(scope="session")
def model() -> Model:
    network = convsmith.create("lenet5", classes=3, input=(1, 28, 28))
    header = Header(network, ("ant", "bee", "Käfer"), Preprocess(1, (28, 28), 28, (0.5,), (0.25,)), {"seed": 1})
    # Strong outputs, so that the classes' probabilities differ from image to image.
    return header.with_weights({name: 2 * tensor for name, tensor in convsmith.build(network, 1).state_dict().items()})


@pytest.fixture
def model_path(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    return path


@pytest.fixture
def images() -> Noise:
    return Noise(70)


@pytest.fixture
def data(tmp_path: Path, images: Noise) -> Path:
    """A folder of two splits, two classes, two images each."""
    folder = tmp_path / "data"
    for i in range(8):
        file = folder / ("train", "test")[i // 4] / ("ant", "bee")[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[i]).save(file)
    return folder
